"""Connects to the first of a name's addresses that answers: attempts overlap, so that a dead one costs a blink.

Rules (RFC 8305, "happy eyeballs"):

1. Addresses are tried in the resolver's order, the families in turn (section 4): where IPv6 is broken, it is for all
   addresses of a name.
2. Each attempt gets `ATTEMPT_DELAY_S` before the next one begins beside it, and none when it fails earlier (section 5).
   The first that connects is taken, the others are closed.
3. Nothing is remembered: a dead address costs each new connection that delay, and connections are few and kept.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any, Final, TypeAlias

ATTEMPT_DELAY_S: Final = 0.25
"""As RFC 8305 section 8 recommends. An address further away than that is none too slow: it goes on beside the next."""

_ADDRESSES_MAX: Final = 16
"""Sockets that one call may hold open. Names have two to eight addresses as a rule."""

_BEGUN: Final = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)

AddressInfo: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]  # Any: each family has its own
"""What `socket.getaddrinfo` says of an address."""


def connect_first(addresses: Sequence[AddressInfo], *, timeout_s: float) -> socket.socket:
    """A connected, blocking socket without a time limit. Blocks.

    Args:
        addresses: where to, the preferred one first.
        timeout_s: for each of them.

    Raises:
        OSError: none could be connected to; how the last one failed, `TimeoutError` where it was silent.
    """
    race = _Race(timeout_s)
    try:
        for address in families_in_turn(addresses)[:_ADDRESSES_MAX]:
            race.begin(address)
            winner = race.wait(ATTEMPT_DELAY_S)
            if winner is not None:
                return winner
        return race.finish()
    finally:
        race.close()


def families_in_turn(addresses: Sequence[AddressInfo]) -> list[AddressInfo]:
    """The same, the preferred one's family and the others by turns (rule 1)."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    other = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for address in chain.from_iterable(zip_longest(first, other)) if address is not None]


class _Race:
    """Connections that are being made."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._selector = selectors.DefaultSelector()
        self._deadlines: dict[socket.socket, float] = {}
        self._failure: OSError = OSError("no address")

    def begin(self, address: AddressInfo) -> None:
        family, kind, protocol, _, place = address
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # no IPv6 in this kernel
            self._failure = error
            return
        self._deadlines[sock] = time.monotonic() + self._timeout_s
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_WRITE, sock)
        try:
            code = sock.connect_ex(place)
        except OSError as error:
            self._drop(sock, error)
            return
        if code not in _BEGUN:
            self._drop(sock, OSError(code, os.strerror(code)))

    def wait(self, seconds: float) -> socket.socket | None:
        """The first that connects within that time; None when the time is over, or nobody is left to wait for."""
        until = time.monotonic() + seconds
        while self._deadlines:
            now = time.monotonic()
            for late in [each for each, deadline in self._deadlines.items() if deadline <= now]:
                self._drop(late, TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
            if now >= until:
                return None
            next_s = min([until, *self._deadlines.values()]) - now
            for key, _ in self._selector.select(next_s):
                sock: socket.socket = key.data
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == 0:
                    return self._take(sock)
                self._drop(sock, OSError(code, os.strerror(code)))
        return None

    def finish(self) -> socket.socket:
        """Waits for those that are left."""
        winner = self.wait(self._timeout_s)
        if winner is None:
            raise self._failure
        return winner

    def close(self) -> None:
        for sock in self._deadlines:
            sock.close()
        self._selector.close()

    def _take(self, sock: socket.socket) -> socket.socket:
        self._selector.unregister(sock)
        del self._deadlines[sock]
        sock.setblocking(True)
        return sock

    def _drop(self, sock: socket.socket, failure: OSError) -> None:
        self._selector.unregister(sock)
        del self._deadlines[sock]
        sock.close()
        self._failure = failure
