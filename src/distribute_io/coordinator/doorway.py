"""Connections that have not said yet what they want: each waits here for the head of its first request.

A connection costs a descriptor, of which a process has some thousand, and whoever opens it need not say a word. Rules:

1. The head has to be there within `HEAD_S`.
2. Of one caller (an address, or the /64 of one) `WAITING_PER_CALLER_MAX` wait at most, in all `WAITING_MAX`; a further
   one ends the one that has waited longest. So a flood puts out its own connections, and one with its head at hand
   passes even then.
3. A trusted proxy speaks for many, and keeps connections in store: only the sum is counted there.
4. What came is handed on unread; the web server looks after the connection from there on. A head that is larger than
   any it takes is handed on, too, and so is what does not begin with a letter (TLS on a plain port): it refuses both.

Connections in the middle of a TLS handshake are not here yet: they are bounded by `HEAD_S` alone.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, cast

from distribute_io.coordinator.addresses import Callers

HEAD_S: Final = 10.0
"""A browser sends the head with the first packet after the handshake; this is for the slowest of lines."""

WAITING_PER_CALLER_MAX: Final = 128
"""Browsers open a few connections ahead, six at most for one site; a network behind one address has some of these."""

WAITING_MAX: Final = 2_048
_HEAD_BYTES_MAX: Final = 32_768
_HEAD_END: Final = (b"\r\n\r\n", b"\n\n")


class Doorway:
    """Makes the protocols of new connections. Caller's duty: hand `guard` to the listening socket."""

    def __init__(
        self,
        handler: Callable[[], asyncio.Protocol],
        callers: Callers,
        *,
        head_s: float = HEAD_S,
        per_caller_max: int = WAITING_PER_CALLER_MAX,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        """Connections go on to `handler()` when their first head is there."""
        self._handler = handler
        self._callers = callers
        self._head_s = head_s
        self._per_caller_max = per_caller_max
        self._waiting_max = waiting_max
        self._waiting: OrderedDict[_Visitor, None] = OrderedDict()
        self._by_caller: dict[str, OrderedDict[_Visitor, None]] = {}

    @property
    def waiting(self) -> int:
        """How many connections wait."""
        return len(self._waiting)

    def guard(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Visitor(self)

    def close(self) -> None:
        """End those that wait."""
        for visitor in list(self._waiting):
            visitor.end()

    def enter(self, visitor: _Visitor, address: str) -> float:
        """A connection begins to wait; returns for how many seconds it may."""
        visitor.caller = self._callers.direct(address)
        self._waiting[visitor] = None
        if visitor.caller is not None:
            neighbours = self._by_caller.setdefault(visitor.caller, OrderedDict())
            neighbours[visitor] = None
            if len(neighbours) > self._per_caller_max:
                next(iter(neighbours)).end()
        if len(self._waiting) > self._waiting_max:
            next(iter(self._waiting)).end()
        return self._head_s

    def leave(self, visitor: _Visitor) -> None:
        """It waits no longer. May be said twice."""
        self._waiting.pop(visitor, None)
        neighbours = self._by_caller.get(visitor.caller or "", OrderedDict())
        neighbours.pop(visitor, None)
        if not neighbours:
            self._by_caller.pop(visitor.caller or "", None)

    def pass_on(self, transport: asyncio.Transport, heard: bytes) -> None:
        """Let the web server have a connection, and what came over it."""
        handler = self._handler()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(heard)


class _Visitor(asyncio.Protocol):
    """A connection that waits."""

    def __init__(self, doorway: Doorway) -> None:
        self._doorway = doorway
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = bytearray()
        self.caller: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)  # of a stream socket, so it is one
        address = transport.get_extra_info("peername") or ("",)
        wait_s = self._doorway.enter(self, str(address[0]))
        if self._transport is not None:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self.end)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        looked_at = max(0, len(self._heard) - 3)
        self._heard += data
        is_head = len(self._heard) <= _HEAD_BYTES_MAX and self._heard[:1].isalpha()
        if is_head and not any(self._heard.find(end, looked_at) >= 0 for end in _HEAD_END):
            return
        transport = self._transport
        self._forget()
        if transport is not None:
            self._doorway.pass_on(transport, bytes(self._heard))

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._forget()

    def end(self) -> None:
        """Close the connection: it said nothing, and others want to come in."""
        if self._transport is not None:
            self._transport.abort()
        self._forget()

    def _forget(self) -> None:
        self._transport = None
        self._doorway.leave(self)
        if self._timer is not None:
            self._timer.cancel()
