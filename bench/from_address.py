"""`python -m bench.from_address ADDRESS WORD…` runs `dio WORD…` whose TCP connections come from a loopback address.

All of 127.0.0.0/8 is this machine, so that one machine can stand for several countries: the coordinator's table of
regions says which network is where. Only what goes to loopback is bound; the data channels are as ever.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

from distribute_io.cli.main import main


class _FromAddress(socket.socket):
    """A socket that is bound before it connects over TCP."""

    source = ""

    def connect(self, address: Any) -> None:  # Any: as in `socket.socket.connect`
        """Connect, from the address that this process stands at."""
        self._bind_first(address)
        super().connect(address)

    def connect_ex(self, address: Any) -> int:  # Any: as above
        """As `connect`."""
        self._bind_first(address)
        return super().connect_ex(address)

    def _bind_first(self, address: Any) -> None:  # Any: as above
        to_loopback = self.family == socket.AF_INET and str(address[0]).startswith("127.")
        if to_loopback and self.type == socket.SOCK_STREAM and self.getsockname()[1] == 0:
            self.bind((self.source, 0))


if __name__ == "__main__":
    _FromAddress.source = sys.argv.pop(1)
    socket.socket = _FromAddress  # type: ignore[misc]  # the whole program makes its sockets by this name
    sys.exit(main())
