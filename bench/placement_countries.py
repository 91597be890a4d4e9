"""Do holdings follow demand from country to country, and are downloads served from their own country first?

Real processes: a coordinator with a table of three "countries" (127.1.0.0/16, 127.2.0.0/16, 127.3.0.0/16), one mirror,
native donors in each, and `dio get` from the same networks. Three groups of files; each country asks for one of them,
and at each phase for the next. Counted are the segments on the donors' disks, what `dio get` says of its sources, and
what the donors are credited by country; offload as `/api/v1/stats` tells it.
Options: `--donors N` (in all, default 40), `--phases N` (default 3), `--phase-s S` (default 150), `--every-s S`
(between two downloads, default 1.5), `--mirror-rate R` (default 4MB/s), `--seed N`.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.record import write_result
from tests.harness.coordinator import CAUSE, Coordinator, Release, make_publisher, make_release, start_coordinator
from tests.harness.mirrors import Mirror, start_mirror
from tests.harness.processes import Process, Stage, python_module

MIB = 2**20
_ROOT = Path(__file__).parents[1]
COUNTRIES = {"DE": "127.1", "US": "127.2", "JP": "127.3"}
"""Country and the first half of its addresses."""

_REGIONS = {"DE": "EU/DE", "US": "NA/US", "JP": "AS/JP"}
_FILES_PER_GROUP = 3
_FILE_MIB = 8
_STORAGE = "4MB"  # three segments: a country's donors hold about half of all files
_FOLLOWED = 0.9
"""Holdings have followed when so much of the group that is asked for lies in the country."""
_FOLLOW_S = 120
_OWN_SHARE = 0.7
"""A third would come from the own country by chance."""


@dataclass(frozen=True)
class Donor:
    """A running `dio donate`."""

    country: str
    data_dir: Path
    process: Process

    def held(self) -> Iterator[tuple[str, int]]:
        """Files and segments on its disk."""
        for path in self.data_dir.glob("segments/*/*"):
            index, _, digest = path.name.partition("-")
            if len(digest) == 64:
                yield path.parent.name, int(index)

    def credited(self) -> Counter[str]:
        """Bytes by the country of who acknowledged them."""
        last: dict[str, Any] = {}  # Any: JSON
        for line in self.process.stdout().splitlines():
            if line.startswith('{"event":"credited"'):
                last = json.loads(line)
        return Counter({credit["country"]: credit["bytes"] for credit in last.get("countries", [])})


@dataclass(frozen=True)
class World:
    """All that runs, and who asks for what."""

    stage: Stage
    coordinator: Coordinator
    mirror: Mirror
    public_key: str
    groups: list[list[Release]]
    donors: list[Donor]
    rng: random.Random

    def group_of(self, country: str, phase: int) -> list[Release]:
        """What this country asks for in this phase."""
        return self.groups[(list(COUNTRIES).index(country) + phase) % len(self.groups)]

    def coverage(self, country: str, phase: int) -> float:
        """The share of the group's segments that lie in the country, in one copy or more."""
        wanted = {(release.sha256, index) for release in self.group_of(country, phase) for index in range(_FILE_MIB)}
        held = {pair for donor in self.donors if donor.country == country for pair in donor.held()}
        return len(wanted & held) / len(wanted)

    def credited(self) -> tuple[int, int]:
        """Bytes that donors were credited, and those of them that stayed in the country."""
        everything = own = 0
        for donor in self.donors:
            credited = donor.credited()
            everything += credited.total()
            own += credited[donor.country]
        return everything, own

    def start_download(self, number: int, phase: int) -> Process:
        """One `dio get` from the country whose turn it is."""
        country = list(COUNTRIES)[number % len(COUNTRIES)]
        release = self.rng.choice(self.group_of(country, phase))
        words: list[str | Path] = ["get", self.mirror.link(release.name), "--coordinator", self.coordinator.url]
        words += [
            "--pin",
            self.public_key,
            "-o",
            self.stage.folder / f"got-{number}",
            "--allow-private",
            "--json",
            "-q",
        ]
        return _start(self.stage, f"get-{number}", f"{COUNTRIES[country]}.200.{number % 250 + 1}", words)


def run(options: list[str]) -> bool:
    """Run the phases and write the result; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="placement_countries", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--donors", type=int, default=40)
    parser.add_argument("--phases", type=int, default=3)
    parser.add_argument("--phase-s", type=float, default=150.0)
    parser.add_argument("--every-s", type=float, default=1.5)
    parser.add_argument("--mirror-rate", default="4MB/s")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(options)
    shared = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(prefix="dio-", dir=shared if shared.is_dir() else None) as name,
        Stage(Path(name)) as stage,
    ):
        world = _build(stage, chosen.donors, chosen.mirror_rate, random.Random(chosen.seed))
        phases = [
            _run_phase(world, phase, seconds=chosen.phase_s, every_s=chosen.every_s) for phase in range(chosen.phases)
        ]
        stats = world.coordinator.stats()
    holds = all(
        phase["followed_s"] is not None and phase["followed_s"] <= _FOLLOW_S and phase["own_country"] >= _OWN_SHARE
        for phase in phases
    )
    for number, phase in enumerate(phases):
        print(f"  phase {number + 1}: {json.dumps(phase)}")
    print(f"  {'holds' if holds else 'DOES NOT HOLD'}: followed within {_FOLLOW_S} s, own country >= {_OWN_SHARE}")
    write_result(
        "placement_countries",
        {
            "question": (__doc__ or "").splitlines()[0],
            "phases": phases,
            "net_offload": stats["net_offload"],
            "gross_offload": stats["gross_offload"],
            "holds": holds,
            "notes": vars(chosen),
        },
    )
    return holds


def _build(stage: Stage, donors: int, mirror_rate: str, rng: random.Random) -> World:
    table = stage.folder / "regions.csv"
    table.write_text("".join(f"{COUNTRIES[code]}.0.0/16,{region}\n" for code, region in _REGIONS.items()))
    served = stage.folder / "served"
    groups = [
        [make_release(served, f"group-{group}-{file}.bin", _FILE_MIB * MIB) for file in range(_FILES_PER_GROUP)]
        for group in range(len(COUNTRIES))
    ]
    mirror = start_mirror(stage, served, rate=mirror_rate)
    coordinator = start_coordinator(stage, options=["--region-table", table])
    publisher = make_publisher(coordinator, [mirror])
    publisher.publish([release for group in groups for release in group], [mirror])
    started = []
    for number in range(donors):
        country = list(COUNTRIES)[number % len(COUNTRIES)]
        data_dir = stage.folder / f"donor-{number}"
        words: list[str | Path] = ["donate", coordinator.url, "--cause", CAUSE, "--storage", _STORAGE, "--up", "1MB/s"]
        words += ["--data-dir", data_dir, "--json"]
        process = _start(stage, f"donor-{number}", f"{COUNTRIES[country]}.1.{number + 1}", words)
        started.append(Donor(country, data_dir, process))
        time.sleep(0.4)  # as many at once as the machine can start
    return World(stage, coordinator, mirror, publisher.public_key, groups, started, rng)


def _start(stage: Stage, name: str, address: str, words: list[str | Path]) -> Process:
    return stage.start(name, python_module("bench.from_address", address, *words), folder=_ROOT)


def _run_phase(world: World, phase: int, *, seconds: float, every_s: float) -> dict[str, Any]:  # Any: JSON
    began = time.monotonic()
    credited_before, own_before = world.credited()
    downloads: list[Process] = []
    followed_s: float | None = None
    while (now_s := time.monotonic() - began) < seconds:
        if len(downloads) * every_s <= now_s:
            downloads.append(world.start_download(phase * 1_000 + len(downloads), phase))
        if followed_s is None and min(world.coverage(country, phase) for country in COUNTRIES) >= _FOLLOWED:
            followed_s = round(now_s, 1)
        time.sleep(0.25)
    results = []
    for download in downloads:
        assert download.wait(timeout_s=60) == 0, download.output()
        results.append(download.wait_for_json_line())
    by_kind = Counter[str]()
    for result in results:
        for source in result["bytes_by_source"]:
            by_kind[source["kind"]] += source["bytes"]
    time.sleep(1.5)  # credits are told every second
    credited, own = world.credited()
    return {
        "downloads": len(results),
        "followed_s": followed_s,
        "coverage_at_end": {country: round(world.coverage(country, phase), 3) for country in COUNTRIES},
        "from_donors": round(by_kind["peer"] / max(1, by_kind.total()), 3),
        "own_country": round((own - own_before) / max(1, credited - credited_before), 3),
        "median_s": sorted(result["seconds"] for result in results)[len(results) // 2],
    }
