"""TCP connections that come from a loopback address: one machine stands for several countries.

All of 127.0.0.0/8 is this machine, and the coordinator's table of regions says which network is where. What runs many
peers in one process `install`s this and sets `STANDS_AT` in each of their tasks. Only what goes to loopback is bound;
the data channels are as ever.
"""

from __future__ import annotations

import socket
from contextvars import ContextVar
from typing import Any

STANDS_AT: ContextVar[str] = ContextVar("STANDS_AT")
"""The address that a task's connections come from; without one they come from where the system says."""


class _FromAddress(socket.socket):
    """A socket that is bound before it connects over TCP."""

    def connect(self, address: Any) -> None:  # Any: as in `socket.socket.connect`
        """Connect, from the address that this task stands at."""
        self._bind_first(address)
        super().connect(address)

    def connect_ex(self, address: Any) -> int:  # Any: as above
        """As `connect`."""
        self._bind_first(address)
        return super().connect_ex(address)

    def _bind_first(self, address: Any) -> None:  # Any: as above
        source = STANDS_AT.get("")
        to_loopback = self.family == socket.AF_INET and str(address[0]).startswith("127.")
        if source and to_loopback and self.type == socket.SOCK_STREAM and self.getsockname()[1] == 0:
            self.bind((source, 0))


def install() -> None:
    """Make all sockets of this process by the class above; before anything else is imported."""
    socket.socket = _FromAddress  # type: ignore[misc]  # the whole program makes its sockets by this name
