"""TCP connections that come from a loopback address: one machine stands for several countries.

All of 127.0.0.0/8 is this machine, and the coordinator's table of regions says which network is where.
`python -m bench.from_address ADDRESS WORD…` runs `dio WORD…` from an address, and appends to the file that
`$BENCH_PEERS_JOINED` names, if it does, the moment (monotonic seconds) at which each donor became a source of it. What
runs many peers in one process `install`s this and sets `STANDS_AT` in each of their tasks. Only what goes to loopback
is bound; the data channels are as ever.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from contextvars import ContextVar
from pathlib import Path
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


def main() -> int:
    """Run `dio` from an address."""
    STANDS_AT.set(sys.argv.pop(1))
    install()
    from distribute_io.cli.main import main as dio

    path = os.environ.get("BENCH_PEERS_JOINED")
    if path:
        _note_peers(Path(path))
    return dio()


def _note_peers(path: Path) -> None:
    from distribute_io.download.driver import Driver

    add_source = Driver.add_source

    def noted(self: Driver, *words: Any, kind: str, **more: Any) -> None:  # Any: handed on as they are
        if kind == "peer":
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{time.monotonic():.3f}\n")
        add_source(self, *words, kind=kind, **more)  # type: ignore[arg-type]  # as above

    Driver.add_source = noted  # type: ignore[method-assign]  # a bench looks on, the product has no need of it


if __name__ == "__main__":
    sys.exit(main())
