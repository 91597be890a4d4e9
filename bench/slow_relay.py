"""A TCP forwarder that delivers everything later: the coordinator's session as from far away.

`python -m bench.slow_relay PORT TARGET MILLISECONDS`: listens on 127.0.0.1:PORT, forwards to 127.0.0.1:TARGET, each way
MILLISECONDS late. Rate and order are those of the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Final

_READ_BYTES: Final = 65_536


async def serve(port: int, target: int, delay_s: float) -> None:
    """Forward until the process is ended."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(_forward(reader, far_writer, delay_s), _forward(far_reader, writer, delay_s))

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Read at once, write later; timers of equal delay keep the order."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):  # either end may leave; the other is told below
        while data := await reader.read(_READ_BYTES):
            loop.call_later(delay_s, writer.write, data)
    loop.call_later(delay_s, writer.close)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1_000))
