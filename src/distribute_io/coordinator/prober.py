"""Looks at strangers' links from the server: is the address a public one, and which bytes are there."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from distribute_io.errors import SourceError
from distribute_io.manifest.mirrors import is_public_address
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.http_source import HttpSource


class HttpProber:
    """Implements `claims.Prober` over the blocking HTTP transport, which judges every address that it connects to."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    def check_address(self, url: str) -> None:
        """See `Prober`. A name that cannot be looked up now is let through: every client judges it again."""
        host = urlsplit(url).hostname or ""
        if self._allow_private:
            return
        if _is_local_name(host) or any(not is_public_address(address) for address in _addresses(host)):
            raise SourceError(
                "mirror_private_address",
                f"{url} is on a private, loopback or link-local address, where downloaders must not be sent.",
            )

    def read_range(self, url: str, start: int, end: int, *, size_bytes: int, timeout_s: float) -> bytes:
        """See `Prober`."""
        policy = HttpPolicy(allow_private=self._allow_private, idle_timeout_s=timeout_s)
        source = HttpSource(url, size_bytes=size_bytes, policy=policy)
        data = bytearray(end - start)
        try:
            with source.within(timeout_s), memoryview(data) as view:
                body = source.open_range(start, end)
                while body.remaining:
                    body.readinto(view[len(data) - body.remaining :])
        finally:
            source.drop()
        return bytes(data)


def _is_local_name(host: str) -> bool:
    return host == "localhost" or host.endswith((".localhost", ".local"))


def _addresses(host: str) -> list[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass  # a name
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []
