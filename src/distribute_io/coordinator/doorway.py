"""Connections that have not said yet what they want: each waits here for the head of its first request.

A connection costs a descriptor, of which a process has some thousand, and whoever opens it need not say a word. Rules:

1. The head has to be there within `HEAD_S`; after an answer the next one within `IDLE_S`, which the web server sees to.
2. Of one caller (an address, or the /64 of one) `WAITING_PER_CALLER_MAX` wait at most, in all `WAITING_MAX`; a further
   one ends the one that has waited longest. So a flood puts out its own connections, and one with its head at hand
   passes even then.
3. Of one caller so many are open at most, whatever they do; a further one is closed at once.
4. A trusted proxy speaks for many, and keeps connections in store: only the sum of those that wait is counted there.
5. Empty lines before a head are no head (RFC 9112 section 2.2). What came is handed on otherwise unread; a head that is
   larger than any the web server takes is handed on, too, and so is what does not begin with a letter (TLS on a plain
   port): it refuses both.

Connections in the middle of a TLS handshake are not here yet: they are bounded by `HEAD_S` alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final, cast

from distribute_io.coordinator.addresses import Callers

HEAD_S: Final = 10.0
"""A browser sends the head with the first packet after the handshake; this is for the slowest of lines."""

IDLE_S: Final = 75.0
"""Longer than reverse proxies keep a connection that they may use again, which is a minute as a rule."""

WAITING_PER_CALLER_MAX: Final = 128
"""Browsers open a few connections ahead, six at most for one site; a network behind one address has some of these."""

WAITING_MAX: Final = 2_048
_HEAD_BYTES_MAX: Final = 32_768
_BLANK: Final = (b"\r", b"\n")
_HEAD_END: Final = (b"\r\n\r\n", b"\n\n")


class Doorway:
    """Makes the protocols of new connections. Caller's duty: hand `guard` to the listening socket."""

    def __init__(
        self,
        handler: Callable[[], asyncio.Protocol],
        callers: Callers,
        *,
        open_per_caller_max: int,
        head_s: float = HEAD_S,
        per_caller_max: int = WAITING_PER_CALLER_MAX,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        """Connections go on to `handler()` when their first head is there."""
        self._handler = handler
        self._callers = callers
        self._open_per_caller_max = open_per_caller_max
        self._open: Counter[str] = Counter()
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
        """A connection begins to wait; returns for how many seconds it may, which is 0 for one too many."""
        visitor.caller = self._callers.direct(address)
        if visitor.caller is not None:
            self._open[visitor.caller] += 1
            if self._open[visitor.caller] > self._open_per_caller_max:
                return 0.0
        self._waiting[visitor] = None
        if visitor.caller is not None:
            neighbours = self._by_caller.setdefault(visitor.caller, OrderedDict())
            neighbours[visitor] = None
            if len(neighbours) > self._per_caller_max:
                next(iter(neighbours)).end()
        if len(self._waiting) > self._waiting_max:
            next(iter(self._waiting)).end()
        return self._head_s

    def closed(self, visitor: _Visitor) -> None:
        """A connection that entered is over."""
        if visitor.caller is not None:
            self._open[visitor.caller] -= 1
            if not self._open[visitor.caller]:
                del self._open[visitor.caller]

    def leave(self, visitor: _Visitor) -> None:
        """It waits no longer. May be said twice."""
        self._waiting.pop(visitor, None)
        neighbours = self._by_caller.get(visitor.caller or "", OrderedDict())
        neighbours.pop(visitor, None)
        if not neighbours:
            self._by_caller.pop(visitor.caller or "", None)

    def handler(self) -> asyncio.Protocol:
        """Who looks after a connection whose head is there."""
        return self._handler()


class _Visitor(asyncio.Protocol):
    """A connection: it waits, and then all that happens is the web server's."""

    def __init__(self, doorway: Doorway) -> None:
        self._doorway = doorway
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = bytearray()
        self._handler: asyncio.Protocol | None = None
        self.caller: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)  # of a stream socket, so it is one
        address = transport.get_extra_info("peername") or ("",)
        wait_s = self._doorway.enter(self, str(address[0]))
        if wait_s <= 0:
            self.end()
        else:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self.end)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._handler is not None:
            self._handler.data_received(data)
            return
        looked_at = max(0, len(self._heard) - 3)
        self._heard += data
        if self._heard.startswith(_BLANK):
            self._heard = self._heard.lstrip(b"\r\n")
            looked_at = 0
        is_head = len(self._heard) <= _HEAD_BYTES_MAX and (not self._heard or self._heard[:1].isalpha())
        if is_head and not any(self._heard.find(end, looked_at) >= 0 for end in _HEAD_END):
            return
        self._pass_on()

    def eof_received(self) -> bool | None:
        """See `asyncio.Protocol`."""
        return None if self._handler is None else self._handler.eof_received()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        if self._handler is not None:
            self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._wait_no_longer()
        self._doorway.closed(self)
        handler, self._handler = self._handler, None
        self._transport = None
        if handler is not None:
            handler.connection_lost(exc)

    def end(self) -> None:
        """Close the connection: it said nothing, and others want to come in."""
        self._wait_no_longer()
        if self._transport is not None:
            self._transport.abort()

    def _pass_on(self) -> None:
        self._wait_no_longer()
        transport, heard = self._transport, bytes(self._heard)
        self._heard.clear()
        if transport is not None and not transport.is_closing():
            self._handler = self._doorway.handler()
            self._handler.connection_made(transport)
            self._handler.data_received(heard)

    def _wait_no_longer(self) -> None:
        self._doorway.leave(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
