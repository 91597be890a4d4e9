"""How long plans of a large swarm take: a joining donor in this process, a look at all donors in the planning process.

Options: `--donors N`, `--segments N`, `--regions N` (default 100,000 donors, 1,000,000 segments, 50 regions),
`--joins N` (default 2,000), `--rounds N` (default 3). Files have 250 segments of 1 MiB; each segment is placed by
itself. Each donor holds 64 of them in runs of 8, hot files more often. Rounds have `--budget` seconds (default 4.5), of
which those that are left after the look at all donors go to planning one by one, the most gainful first. Joining donors
take 64 segments each, whether that pays or not, in one region after another, and what one takes the next finds taken.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from itertools import accumulate
from typing import Any

from msgspec import structs

from bench.record import write_result
from distribute_io.coordinator.plan_office import PlanOffice
from distribute_io.coordinator.plan_process import peak_memory_bytes
from distribute_io.core import runs as sets
from distribute_io.core.placement.join_lists import JoinPlanner
from distribute_io.core.placement.model import DonorView, Expectation, FileView, Policy, RegionRates
from distribute_io.core.placement.rounds import Changes, Round, encode_demand, encode_files
from distribute_io.core.placement.stays import Stays
from distribute_io.core.placement.stock import KnownDonor, encode_donor
from distribute_io.ids import CauseId, FileId, SessionId

_MIB = 1 << 20
_FILE_SEGMENTS = 250
_HELD_RUNS = 8
_NOW_US = 10**10
_NETWORKS = 50_000
"""That donors are in: what the caps on diversity have to be reckoned for."""

_CHANGED = 500
"""Donors that come or change between two rounds."""


def run(options: list[str]) -> bool:
    """Plan and write the result; True when the bars hold (1 ms for a join, 5 s and 1.5 GB for all)."""
    parser = argparse.ArgumentParser(prog="plan_times", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--donors", type=int, default=100_000)
    parser.add_argument("--segments", type=int, default=1_000_000)
    parser.add_argument("--regions", type=int, default=50)
    parser.add_argument("--joins", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=4.5)
    words = parser.parse_args(options)
    figures = asyncio.run(_measure(words))
    write_result("plan_times", figures)
    bars = (figures["join_p99_ms"] < 1.0, max(figures["round_s"]) < 5.0, figures["planner_peak_memory_mb"] <= 1_500)
    return all(bars)


async def _measure(words: argparse.Namespace) -> dict[str, Any]:  # Any: JSON of any shape
    rng = random.Random(1)
    files, demand, sums = catalogue(words.donors, words.segments, words.regions, rng)
    told = [encode_donor(some_donor(number, files, sums, words.regions, rng)) for number in range(words.donors)]
    whole = Changes(
        now_us=_NOW_US,
        whole=True,
        donors=told,
        files=[encode_files(files)],
        demand=[encode_demand(demand)],
        stays=Stays().state(),
    )
    office = PlanOffice(rng)
    try:
        rounds = [await _round(office, whole, words.budget)]
        for _ in range(words.rounds):
            later = structs.replace(whole, whole=False, files=None, donors=rng.sample(told, min(_CHANGED, len(told))))
            rounds.append(await _round(office, later, words.budget))
        look_s, _ = await _round(office, structs.replace(whole, whole=False, files=None, donors=()), 0.0)
        memory_bytes = await office.peak_memory_bytes()
    finally:
        office.close()
    _seconds, result = rounds[-1]
    joins_ms, cpu_ms, tidy_ms, pushed = _joins(result, files, words.joins, words.regions, rng)
    return {
        "donors": words.donors,
        "segments": words.segments,
        "regions": words.regions,
        "joins": words.joins,
        "join_median_ms": round(joins_ms[len(joins_ms) // 2], 3),
        "join_p99_ms": round(joins_ms[int(len(joins_ms) * 0.99)], 3),
        "join_most_ms": round(joins_ms[-1], 3),
        "join_cpu_median_ms": round(cpu_ms[len(cpu_ms) // 2], 3),
        "join_cpu_p99_ms": round(cpu_ms[int(len(cpu_ms) * 0.99)], 3),
        "order_again_p99_ms": round(tidy_ms[int(len(tidy_ms) * 0.99)], 3),
        "join_segments_pushed_mean": round(pushed / words.joins, 1),
        "first_round_s": round(rounds[0][0], 2),
        "round_s": [round(seconds, 2) for seconds, _ in rounds[1:]],
        "look_at_all_s": round(look_s, 2),
        "donors_looked_at": result.donors,
        "donors_that_could_gain": [of.gainful for _, of in rounds],
        "donors_planned_one_by_one": [of.planned for _, of in rounds],
        "planner_peak_memory_mb": round(memory_bytes / 1e6),
        "this_process_peak_memory_mb": round(peak_memory_bytes() / 1e6),
    }


async def _round(office: PlanOffice, changes: Changes, budget_s: float) -> tuple[float, Round]:
    """Seconds from the changes to the plan, the way between the processes counted."""
    began = time.perf_counter()
    result = await office.round(changes, Policy(), budget_s)
    return time.perf_counter() - began, result


def _joins(
    result: Round, files: list[FileView], joins: int, regions: int, rng: random.Random
) -> tuple[list[float], list[float], list[float], int]:
    """Milliseconds for each of some joining donors, CPU time of it, and milliseconds for putting the lists in order
    after it, each sorted; and the segments that they were given in all."""
    planner = JoinPlanner(result.lists, Policy(), {file.file_id: file for file in files}.get)
    times_ms: list[float] = []
    cpu_ms: list[float] = []
    tidy_ms: list[float] = []
    pushed = 0
    for number in range(joins):
        donor = some_donor(2**64 + number, [], [], regions, rng).view
        began, cpu_began = time.perf_counter(), time.thread_time()
        assignment = planner.plan(donor, _NOW_US, is_guess=True, is_known=False)
        cpu_ms.append((time.thread_time() - cpu_began) * 1_000)
        times_ms.append((time.perf_counter() - began) * 1_000)
        began = time.perf_counter()
        planner.tidy()
        tidy_ms.append((time.perf_counter() - began) * 1_000)
        pushed += assignment.push_bytes // _MIB if assignment is not None else 0
    return sorted(times_ms), sorted(cpu_ms), sorted(tidy_ms), pushed


def catalogue(
    donors: int, segments: int, regions: int, rng: random.Random
) -> tuple[list[FileView], list[Expectation], list[float]]:
    """The files, the demand for them, and the sums of their popularity, for drawing."""
    files = [
        FileView(
            file_id=FileId(f"{number:064x}"),
            cause=CauseId("main"),
            segments=_FILE_SEGMENTS,
            size_bytes=_FILE_SEGMENTS * _MIB,
            segment_size_bytes=_MIB,
        )
        for number in range(segments // _FILE_SEGMENTS)
    ]
    weights = [1.0 / (place + 1) ** 0.8 for place in range(len(files))]
    rng.shuffle(weights)
    per_s = [0.02 * donors * weight / sum(weights) / regions for weight in weights]
    demand = [
        Expectation(
            file_id=file.file_id,
            rates=[RegionRates(_region(region), rate * 0.7, rate * 0.3) for region in range(regions)],
        )
        for file, rate in zip(files, per_s, strict=True)
    ]
    return files, demand, list(accumulate(weights))


def _region(number: int) -> str:
    return f"EU/{number:02d}"


def some_donor(number: int, files: list[FileView], sums: list[float], regions: int, rng: random.Random) -> KnownDonor:
    """A donor; without files it comes with nothing."""
    holdings: dict[FileId, sets.Runs] = {}
    for file in rng.choices(files, cum_weights=sums, k=_HELD_RUNS) if files else ():
        start = rng.randrange(_FILE_SEGMENTS // 8) * 8
        holdings[file.file_id] = sets.union(holdings.get(file.file_id, ()), ((start, start + 8),))
    view = DonorView(
        session_id=SessionId(f"{number:032x}"),
        storage_bytes=64 * _MIB + Policy().reserve_bytes,
        up_bytes_per_s=int(625_000 * rng.lognormvariate(0, 1)),
        joined_at_us=0,
        region=f"{_region(number % regions)}/n-{rng.randrange(_NETWORKS):08x}",
        nat=rng.choice(("restricted", "unrestricted")),
        stay_left_s=1_800.0,
        holdings=holdings,
    )
    return KnownDonor(view, "browser")
