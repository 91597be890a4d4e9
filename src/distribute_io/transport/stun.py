"""A STUN responder: tells whoever asks from which address and port the question came (`stun_message.py`).

Two ports of one host let a peer see whether its NAT maps each destination differently.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from distribute_io.errors import UsageError
from distribute_io.transport.stun_message import respond


class _Responder(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's selector transport is a datagram transport in all but its base class.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        answer = respond(data, (str(addr[0]).split("%", 1)[0], int(addr[1])))
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


class StunServer:
    """Two bound UDP sockets that answer. Caller's duties: `open` in the event loop, `close` at the end."""

    def __init__(self, transports: list[asyncio.DatagramTransport], ports: tuple[int, int]) -> None:
        self._transports = transports
        self.ports = ports

    @classmethod
    async def open(cls, host: str, port: int) -> StunServer:
        """Bind `port` and the next one of `host`; 0 takes any two that are free.

        Raises:
            UsageError: `port_in_use`.
        """
        sockets = _bound_pair(host, port)
        loop = asyncio.get_running_loop()
        transports = [(await loop.create_datagram_endpoint(_Responder, sock=bound))[0] for bound in sockets]
        first, second = (int(bound.getsockname()[1]) for bound in sockets)
        return cls(transports, (first, second))

    def close(self) -> None:
        """Stop answering."""
        for transport in self._transports:
            transport.close()


def _bound_pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    first = _bound(host, port)
    try:
        return first, _bound(host, port + 1 if port else 0)
    except BaseException:
        first.close()
        raise


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        if host == "::":  # all networks, the older ones too
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise UsageError(
            "port_in_use", f"UDP port {port} cannot be had ({error.strerror}): choose another by --stun-port."
        ) from error
    return bound
