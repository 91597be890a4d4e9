"""`dio donate`: memory, return visit, rate cap, stop, and whether a thousand who come and leave leave anything behind.

Options: `--mib N` (default 244: what 256 MB hold), `--takers N` (default 8), `--visits N` (default 1000),
`--rate-seconds N` (default 15), `--part limits` or `visits` (default both; each has a result of its own). A
coordinator, one mirror and one donor on loopback; takers are `dio get`'s own code in this process, with an engine that
notes when which frame came, and get nothing from mirrors. Memory is the donor's and its child's together, as PSS: pages
that both map count once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.record import write_result
from tests.harness.coordinator import CAUSE, Coordinator, make_publisher, make_release, start_coordinator
from tests.harness.donors import wait_until_held
from tests.harness.mirrors import start_mirror
from tests.harness.native_taker import NativeTaker, NotingEngine
from tests.harness.processes import Process, Stage, dio, wait_for
from tests.harness.received_bytes import mean_rate, rates

_MIB = 2**20
_WINDOW_MS = 10_000
_RATES = (64_000, 1_000_000, 10_000_000)


class Rig:
    """A coordinator, a file, its plan without mirrors, and a donor that can be started again."""

    def __init__(self, stage: Stage, *, mib: int) -> None:
        self.stage = stage
        self.coordinator: Coordinator = start_coordinator(stage)
        folder = stage.folder / "www"
        folder.mkdir()
        self.mirror = start_mirror(stage, folder)
        publisher = make_publisher(self.coordinator, [self.mirror])
        self.release = make_release(folder, "file.bin", mib * _MIB)
        publisher.publish([self.release], [self.mirror])
        self.taker = NativeTaker.of(self.mirror.link(self.release.name), self.coordinator, stage.folder)

    def start_donor(self, *, up: str) -> Process:
        """The one donor, with the store of all runs."""
        words = ["donate", self.coordinator.url, "--cause", CAUSE, "--storage", "1GB", "--up", up, "--takers", "64"]
        return self.stage.start("donor", dio(*words, "--data-dir", self.stage.folder / "donor", "--json"))


def run(options: list[str]) -> bool:
    """Measure all of it and write `results/donor_headless.json`; True when every bar holds."""
    parser = argparse.ArgumentParser(prog="donor_headless", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=244)
    parser.add_argument("--takers", type=int, default=8)
    parser.add_argument("--visits", type=int, default=1000)
    parser.add_argument("--rate-seconds", type=float, default=15.0)
    parser.add_argument("--part", choices=("limits", "visits", "all"), default="all")
    chosen = parser.parse_args(options)
    outcomes = []
    if chosen.part != "visits":
        outcomes.append(_measured("donor_headless", chosen, _limits))
    if chosen.part != "limits":
        outcomes.append(_measured("donor_headless_visits", chosen, _visits_leave_nothing))
    return all(outcomes)


class _Findings:
    """Figures and bars of one result."""

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}  # Any: JSON of any shape
        self.bars: list[dict[str, Any]] = []

    def bar(self, text: str, figure: float, *, holds: bool) -> None:
        """Note a bar and whether it holds."""
        self.bars.append({"bar": text, "figure": round(figure, 3), "holds": holds})
        print(f"  {text}: {figure:.4g} {'holds' if holds else 'DOES NOT HOLD'}", flush=True)


def _measured(
    name: str, chosen: argparse.Namespace, measure: Callable[[Rig, Process, argparse.Namespace, _Findings], None]
) -> bool:
    found = _Findings()
    with tempfile.TemporaryDirectory(prefix="dio-donor-", dir="/dev/shm") as folder, Stage(Path(folder)) as stage:
        rig = Rig(stage, mib=chosen.mib)
        donor = rig.start_donor(up="10MB/s")
        wait_until_held(rig.coordinator, chosen.mib * _MIB, timeout_s=120)
        measure(rig, donor, chosen, found)
    question = (__doc__ or "").splitlines()[0]
    write_result(name, {"question": question, "figures": found.figures, "bars": found.bars})
    return all(each["holds"] for each in found.bars)


def _limits(rig: Rig, donor: Process, chosen: argparse.Namespace, found: _Findings) -> None:
    figures, bar = found.figures, found.bar
    figures["return_s"], pushed_bytes = _return_visit(rig, donor, held_bytes=chosen.mib * _MIB)
    bar(f"return visit with {chosen.mib} MiB held <= 1 s", figures["return_s"], holds=figures["return_s"] <= 1)
    bar("bytes pushed at the return == 0", pushed_bytes, holds=pushed_bytes == 0)

    figures["rates"] = {}
    for rate in _RATES:
        donor = _restart(rig, up=f"{rate}B/s")
        highest, mean = _rate(rig, seconds=chosen.rate_seconds)
        figures["rates"][str(rate)] = {"highest_10_s": round(highest), "mean": round(mean)}
        bar(f"any 10 s at {rate} B/s <= 1.05 of it", highest / rate, holds=highest <= 1.05 * rate)
        bar(f"mean at {rate} B/s >= 0.95 of it", mean / rate, holds=mean >= 0.95 * rate)

    late_s = asyncio.run(_stop(rig, donor))
    figures["last_byte_after_stop_ms"] = round(late_s * 1000, 1)
    bar("last byte after the stop <= 300 ms", late_s * 1000, holds=late_s <= 0.3)

    donor = _restart(rig, up="1MB/s")
    idle = pss_mib(donor)
    busy = asyncio.run(_with_takers(rig, donor, chosen.takers))
    figures["memory_mib"] = {"idle": round(idle, 1), f"with {chosen.takers} takers": round(busy, 1)}
    most = 80 + 0.4 * chosen.takers
    bar(f"memory in MiB with {chosen.takers} takers <= {most:g}", busy, holds=busy <= most)


def _visits_leave_nothing(rig: Rig, _donor: Process, chosen: argparse.Namespace, found: _Findings) -> None:
    donor = _restart(rig, up="1MB/s")
    asyncio.run(_visits(rig, min(50, chosen.visits)))  # what is made once is made now
    before = resources(donor)
    asyncio.run(_visits(rig, chosen.visits))
    wait_for(lambda: resources(donor)[:2] <= before[:2] or None, "threads and descriptors that go", timeout_s=60)
    after = resources(donor)
    found.figures["visits"] = {"count": chosen.visits, "before": before, "after": after}
    bar = found.bar
    bar(f"threads after {chosen.visits} visits - before <= 0", after[0] - before[0], holds=after[0] <= before[0])
    bar("descriptors after - before <= 0", after[1] - before[1], holds=after[1] <= before[1])
    bar("memory in MiB after - before <= 4", after[2] - before[2], holds=after[2] - before[2] <= 4)


def _return_visit(rig: Rig, donor: Process, *, held_bytes: int) -> tuple[float, int]:
    """Seconds from the start of the process until the coordinator knows all that is held, and bytes pushed by then."""
    donor.send_signal(signal.SIGINT)
    donor.wait(timeout_s=10)
    wait_for(lambda: rig.coordinator.stats()["donors"] == 0, "the donor to be gone")
    pushed_bytes, sent_bytes = rig.coordinator.stats()["bytes_pushed"], rig.mirror.bytes_sent()
    started = time.monotonic()
    rig.start_donor(up="10MB/s")
    while rig.coordinator.stats()["bytes_held"] < held_bytes:
        time.sleep(0.005)
        if time.monotonic() - started > 30:
            raise RuntimeError(f"the donor did not come back\n{rig.stage.report()}")
    seconds = time.monotonic() - started
    time.sleep(2)  # an assignment follows, and what a donor lacked it would fetch at once
    pushed = rig.coordinator.stats()["bytes_pushed"] - pushed_bytes + rig.mirror.bytes_sent() - sent_bytes
    return seconds, pushed


def _restart(rig: Rig, *, up: str) -> Process:
    for process in rig.stage.processes:
        if process.name.startswith("donor") and process.exit_code is None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout_s=10)
    wait_for(lambda: rig.coordinator.stats()["donors"] == 0, "the donor to be gone")
    donor = rig.start_donor(up=up)
    wait_until_held(rig.coordinator, len(rig.release.content))
    return donor


def _rate(rig: Rig, *, seconds: float) -> tuple[float, float]:
    """Of payload and frame headers that arrived: the most in any 10 s, and the mean without the first second."""
    found = rig.taker.received_for(seconds)
    highest = max(rates(found, _WINDOW_MS))
    return highest, mean_rate(found, found[0][0] + 1_000, found[-1][0])


async def _stop(rig: Rig, donor: Process) -> float:
    """Seconds from the signal to the last byte of the file."""
    engine = NotingEngine()
    async with rig.taker.taking(engine):
        await asyncio.sleep(1)
        stopped_at = time.monotonic()
        donor.send_signal(signal.SIGINT)
        await asyncio.sleep(2)
    return max(0.0, max(at for at, size in engine.arrivals if size > 1000) - stopped_at)


async def _with_takers(rig: Rig, donor: Process, count: int) -> float:
    """Memory in MiB while so many are served at once."""
    async with contextlib.AsyncExitStack() as exits:
        for _ in range(count):
            await exits.enter_async_context(rig.taker.taking(NotingEngine()))
        await asyncio.sleep(2)
        return pss_mib(donor)


async def _visits(rig: Rig, count: int) -> None:
    """So many connect, take a first frame and leave, two at a time."""
    left = iter(range(count))

    async def visit() -> None:
        for _ in left:
            async with rig.taker.taking(NotingEngine()):
                pass

    await asyncio.gather(visit(), visit())


def family(process: Process) -> list[int]:
    """The process and its children."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [process.pid, *(int(pid) for pid in children)]


def pss_mib(process: Process) -> float:
    """Memory of the process and its children."""
    found = 0
    for pid in family(process):
        line = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        found += int(line[1]) if line else 0
    return found / 1024


def resources(process: Process) -> tuple[int, int, float]:
    """Threads, descriptors and MiB of the process and its children."""
    count: Callable[[str], int] = lambda kind: sum(  # noqa: E731 - used twice, in the next line
        len(os.listdir(f"/proc/{pid}/{kind}")) for pid in family(process)
    )
    return count("task"), count("fd"), round(pss_mib(process), 1)
