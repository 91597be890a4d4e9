from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.errors import DistributeError, ManifestError
from distribute_io.manifest.mirrors import check_mirror_url, is_public_address, mirror_url
from tests.unit.manifest.verdicts import verdict


@given(st.text("htps:/[]@#?.:\\ aä1%-_<", max_size=30).map(lambda text: "http://" + text))
def test_an_accepted_address_has_the_host_that_others_see(url: str) -> None:
    said = verdict(lambda: check_mirror_url(url))
    if isinstance(said, DistributeError):
        assert said.code == "manifest_bad_mirror"
        return
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Brackets around what is no address: nobody can connect to it.
        assert "[" in url
        return
    authority = url.removeprefix("http://").replace("?", "/").split("/")[0]
    assert parts.username is None
    assert parts.fragment == ""
    assert parts.hostname
    assert authority.lower().startswith((parts.hostname, f"[{parts.hostname}]"))
    assert port is None or 1 <= port <= 65_535


def test_a_base_is_completed_by_the_name_and_another_address_is_not() -> None:
    assert mirror_url("https://m.example/pub/", "a b/c#.iso") == "https://m.example/pub/a%20b/c%23.iso"
    assert mirror_url("https://m.example/get?id=7", "a.iso") == "https://m.example/get?id=7"
    with pytest.raises(ManifestError, match="cannot be a mirror"):
        mirror_url("m.example/", "a.iso")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "mirror.example",
        "",
    ],
)
def test_other_addresses(address: str) -> None:
    assert not is_public_address(address)
