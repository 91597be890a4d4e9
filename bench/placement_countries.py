"""Do holdings follow demand from country to country, as the simulator of the same scenario says?

The scenario is written once, `countries` of `dio simulate`: forty native donors in three "countries" (127.1.0.0/16,
127.2.0.0/16, 127.3.0.0/16, by the coordinator's table), one file for each country to ask for, and from each move on the
next. Run with real processes (a coordinator, a mirror, donors over WebRTC, downloads from the same networks), and in
the simulator with the same people: same seed, same donors, same downloads at the same moments. Counted are the segments
on the donors' disks and `/api/v1/stats`. The donors of a country share a process and its WebRTC child
(`bench/donor_host.py`), its downloads another (`bench/taker_host.py`): a `dio get` for each costs two seconds of
processor time, and two cores would measure themselves.
Options: `--seed N` (repeatable, default 1; a run takes four minutes), `--fresh` (forget the runs of other seeds that
the result has), `--shared` (others use the machine meanwhile: the run is written down and does not count), `--again`
(no run: the simulator's side anew beside the real runs that the result has).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from bench.record import RESULTS, write_result
from distribute_io.simulate.people import People, Rates, draw_people
from distribute_io.simulate.runs import PLANNED, run_policy
from distribute_io.simulate.scenario import Scenario, load_scenario
from tests.harness.coordinator import CAUSE, Coordinator, Release, make_publisher, make_release, start_coordinator
from tests.harness.mirrors import Mirror, start_mirror
from tests.harness.processes import Process, Stage, python_module

_NAME = "placement_countries"
_SCENARIO = "countries"
_ROOT = Path(__file__).parents[1]
COUNTRIES = {"EU/DE": "127.1", "NA/US": "127.2", "AS/JP": "127.3"}
"""Region, and the first half of its addresses."""

_COUNTRIES = list(COUNTRIES.values())
_PLAN_EVERY_S = 30.0
"""Between two looks of the coordinator at standing donors: the scenario says how long after the first one begins."""

_BUILD_S = 15.0
"""What the processes and the publishing take at least before the scenario begins."""

_RESERVES_BYTES = 2 * 131_072
"""What a store and the planner keep free of a donor's storage; `dio donate` keeps another 1/256 of it."""

_TAKERS_MAX = 8
_MIRROR_USE = "spare-mirrors"
"""The simulator's rule 2, mirrors give what donors do not. Where a taker's own line is the limit, `balanced` measures
the donors as slow as the line makes them, and leaves the mirror its share of it."""

_FOLLOWED = 0.9
"""Holdings have followed when so much of the file that is asked for lies in the country, in each country."""

_FOLLOW_S = 120.0
_AGREE = 0.15
_OWN_SHARE_AT_END = 0.7
"""Of the last third of the last phase: a third would come from the own country by chance."""

_LOOK_EVERY_S = 1.0
_END_S = 10.0
_WINDOW_S = 20.0
"""Bytes that cross a border are looked at in spans of this length: a download is over in little more."""

_MIB = 2**20


@dataclass(frozen=True)
class Donor:
    """A donor of a host process."""

    region: int
    data_dir: Path

    def held(self) -> Iterator[tuple[str, int]]:
        """Files and segments on its disk."""
        for path in self.data_dir.glob("segments/*/*"):
            index, _, digest = path.name.partition("-")
            if len(digest) == 64:
                yield path.parent.name, int(index)


@dataclass
class Sample:
    """The coordinator's count at a moment of the run."""

    at_s: float
    served: int
    nearby: int


@dataclass
class World:
    """All that runs, and who asks for what."""

    stage: Stage
    scenario: Scenario
    people: People
    coordinator: Coordinator
    releases: list[Release]
    donors: list[Donor]
    begin_at_s: float
    takers: list[Process]
    samples: list[Sample] = field(default_factory=list)
    followed_s: dict[int, float] = field(default_factory=dict)
    lowest: dict[int, float] = field(default_factory=dict)
    """The lowest coverage of any country, at the beginning of each phase."""

    @property
    def now_s(self) -> float:
        """Time of the scenario."""
        return time.monotonic() - self.begin_at_s

    def coverage(self, at_s: float) -> float:
        """Of the segments that a country asks for, the share that lies there; the country with the least."""
        asks = Rates(self.scenario).asks_for(at_s)
        segments = range(self.scenario.catalogue.segments)
        shares = []
        for region in range(self.scenario.network.regions):
            held = {pair for donor in self.donors if donor.region == region for pair in donor.held()}
            files = [release.sha256 for release, of_file in zip(self.releases, asks, strict=True) if of_file[region]]
            wanted = {(file, segment) for file in files for segment in segments}
            shares.append(len(wanted & held) / len(wanted))
        return min(shares)

    def fill_waits_s(self) -> list[float]:
        """From assignments to the first segment of them that was stored."""
        hosts = [process for process in self.stage.processes if process.name.startswith("donors")]
        return [json.loads(line)["wait_s"] for host in hosts for line in host.stdout().splitlines()]

    def sample(self) -> Sample:
        """What the coordinator counted so far."""
        regions = self.coordinator.stats()["regions"]
        served = sum(region["bytes_served_by_donors"] for region in regions)
        return Sample(self.now_s, served, sum(region["bytes_served_nearby"] for region in regions))


def run(options: list[str]) -> bool:
    """Run the seeds, put the result together with those of before, and write it; True when the bars hold."""
    parser = argparse.ArgumentParser(prog=_NAME, description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--again", action="store_true")
    chosen = parser.parse_args(options)
    scenario = load_scenario(_SCENARIO)
    new = {
        seed: {"seed": seed, "shared_machine": chosen.shared, **_real(scenario, seed)}
        for seed in ([] if chosen.again else chosen.seed or [1])
    }
    runs = {**({} if chosen.fresh else _runs_of_before(scenario)), **new}  # another may have written meanwhile
    for seed, each in runs.items():
        each["simulated"] = _simulated(scenario, seed)
        print(f"  seed {seed}: {json.dumps(each)}", flush=True)
    return _conclude(scenario, [runs[seed] for seed in sorted(runs)])


def _runs_of_before(scenario: Scenario) -> dict[int, dict[str, Any]]:  # Any: JSON of any shape
    path = RESULTS / f"{_NAME}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    if "scenario" not in before:
        return {}
    try:
        then = msgspec.convert(before["scenario"], Scenario)  # fields that came since have their defaults
    except msgspec.ValidationError:
        return {}  # fields went since
    if _played(_as_json(then)) != _played(_as_json(scenario)):
        return {}
    return {each["seed"]: each for each in before["runs"]}


def _played(scenario: dict[str, Any]) -> dict[str, Any]:  # Any: as above
    """What real processes play of a scenario: how long introductions and fills wait is theirs to say."""
    network, donors = {**scenario["network"], "introduction_s": 0.0}, {**scenario["donors"], "fill_after_s": 0.0}
    return {**scenario, "about": "", "network": network, "donors": donors}


def _as_json(scenario: Scenario) -> dict[str, Any]:  # Any: as above
    fields: dict[str, Any] = json.loads(msgspec.json.encode(scenario))  # Any: as above
    return fields


def _simulated(scenario: Scenario, seed: int) -> dict[str, Any]:  # Any: as above
    outcome = run_policy(scenario, seed, PLANNED).outcome
    return {
        "net_offload": round(outcome.net_offload, 4),
        "gross_offload": round(outcome.gross_offload, 4),
        "cross_region_share": round(outcome.far_share, 4),
        "pushed_mib": outcome.pushed_bytes // _MIB,
        "served_mib": outcome.served_bytes // _MIB,
    }


def _conclude(scenario: Scenario, runs: list[dict[str, Any]]) -> bool:  # Any: as above
    figures: dict[str, Any] = {}  # Any: as above
    bars: dict[str, bool] = {}
    counted = [run for run in runs if not run["shared_machine"]] or runs
    for name in ("net_offload", "cross_region_share"):
        real, simulated = (statistics.median(run[side][name] for run in counted) for side in ("real", "simulated"))
        figures[name] = {"real": real, "simulated": simulated, "ratio": round(real / simulated, 3)}
        bars[f"{name} within {_AGREE:.0%} of the simulator's"] = abs(real / simulated - 1) <= _AGREE
    phases = [phase for run in counted for phase in run["real"]["phases"]]
    # Only the last phase is as long as they may take; of the others it is told how far they came.
    followed = [run["real"]["phases"][-1]["followed_s"] for run in counted]
    in_time = all(each is not None and each <= _FOLLOW_S for each in followed)
    bars[f"holdings follow within {_FOLLOW_S:.0f} s of the last move, in each run"] = in_time
    own = [run["real"]["phases"][-1]["own_country_last_third"] for run in counted]
    bars[f"own country >= {_OWN_SHARE_AT_END} in the last third after it"] = min(own) >= _OWN_SHARE_AT_END
    moved = [phase for phase in phases if phase["number"] > 1]
    falls = [phase["cross_region_peak"] > phase["cross_region_at_end"] for phase in moved]
    bars["cross-region bytes fall again after each move"] = all(falls)
    for bar, holds in bars.items():
        print(f"  {'holds' if holds else 'DOES NOT HOLD'}: {bar}")
    write_result(
        _NAME,
        {
            "question": (__doc__ or "").splitlines()[0],
            "counted_runs": len(counted),
            "medians": figures,
            "followed_s": {"median": statistics.median(each or 1e9 for each in followed), "all": followed},
            **{
                name: round(statistics.median(run["real"][name]["mean"] for run in counted), 2)
                for name in ("introduction_s", "fill_after_s")
            },
            "own_country_last_third": {"median": statistics.median(own), "least": min(own)},
            "bars": bars,
            "runs": runs,
            "scenario": _as_json(scenario),
        },
    )
    return all(bars.values())


def _real(scenario: Scenario, seed: int) -> dict[str, Any]:  # Any: as above
    shared = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(prefix="dio-", dir=shared if shared.is_dir() else None) as name,
        Stage(Path(name)) as stage,
    ):
        load = os.getloadavg()[0]
        world = _build(stage, scenario, draw_people(scenario, seed))
        before_s = _ended_s()
        _let_it_run(world)
        cpu_s = {kind: round(seconds, 1) for kind, seconds in _cpu_seconds(stage, before_s).items()}
        return {
            "real": _measured(world),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "load_1_min": round(load, 2),
            "cpu_s": cpu_s,
        }


def _build(stage: Stage, scenario: Scenario, people: People) -> World:
    table = stage.folder / "regions.csv"
    table.write_text("".join(f"{network}.0.0/16,{region}\n" for region, network in COUNTRIES.items()))
    served = stage.folder / "served"
    size_bytes = scenario.catalogue.segments * scenario.catalogue.segment_bytes
    releases = [make_release(served, f"file-{number}.bin", size_bytes) for number in range(scenario.files)]
    mirror = start_mirror(stage, served)
    coordinator = start_coordinator(stage, options=["--region-table", table])
    rounds = -(-(_BUILD_S + scenario.plan_first_s) // _PLAN_EVERY_S)
    begin_at_s = time.monotonic() + rounds * _PLAN_EVERY_S - scenario.plan_first_s
    donors = _start_donors(stage, scenario, people, coordinator, begin_at_s)
    publisher = make_publisher(coordinator, [mirror])
    publisher.publish(releases, [mirror])
    takers = _start_takers(stage, scenario, people, coordinator, mirror, publisher.public_key, releases, begin_at_s)
    assert time.monotonic() < begin_at_s, "the swarm was not there in time"
    return World(stage, scenario, people, coordinator, releases, donors, begin_at_s, takers)


def _start_donors(
    stage: Stage, scenario: Scenario, people: People, coordinator: Coordinator, begin_at_s: float
) -> list[Donor]:
    segment_bytes = scenario.catalogue.segment_bytes
    quota_bytes = scenario.donors.quota_segments * segment_bytes + _RESERVES_BYTES
    hosted: dict[int, list[dict[str, Any]]] = {}  # Any: as above
    donors = []
    for visit in people.visits:
        folder = stage.folder / f"donor-{visit.index}"
        donors.append(Donor(visit.region, folder))
        hosted.setdefault(visit.region, []).append(
            {
                "address": f"{_COUNTRIES[visit.region]}.1.{visit.index + 1}",
                "data_dir": str(folder),
                "storage_bytes": quota_bytes * 256 // 255 + segment_bytes // 4,
                "up_bytes_per_s": round(visit.up * segment_bytes),
                "takers_max": _TAKERS_MAX,
            }
        )
    for region, of_region in hosted.items():
        plan = stage.folder / f"donors-{region}.json"
        plan.write_text(
            json.dumps({"coordinator": coordinator.url, "cause": CAUSE, "begin_at_s": begin_at_s, "donors": of_region})
        )
        stage.start("donors", python_module("bench.donor_host", plan), folder=_ROOT)
    return donors


def _start_takers(
    stage: Stage,
    scenario: Scenario,
    people: People,
    coordinator: Coordinator,
    mirror: Mirror,
    public_key: str,
    releases: list[Release],
    begin_at_s: float,
) -> list[Process]:
    hosted: dict[int, list[dict[str, Any]]] = {}  # Any: as above
    for request in people.requests:
        hosted.setdefault(request.region, []).append(
            {
                "at_s": begin_at_s + request.at_s,
                "address": f"{_COUNTRIES[request.region]}.{100 + request.index // 250}.{request.index % 250 + 1}",
                "link": mirror.link(releases[request.file].name),
                "rate_bytes_per_s": round(request.down * scenario.catalogue.segment_bytes),
                "target": str(stage.folder / f"got-{request.index}"),
            }
        )
    started = []
    for region, of_region in hosted.items():
        plan = stage.folder / f"takers-{region}.json"
        common = {"coordinator": coordinator.url, "pin": public_key, "mirror_use": _MIRROR_USE}
        plan.write_text(json.dumps({**common, "takers": of_region}))
        started.append(stage.start("takers", python_module("bench.taker_host", plan), folder=_ROOT))
    return started


def _let_it_run(world: World) -> None:
    """Look once a second at what is held and what was served, and end it all."""
    begins_s = _phases(world.scenario)
    while (now_s := world.now_s) < world.scenario.duration_s:
        phase = sum(now_s >= begin_s for begin_s in begins_s[1:-1])
        covered = world.coverage(now_s)
        world.lowest.setdefault(phase, covered)
        if covered >= _FOLLOWED and phase not in world.followed_s:
            world.followed_s[phase] = round(now_s - begins_s[phase], 1)
        world.samples.append(world.sample())
        time.sleep(max(0.0, min(now_s + _LOOK_EVERY_S, world.scenario.duration_s) - world.now_s))
    for takers in world.takers:
        takers.send_signal(signal.SIGTERM)  # as in the simulator, the end is the end; what they have counts
    for takers in world.takers:
        takers.wait(timeout_s=_END_S)
    time.sleep(1.5)  # the last receipts are on their way
    world.samples.append(world.sample())


def _phases(scenario: Scenario) -> list[float]:
    """When each phase begins; and the end."""
    return [0.0, *(scenario.demand.moves_at_s or ()), scenario.duration_s]


def _measured(world: World) -> dict[str, Any]:  # Any: as above
    stats = world.coordinator.stats()
    downloads = [json.loads(line) for takers in world.takers for line in takers.stdout().splitlines()]
    finished = [each for each in downloads if each["outcome"] == "done"]
    from_donors, from_mirrors = (sum(each[key] for each in finished) for key in ("donors_bytes", "mirrors_bytes"))
    first_met_s = [moment for each in downloads for moment in each["met_s"][: world.scenario.network.peers_max]]
    phases = []
    for phase, (begin_s, end_s) in enumerate(itertools.pairwise(_phases(world.scenario))):
        third_s = (end_s - begin_s) / 3
        last = _far_share(world.samples, end_s - third_s, end_s)
        phases.append(
            {
                "number": phase + 1,
                "coverage_at_begin": round(world.lowest[phase], 3),
                "followed_s": world.followed_s.get(phase),
                "cross_region_peak": max(
                    _far_share(world.samples, at_s, at_s + _WINDOW_S)
                    for at_s in range(round(begin_s), round(end_s - _WINDOW_S))
                ),
                "cross_region_at_end": _far_share(world.samples, end_s - _WINDOW_S, end_s),
                "own_country_last_third": round(1 - last, 3),
            }
        )
    end = world.samples[-1]
    return {
        "net_offload": stats["net_offload"],
        "gross_offload": stats["gross_offload"],
        "cross_region_share": round(1 - end.nearby / max(1, end.served), 4),
        "pushed_mib": stats["bytes_pushed"] // _MIB,
        "served_mib": end.served // _MIB,
        "from_donors_by_the_takers_count": round(from_donors / max(1, from_donors + from_mirrors), 4),
        "downloads": len(downloads),
        "outcomes": dict(sorted(Counter(each["outcome"] for each in downloads).items())),
        "introduction_s": _spread(first_met_s),
        "fill_after_s": _spread(world.fill_waits_s()),
        "median_s": round(statistics.median(each["seconds"] for each in finished), 2),
        "phases": phases,
    }


def _far_share(samples: list[Sample], from_s: float, to_s: float) -> float:
    """Of what was credited in a span of time, the share that crossed a border."""
    inside = [sample for sample in samples if from_s <= sample.at_s <= to_s]
    served = inside[-1].served - inside[0].served
    return round(1 - (inside[-1].nearby - inside[0].nearby) / served, 3) if served else 0.0


def _spread(values: list[float]) -> dict[str, float]:
    first, middle, third = statistics.quantiles(values, n=4)
    spread = {"first_quartile": first, "median": middle, "third_quartile": third, "mean": statistics.mean(values)}
    return {name: round(value, 2) for name, value in spread.items()}


def _ended_s() -> float:
    """CPU time of all children that ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _cpu_seconds(stage: Stage, before_s: float) -> dict[str, float]:
    """CPU time so far of what still runs, by kind of process; and of the takers, which ended since `before_s`."""
    ticks = os.sysconf("SC_CLK_TCK")
    spent = {"takers": _ended_s() - before_s}
    for process in stage.processes:
        for pid in (process.pid, *_children(process.pid)):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except FileNotFoundError:
                continue
            kind = process.name.partition("#")[0]
            spent[kind] = spent.get(kind, 0.0) + sum(int(ticks_of) for ticks_of in fields[11:15]) / ticks
    return spent


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []
