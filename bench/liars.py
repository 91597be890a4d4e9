"""Does one lying donor among twenty cost a download anything, and is it out of use after one proof?

Nineteen honest headless donors, and a twentieth that is honest or flips a bit of whatever it sends; each holds all of a
file and gives 2 MB/s. A round is a few downloads one after another, without mirrors, by `dio get`'s own code; the
twentieth donor is a new one each time. Options: `--rounds N` (default 4, which is also the most: the coordinator takes
the word of one network against four donors in ten minutes), `--downloads N` (default 3), `--mib N` (default 64).
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.donor_headless import Rig
from bench.record import Bar, Comparison
from distribute_io.core.standing import ACCUSATIONS_MAX
from distribute_io.download.fetch import FetchResult
from tests.harness.bad_donor import start_bad_donor
from tests.harness.donors import fill_store, start_headless_donor, wait_until_held
from tests.harness.native_taker import NotingEngine
from tests.harness.processes import Process, Stage, wait_for

_HONEST = 19
_UP = "2MB/s"
_MIB = 2**20
_LIED = "19 of 20 donors are honest"
_ALL_HONEST = "all 20 donors are honest"


def run(options: list[str]) -> bool:
    """Run both alternately and write the result; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="liars", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ACCUSATIONS_MAX, choices=range(1, ACCUSATIONS_MAX + 1))
    parser.add_argument("--downloads", type=int, default=3)
    parser.add_argument("--mib", type=int, default=64)
    chosen = parser.parse_args(options)
    # The file must come right each time, or `fetch` fails; what lied is counted by the one that lied.
    notes: dict[str, Any] = {
        "downloads": chosen.downloads,
        "mib": chosen.mib,
        "segments rejected": [],
        "introductions": [],
    }
    comparison = Comparison("liars", (__doc__ or "").splitlines()[0], unit="MiB/s", notes=notes)
    with tempfile.TemporaryDirectory(prefix="dio-liars-", dir="/dev/shm") as name, Stage(Path(name)) as stage:
        swarm = _Swarm(Rig(stage, mib=chosen.mib))

        def lied() -> float:
            rate, rejected, takers = swarm.measure(chosen.downloads, is_lying=True)
            notes["segments rejected"].append(rejected)
            notes["introductions"].append(takers)
            return rate

        def honest() -> float:
            rate, rejected, _ = swarm.measure(chosen.downloads, is_lying=False)
            if rejected:
                raise RuntimeError(f"honest donors had {rejected} segments rejected\n{stage.report()}")
            return rate

        comparison.run({_LIED: lied, _ALL_HONEST: honest}, rounds=chosen.rounds)
    fast = comparison.finish([Bar(_LIED, _ALL_HONEST, at_least=0.95)])
    # A liar may be a spare for some downloads before it is asked; after its first segment nobody has a second one.
    print(f"  introductions of each liar: {notes['introductions']}; segments rejected: {notes['segments rejected']}")
    return fast and max(notes["segments rejected"]) <= 1


class _Swarm:
    """The honest donors, and the place of the twentieth."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._number = 0
        folder = rig.stage.folder / "farm"
        for number in range(_HONEST):
            self._fill(folder / str(number))
        words: list[str | Path] = [
            sys.executable,
            "-m",
            "bench.donor_farm",
            rig.coordinator.url,
            folder,
            str(_HONEST),
            _UP,
        ]
        rig.stage.start("farm", words)
        self._wait_for_donors(_HONEST)

    def measure(self, downloads: int, *, is_lying: bool) -> tuple[float, int, int]:
        """MiB/s over some downloads, segments rejected, and to how many the twentieth was introduced."""
        donor = self._start_twentieth(is_lying=is_lying)
        self._wait_for_donors(_HONEST + 1)
        started, rejected = time.monotonic(), 0
        for _ in range(downloads):
            rejected += asyncio.run(self._take()).segments_rejected
        seconds = time.monotonic() - started
        takers = donor.stdout().count('"taker_came"')
        donor.send_signal(signal.SIGINT)
        donor.wait(timeout_s=10)
        wait_for(lambda: self._rig.coordinator.stats()["donors"] == _HONEST, "the twentieth to be gone")
        return downloads * len(self._rig.release.content) / _MIB / seconds, rejected, takers

    async def _take(self) -> FetchResult:
        return await self._rig.taker.take(NotingEngine())

    def _start_twentieth(self, *, is_lying: bool) -> Process:
        self._number += 1
        folder = self._rig.stage.folder / f"twentieth-{self._number}"
        self._fill(folder)
        if is_lying:
            return start_bad_donor(self._rig.coordinator, "lies", folder, storage="1GB", up=_UP)
        return start_headless_donor(self._rig.coordinator, folder, storage="1GB", up=_UP)

    def _fill(self, folder: Path) -> None:
        fill_store(folder, self._rig.release, shared=self._rig.stage.folder / "segments")

    def _wait_for_donors(self, count: int) -> None:
        wait_until_held(self._rig.coordinator, count * len(self._rig.release.content), donors=count)
