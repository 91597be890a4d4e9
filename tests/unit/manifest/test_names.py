from __future__ import annotations

import posixpath
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.errors import DistributeError, ManifestError
from distribute_io.manifest.names import check_cause, check_name, url_path
from tests.unit.manifest.verdicts import verdict

NAMES = st.text(st.sampled_from("ab.. /\\:\0\n\u202eü😀\ud800"), max_size=12) | st.text(max_size=30)


@given(NAMES)
def test_an_accepted_name_stays_in_its_folder_and_has_one_reading(name: str) -> None:
    said = verdict(lambda: check_name(name))
    if isinstance(said, DistributeError):
        assert said.code == "manifest_bad_name"
        return
    assert posixpath.normpath(f"/folder/{name}") == f"/folder/{name}"
    assert "\\" not in name
    assert not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)
    assert not any(part.startswith(".") or part.endswith((".", " ")) for part in name.split("/"))


@given(NAMES)
def test_url_paths_lead_back_to_the_name(name: str) -> None:
    if isinstance(verdict(lambda: check_name(name)), DistributeError):
        return
    path = url_path(name)
    assert unquote(path) == name
    assert path.isascii()
    assert not set(path) & set("?#% \\") - {"%"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("\udcff.iso", "not UTF-8"),
        ("x" * 1025, "longer than 1024"),
        ("a/" + "x" * 256, "a part is longer than 255"),
        ("a\\b", "backslash"),
        ("C:b", "drive letter"),
        ("/a", "absolute"),
        (".a", "begins with a dot"),
        ("a ", "begins or ends with a space"),
    ],
)
def test_the_reason_is_said(name: str, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        check_name(name)


def test_causes() -> None:
    assert check_cause("linux-isos") == "linux-isos"
    with pytest.raises(ManifestError, match="1 to 64") as caught:
        check_cause("Linux")
    assert caught.value.code == "manifest_bad_cause"
