"""transport/dial.py: addresses, proxies of the environment, TLS."""

from __future__ import annotations

import base64
import socket
import time

import pytest

from distribute_io.errors import SourceError
from distribute_io.transport.dial import HttpPolicy, dial, is_private_server, parse_address
from distribute_io.transport.http_request import get_bounded
from tests.harness.raw_server import raw_server, response, silent_address

POLICY = HttpPolicy(allow_private=True, idle_timeout_s=2.0, connect_timeout_s=2.0)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("url", "host_header", "target"),
    [
        ("http://example.org", "example.org", "/"),
        ("https://example.org:443/a?b=c#d", "example.org", "/a?b=c"),
        ("http://example.org:8080/ä", "example.org:8080", "/%C3%A4"),
        ("http://user:secret@example.org/", "example.org", "/"),
        ("http://[::1]:81/x", "[::1]:81", "/x"),
        ("http://[::1]:80/", "[::1]", "/"),
        ("http://bücher.example/", "xn--bcher-kva.example", "/"),
    ],
)
def test_address_of_a_url(url: str, host_header: str, target: str) -> None:
    address = parse_address(url)
    assert (address.host_header, address.target) == (host_header, target)


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "http://", "http://[::1", "http://example.org:99999/", "http://e.org/a b", "x"]
)
def test_what_is_no_http_address_is_named(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_address(url)
    assert caught.value.code == "mirror_unreachable"


def test_plain_proxy_gets_the_whole_address_and_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(response("200 OK", b"through")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://me:s%20t@"))
        assert get_bounded("http://example.invalid/x", HttpPolicy(), limit_bytes=100).body == b"through"
        assert proxy.heads[0].startswith("GET http://example.invalid/x HTTP/1.1\r\nHost: example.invalid")
        assert f"Proxy-Authorization: Basic {base64.b64encode(b'me:s t').decode()}" in proxy.heads[0]


def test_tunnel_that_is_refused_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(response("407 Proxy Authentication Required")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(SourceError) as caught:
            dial(parse_address("https://example.invalid/"), HttpPolicy())
        assert caught.value.code == "mirror_unreachable"
        assert proxy.heads[0].startswith("CONNECT example.invalid:443 HTTP/1.1")


def test_private_target_is_refused_behind_a_proxy_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(response("200 OK")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        for host in ("10.0.0.1", "localhost", "[::1]"):
            with pytest.raises(SourceError) as caught:
                dial(parse_address(f"http://{host}/"), HttpPolicy())
            assert caught.value.code == "mirror_private_address"
        assert proxy.heads == []


@pytest.mark.parametrize("pattern", ["127.0.0.1", "127.0.0.1:PORT", "*"])
def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    with raw_server(response("200 OK", b"direct")) as server:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", pattern.replace("PORT", str(parse_address(server.url).port)))
        assert get_bounded(server.url, POLICY, limit_bytes=100).body == b"direct"


def test_all_proxy_is_for_what_has_none_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(response("200 OK", b"by all")) as proxy, raw_server(response("200 OK", b"by its own")) as own:
        for text in (proxy.url, proxy.url.removeprefix("http://")):
            monkeypatch.setenv("all_proxy", text)
            assert get_bounded("http://example.invalid/", HttpPolicy(), limit_bytes=100).body == b"by all"
        monkeypatch.setenv("http_proxy", own.url)
        assert get_bounded("http://example.invalid/", HttpPolicy(), limit_bytes=100).body == b"by its own"


def test_all_proxy_that_speaks_socks_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    with raw_server(response("200 OK", b"direct")) as server:
        assert get_bounded(server.url, POLICY, limit_bytes=100).body == b"direct"


def test_a_dead_address_costs_a_name_with_two_no_more_than_a_blink(monkeypatch: pytest.MonkeyPatch) -> None:
    patience_s = 8  # of the scheduler, which then gives a silent mirror up
    with raw_server(response("200 OK", b"alive")) as server, silent_address(parse_address(server.url).port) as silent:
        resolve = socket.getaddrinfo
        found = [info for host in (silent, "127.0.0.1") for info in resolve(host, parse_address(server.url).port)[:1]]
        monkeypatch.setattr("socket.getaddrinfo", lambda *_arguments, **_options: found)
        began = time.monotonic()
        policy = HttpPolicy(allow_private=True, connect_timeout_s=2.0 * patience_s)
        assert get_bounded(server.url, policy, limit_bytes=100).body == b"alive"
        assert time.monotonic() - began < patience_s


def test_server_without_tls_on_an_https_address_is_named() -> None:
    with raw_server(response("200 OK")) as server, pytest.raises(SourceError) as caught:
        dial(parse_address(server.url.replace("http:", "https:")), POLICY)
    assert caught.value.code in ("mirror_unreachable", "stalled")


def test_document_above_its_limit_is_refused() -> None:
    with raw_server(response("200 OK", b"x" * 101)) as server, pytest.raises(SourceError) as caught:
        get_bounded(server.url, POLICY, limit_bytes=100)
    assert caught.value.code == "mirror_wrong_range"


def test_port_where_nobody_listens_is_named() -> None:
    with pytest.raises(SourceError) as caught:
        dial(parse_address("http://127.0.0.1:9/"), POLICY)
    assert caught.value.code == "mirror_unreachable"


def test_private_server_is_known_by_its_address() -> None:
    assert is_private_server("127.0.0.1")
    assert not is_private_server("9.9.9.9")
    assert not is_private_server("name.invalid")


def test_a_private_address_beside_public_ones_makes_no_private_server(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(0, 0, 0, "", (address, 0)) for address in ("10.0.0.1", "93.184.215.14")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_arguments, **_options: found)
    assert not is_private_server("split.example")
    monkeypatch.setattr("socket.getaddrinfo", lambda *_arguments, **_options: found[:1])
    assert is_private_server("intranet.example")
