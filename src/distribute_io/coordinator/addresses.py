"""By which addresses the coordinator is reached, and who is asking."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from msgspec import Struct

from distribute_io.coordinator import links
from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.errors import RefusedError, UsageError
from distribute_io.manifest.mirrors import is_public_address

_WILDCARDS: Final = frozenset({"0.0.0.0", "::", "*"})
_FORWARDED_MAX: Final = 16
"""Entries of X-Forwarded-For that are looked at, from the right; more proxies than that are nobody's."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class PublicAddress(Struct, frozen=True):
    """How clients are told to reach us."""

    url: str
    """Without a slash at the end."""
    session_url: str
    stun: tuple[str, ...]
    """`stun:` URLs, two ports of one host."""

    @property
    def origin(self) -> str:
        """As a browser writes it."""
        return links.origin(self.url)

    @property
    def host(self) -> str:
        """Name or address, IPv6 in brackets."""
        host = urlsplit(self.url).hostname or ""
        return f"[{host}]" if ":" in host else host

    @property
    def is_secure_context(self) -> bool:
        """Whether browsers give pages from here hashing, storage and workers."""
        split = urlsplit(self.url)
        host = split.hostname or ""
        address = _literal(host)
        loopback = address is not None and address.is_loopback
        return split.scheme == "https" or loopback or host == "localhost" or host.endswith(".localhost")

    @property
    def is_private(self) -> bool:
        """Whether we ourselves are on a private address, so that mirrors there are no secret to us."""
        host = urlsplit(self.url).hostname or ""
        if _literal(host) is not None:
            return not is_public_address(host)
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".lan"))


def public_address(config: CoordinatorConfig, *, port: int, stun_ports: Sequence[int]) -> PublicAddress:
    """What clients are told, out of the configuration and the ports that were really taken."""
    url = config.public_url.rstrip("/")
    if not url:
        scheme = "https" if config.tls_cert else "http"
        host = "127.0.0.1" if config.host in _WILDCARDS else config.host
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    url = links.origin(url)
    socket_scheme = "wss" if url.startswith("https:") else "ws"
    session_url = config.session_url or f"{socket_scheme}://{url.split('://', 1)[1]}/api/v1/ws"
    address = PublicAddress(url=url, session_url=session_url, stun=())
    stun_host = config.stun_host or address.host
    return PublicAddress(
        url=url, session_url=session_url, stun=tuple(f"stun:{stun_host}:{stun_port}" for stun_port in stun_ports)
    )


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks of trusted proxies.

    Raises:
        UsageError: `bad_config`.
    """
    try:
        return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
    except ValueError as error:
        raise UsageError("bad_config", f"trusted_proxies: {error}") from error


def asked_origin(request: web.Request) -> str:
    """The origin by which a request reached us, or an empty text when its Host header is no name."""
    try:
        return links.origin(f"{request.scheme}://{request.host}")
    except RefusedError:
        return ""


class Callers:
    """Tells callers apart for the rate ceilings. The result is never logged or stored."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)

    def address(self, request: web.Request) -> str:
        """The caller's address: the last one that no trusted proxy vouches for (RFC 7239's older sibling, from the
        right, since everything further left can be made up)."""
        peer = request.remote or ""
        if not self._is_trusted(peer):
            return _group(peer)
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        for hop in reversed(forwarded[-_FORWARDED_MAX:]):
            peer = hop.strip()
            if not self._is_trusted(peer):
                break
        return _group(peer)

    def direct(self, address: str) -> str | None:
        """Who is at the other end of a connection; None when it is a trusted proxy, which speaks for many."""
        return None if self._is_trusted(address) else _group(address)

    def _is_trusted(self, text: str) -> bool:
        if not self._trusted:
            return False
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _group(text: str) -> str:
    """One caller: an IPv4 address, or the /64 of an IPv6 address, all of which one household has."""
    try:
        address = ipaddress.ip_address(text.split("%", 1)[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
