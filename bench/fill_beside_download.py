"""Does a donor that fills itself from a mirror slow down a download from the same mirror?

Two mirrors alike, each with one token bucket for all of its requests; a headless donor fills itself from the first.
`dio get` downloads a file from either in turn: where the donor is, and where nobody is. First beside a donor that has
just come and may use its burst (15 s of a mirror's time: `core/fill_pace.py`), a new one each time; then beside one
that has used it up. Options: `--rounds N` (default 3), `--mib N` (default 64; a third of it beside the burst), `--rate
R` (default 4MB/s), `--part burst` or `paced` (default both).
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from pathlib import Path

from bench.record import Bar, Comparison
from distribute_io.units import parse_rate
from tests.harness.coordinator import make_publisher, make_release, run_dio_well, start_coordinator
from tests.harness.donors import start_headless_donor
from tests.harness.mirrors import Mirror, start_mirror
from tests.harness.processes import Process, Stage, wait_for
from tests.harness.publishing import publish

_MIB = 2**20
_STOCK_MIB = 240
"""More than a donor gets in the time that this takes."""

_BURST_S = 15
"""What a new donor may use of a mirror's time at once (`core/fill_pace.py`, P1); it earns a tenth of it meanwhile."""

_ALONE = "at a mirror without donors"
_BESIDE = "at the mirror that a donor fills itself from"


def run(options: list[str]) -> bool:
    """Run both alternately, in both phases, and write the results; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="fill_beside_download", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--rate", default="4MB/s")
    parser.add_argument("--part", choices=("burst", "paced", "all"), default="all")
    chosen = parser.parse_args(options)
    with tempfile.TemporaryDirectory(prefix="dio-fill-", dir="/dev/shm") as name, Stage(Path(name)) as stage:
        scenes = {"burst": max(1, chosen.mib // 3), "paced": chosen.mib}
        holds = []
        for part, mib in scenes.items():
            if chosen.part in (part, "all"):
                scene = _Scene(stage, part, mib=mib, rate=chosen.rate)
                holds.append(_compare(scene, part, rounds=chosen.rounds, rate=chosen.rate))
    return all(holds)


def _compare(scene: _Scene, part: str, *, rounds: int, rate: str) -> bool:
    question = (__doc__ or "").splitlines()[0]
    comparison = Comparison(f"fill_{part}_beside_download", question, unit="MiB/s", notes={"rate": rate, "filled": []})

    standing = scene.start_donor(used_up=True) if part == "paced" else None

    def beside() -> float:
        donor = standing or scene.start_donor(used_up=False)
        before = scene.busy.bytes_sent()
        got = scene.download(scene.busy)
        filled = scene.busy.bytes_sent() - before - scene.size_bytes
        comparison.notes["filled"].append(filled)
        if filled <= 0:
            raise RuntimeError(f"the donor did not fill itself meanwhile\n{scene.stage.report()}")
        if donor is not standing:
            donor.send_signal(signal.SIGINT)
            donor.wait(timeout_s=10)
        return got

    comparison.run({_ALONE: lambda: scene.download(scene.quiet), _BESIDE: beside}, rounds=rounds)
    # The burst is the price for a donor that is of use at once; what it costs is told, and has no bar.
    return comparison.finish([Bar(_BESIDE, _ALONE, at_least=0.95)] if part == "paced" else [])


class _Scene:
    """Two mirrors with a file to download each; the first has a stock for the donor too."""

    def __init__(self, stage: Stage, part: str, *, mib: int, rate: str) -> None:
        self.stage = stage
        self._folder = stage.folder / part
        self._folder.mkdir()
        self._burst_bytes = _BURST_S * parse_rate(rate) * 12 // 10
        self.size_bytes = mib * _MIB
        self._coordinator = start_coordinator(stage)
        self._downloads = 0
        self._donors = 0
        self._manifests: dict[str, Path] = {}
        self.busy, self.quiet = self._mirror("busy", rate), self._mirror("quiet", rate)
        publisher = make_publisher(self._coordinator, [self.busy])
        publisher.publish([make_release(self._folder / "busy", f"stock-{part}.bin", _STOCK_MIB * _MIB)], [self.busy])

    def start_donor(self, *, used_up: bool) -> Process:
        """A new donor that fills itself by now; with its burst used up, if so wished."""
        before = self.busy.bytes_sent()
        self._donors += 1
        donor = start_headless_donor(
            self._coordinator, self._folder / f"donor-{self._donors}", storage="1GB", up="100MB/s"
        )
        sent_bytes = self._burst_bytes if used_up else 1
        wait_for(
            lambda: self.busy.bytes_sent() >= before + sent_bytes or None, "a donor that fills itself", timeout_s=90
        )
        return donor

    def download(self, mirror: Mirror) -> float:
        """MiB/s of one download."""
        self._downloads += 1
        target = self._folder / f"got-{self._downloads}"
        started = time.monotonic()
        run_dio_well("get", self._manifests[mirror.url], "-o", target, "--allow-private", "-q", timeout_s=120)
        seconds = time.monotonic() - started
        target.unlink()
        return self.size_bytes / _MIB / seconds

    def _mirror(self, name: str, rate: str) -> Mirror:
        folder = self._folder / name
        published = publish(folder, size_bytes=self.size_bytes)
        mirror = start_mirror(self.stage, folder, rate=rate, name=name)
        self._manifests[mirror.url] = published.write_document(self._folder / name, mirror.link("file.bin"))
        return mirror
