"""A TCP forwarder: the coordinator's session as from far away, or a server of this machine at the far end of a line.

`python -m tests.harness.tcp_relay LISTEN TARGET MILLISECONDS`: listens on one `HOST:PORT`, forwards to the other, each
way MILLISECONDS late. Rate and order are those of the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.harness.processes import Stage, python_module
from tests.harness.tun_link import OpenLine

_READ_BYTES: Final = 65_536
_ROOT: Final = Path(__file__).parents[2]


def start_relay(stage: Stage, listen: str, target: str, *, delay_ms: float = 0.0) -> None:
    """Forward from here on; returns when it listens."""
    _start(stage, listen, target, delay_ms, [])


def bring_ports(stage: Stage, line: OpenLine, ports: Sequence[int]) -> None:
    """What this machine serves on these ports of 127.0.0.1 is there at the far end, too, over the line.

    Under the same addresses: what names them in its answers needs no change, and browsers take 127.0.0.1 and localhost
    for secure contexts.
    """
    for port in ports:
        _start(stage, f"{line.near_address}:{port}", f"127.0.0.1:{port}", 0.0, [])
        _start(stage, f"127.0.0.1:{port}", f"{line.near_address}:{port}", 0.0, line.far_command([]))


def _start(stage: Stage, listen: str, target: str, delay_ms: float, prefix: Sequence[str | Path]) -> None:
    command = [*prefix, *python_module("tests.harness.tcp_relay", listen, target, str(delay_ms))]
    stage.start("relay", command, folder=_ROOT).wait_for_json_line()


async def serve(listen: str, target: str, delay_s: float) -> None:
    """Forward until the process is ended."""
    host, port = _address(listen)
    far_host, far_port = _address(target)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(far_host, far_port)
        await asyncio.gather(_forward(reader, far_writer, delay_s), _forward(far_reader, writer, delay_s))

    server = await asyncio.start_server(accept, host, port)
    sys.stdout.write('{"ready": true}\n')
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Read at once, write later; timers of equal delay keep the order."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):  # either end may leave; the other is told below
        while data := await reader.read(_READ_BYTES):
            if delay_s > 0:
                loop.call_later(delay_s, writer.write, data)
            else:
                writer.write(data)
                await writer.drain()
    loop.call_later(delay_s, writer.close)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], float(sys.argv[3]) / 1_000))
