"""Many mirrors in one process, each with its own loopback address, rate and faults: a process each would cost the tests
of faults half a minute of starting.

    python -m tests.harness.mirror_farm PORT FOLDER RATE [FAULT…] -- FOLDER RATE [FAULT…] -- …
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from aiohttp import web

from distribute_io.demo.misbehaviour import parse_misbehaviour
from distribute_io.demo.throttled_mirror import ThrottledMirror
from distribute_io.units import parse_rate
from tests.harness.mirrors import Mirror
from tests.harness.processes import Process, Stage, free_port, python_module

_ROOT = Path(__file__).parents[2]
# Each farm of a test run has addresses of its own: browsers keep connections to an address that was used before.
_networks = count(1)


@dataclass(frozen=True)
class MirrorKind:
    """How one mirror of a farm is to be."""

    folder: Path
    rate: str | None
    misbehave: tuple[str, ...] = ()


def start_farm(stage: Stage, kinds: Sequence[MirrorKind]) -> list[Mirror]:
    """Start them all; in the order of `kinds`."""
    port, network = free_port(), next(_networks) % 250
    words: list[str | Path] = [str(port), str(network)]
    for kind in kinds:
        words += [kind.folder, kind.rate or "unlimited", *kind.misbehave, "--"]
    command = python_module(__name__, *words)
    process: Process = stage.start("mirrors", command, env={"PYTHONPATH": str(_ROOT)})
    process.wait_for_json_line()
    return [Mirror(process, f"http://{_address(network, place)}:{port}") for place in range(len(kinds))]


def _address(network: int, place: int) -> str:
    return f"127.1.{network}.{place + 1}"


async def _serve(port: int, network: int, groups: Sequence[Sequence[str]]) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with contextlib.AsyncExitStack() as exits:
        for place, (folder, rate, *faults) in enumerate(groups):
            mirror = ThrottledMirror(
                Path(folder),
                rate_bytes_per_s=None if rate == "unlimited" else parse_rate(rate),
                fault=parse_misbehaviour(faults),
            )
            runner = web.AppRunner(
                mirror.application(), access_log=None, shutdown_timeout=0.0, handler_cancellation=True
            )
            await runner.setup()
            exits.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, _address(network, place), port).start()
        sys.stdout.write(json.dumps({"mirrors": len(groups)}) + "\n")
        sys.stdout.flush()
        await stop.wait()


def _groups(words: Sequence[str]) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            groups.append([])
        else:
            groups[-1].append(word)
    return groups[:-1]


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), _groups(sys.argv[3:])))
