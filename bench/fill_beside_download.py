"""Does a donor that fills itself from a mirror slow down a download from the same mirror?

Two mirrors alike, each with one token bucket for all of its requests; a headless donor fills itself from the first.
`dio get` downloads a file from either in turn: where the donor is, and where nobody is. First when the donor has just
come and may use its burst (15 s of a mirror's time: `core/fill_pace.py`), then when that is used up. Options: `--rounds
N` (default 3), `--mib N` (default 64), `--rate R` (default 8MB/s), `--part burst` or `paced` (default both).
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from pathlib import Path

from bench.record import Bar, Comparison
from tests.harness.coordinator import make_publisher, make_release, run_dio_well, start_coordinator
from tests.harness.donors import start_headless_donor
from tests.harness.mirrors import Mirror, start_mirror
from tests.harness.processes import Process, Stage, wait_for
from tests.harness.publishing import publish

_MIB = 2**20
_STOCK_MIB = 480
"""More than a donor gets in the time that this takes."""

_ALONE = "at a mirror without donors"
_BESIDE = "at the mirror that a donor fills itself from"


def run(options: list[str]) -> bool:
    """Run both alternately, in both phases, and write the results; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="fill_beside_download", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--rate", default="8MB/s")
    parser.add_argument("--part", choices=("burst", "paced", "all"), default="all")
    chosen = parser.parse_args(options)
    with tempfile.TemporaryDirectory(prefix="dio-fill-", dir="/dev/shm") as name, Stage(Path(name)) as stage:
        scene = _Scene(stage, mib=chosen.mib, rate=chosen.rate)
        holds = [
            _compare(scene, part, rounds=chosen.rounds, rate=chosen.rate)
            for part in ("burst", "paced")
            if chosen.part in (part, "all")
        ]
    return all(holds)


def _compare(scene: _Scene, part: str, *, rounds: int, rate: str) -> bool:
    question = (__doc__ or "").splitlines()[0]
    comparison = Comparison(f"fill_{part}_beside_download", question, unit="MiB/s", notes={"rate": rate, "filled": []})

    def beside() -> float:
        donor = scene.start_donor(used_up=part == "paced")
        before = scene.busy.bytes_sent()
        got = scene.download(scene.busy)
        filled = scene.busy.bytes_sent() - before - scene.size_bytes
        comparison.notes["filled"].append(filled)
        if filled <= 0 and part == "burst":
            raise RuntimeError(f"the donor did not fill itself meanwhile\n{scene.stage.report()}")
        donor.send_signal(signal.SIGINT)
        donor.wait(timeout_s=10)
        return got

    comparison.run({_ALONE: lambda: scene.download(scene.quiet), _BESIDE: beside}, rounds=rounds)
    # The burst is the price for a donor that is of use at once; what it costs is told, and has no bar.
    return comparison.finish([Bar(_BESIDE, _ALONE, at_least=0.95)] if part == "paced" else [])


class _Scene:
    """Two mirrors with a file to download each; the first has a stock for the donor too."""

    def __init__(self, stage: Stage, *, mib: int, rate: str) -> None:
        self.stage = stage
        self.size_bytes = mib * _MIB
        self._coordinator = start_coordinator(stage)
        self._downloads = 0
        self._donors = 0
        self._manifests: dict[str, Path] = {}
        self.busy, self.quiet = self._mirror("busy", rate), self._mirror("quiet", rate)
        publisher = make_publisher(self._coordinator, [self.busy])
        publisher.publish([make_release(stage.folder / "busy", "stock.bin", _STOCK_MIB * _MIB)], [self.busy])

    def start_donor(self, *, used_up: bool) -> Process:
        """A new donor that fills itself by now; with its burst used up, if so wished."""
        before = self.busy.bytes_sent()
        self._donors += 1
        donor = start_headless_donor(
            self._coordinator, self.stage.folder / f"donor-{self._donors}", storage="1GB", up="100MB/s"
        )
        wait_for(lambda: self.busy.bytes_sent() > before or None, "a donor that fills itself")
        if used_up:
            self._wait_for_a_pause()
        return donor

    def download(self, mirror: Mirror) -> float:
        """MiB/s of one download."""
        self._downloads += 1
        target = self.stage.folder / f"got-{self._downloads}"
        started = time.monotonic()
        run_dio_well("get", self._manifests[mirror.url], "-o", target, "--allow-private", "-q", timeout_s=120)
        seconds = time.monotonic() - started
        target.unlink()
        return self.size_bytes / _MIB / seconds

    def _mirror(self, name: str, rate: str) -> Mirror:
        folder = self.stage.folder / name
        published = publish(folder, size_bytes=self.size_bytes)
        mirror = start_mirror(self.stage, folder, rate=rate, name=name)
        self._manifests[mirror.url] = published.write_document(self.stage.folder / name, mirror.link("file.bin"))
        return mirror

    def _wait_for_a_pause(self) -> None:
        """Until the mirror sent nothing for a second: the donor pays back what it took."""
        sent, since = -1, 0.0

        def is_pausing() -> bool:
            nonlocal sent, since
            now_sent = self.busy.bytes_sent()
            if now_sent != sent:
                sent, since = now_sent, time.monotonic()
            return time.monotonic() - since > 1

        wait_for(is_pausing, "a donor that pauses", timeout_s=60)
