"""How we are reached, and who is asking."""

from __future__ import annotations

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from distribute_io.coordinator.addresses import Callers, asked_origin, parse_networks, public_address
from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.errors import UsageError


@pytest.mark.parametrize(
    ("settings", "url", "session_url", "secure", "private"),
    [
        ({}, "http://127.0.0.1:9", "ws://127.0.0.1:9/api/v1/ws", True, True),
        ({"host": "0.0.0.0"}, "http://127.0.0.1:9", "ws://127.0.0.1:9/api/v1/ws", True, True),
        ({"host": "::1"}, "http://[::1]:9", "ws://[::1]:9/api/v1/ws", True, True),
        ({"host": "192.168.1.2"}, "http://192.168.1.2:9", "ws://192.168.1.2:9/api/v1/ws", False, True),
        (
            {"public_url": "https://Cdn.example.org:443/"},
            "https://cdn.example.org",
            "wss://cdn.example.org/api/v1/ws",
            True,
            False,
        ),
        (
            {"public_url": "http://cdn.example.org"},
            "http://cdn.example.org",
            "ws://cdn.example.org/api/v1/ws",
            False,
            False,
        ),
        (
            {"public_url": "http://a.localhost:1", "session_url": "wss://s.example/x"},
            "http://a.localhost:1",
            "wss://s.example/x",
            True,
            True,
        ),
        (
            {"tls_cert": "c", "tls_key": "k", "host": "1.1.1.1"},
            "https://1.1.1.1:9",
            "wss://1.1.1.1:9/api/v1/ws",
            True,
            False,
        ),
    ],
)
def test_what_clients_are_told(
    settings: dict[str, str], url: str, session_url: str, secure: bool, private: bool
) -> None:
    public = public_address(msgspec.convert(settings, CoordinatorConfig), port=9, stun_ports=(3478, 3479))
    assert (public.url, public.session_url) == (url, session_url)
    assert (public.is_secure_context, public.is_private) == (secure, private)
    assert public.stun == (f"stun:{public.host}:3478", f"stun:{public.host}:3479")


def caller(remote: str, forwarded: str | None, *trusted: str) -> str:
    headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=remote)
    return Callers(parse_networks(trusted)).address(request)


def test_only_trusted_proxies_are_believed() -> None:
    assert caller("203.0.113.5", "198.51.100.7") == "203.0.113.5"
    assert caller("10.0.0.1", "198.51.100.7", "10.0.0.0/8") == "198.51.100.7"
    assert caller("10.0.0.1", "1.2.3.4, 198.51.100.7, 10.0.0.2", "10.0.0.0/8") == "198.51.100.7"
    assert caller("10.0.0.1", None, "10.0.0.0/8") == "unknown"


def test_one_household_is_one_caller() -> None:
    assert caller("2001:db8:1:2:aaaa::1", None) == caller("2001:db8:1:2:bbbb::2", None)
    assert caller("2001:db8:1:2::1", None) != caller("2001:db8:1:3::1", None)
    assert caller("::ffff:203.0.113.5", None) == "203.0.113.5"
    assert caller("10.0.0.1", "garbage", "10.0.0.0/8") == "unknown"


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        parse_networks(["10.0.0.0/99"])
    assert caught.value.code == "bad_config"


def test_the_origin_that_was_asked() -> None:
    assert asked_origin(make_mocked_request("GET", "/", headers={"Host": "LOCALHOST:8080"})) == "http://localhost:8080"
    assert asked_origin(make_mocked_request("GET", "/", headers={"Host": "a b"})) == ""
