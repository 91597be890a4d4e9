"""How long plans take: one joining donor, and all standing donors once, with the memory of it.

Options: `--donors N`, `--segments N`, `--regions N` (default 2,000 donors, 100,000 segments, 50 regions), `--joins N`
(default 20). Files have 1,000 segments of 1 MiB; each donor holds 64 of them in runs of 8, hot files more often.
"""

from __future__ import annotations

import argparse
import random
import resource
import time

from msgspec import structs

from bench.record import write_result
from distribute_io.core import runs as sets
from distribute_io.core.placement.model import (
    DonorView,
    Expectation,
    FileView,
    Policy,
    RegionRates,
    Snapshot,
)
from distribute_io.core.placement.planner import plan
from distribute_io.ids import CauseId, FileId, SessionId

_MIB = 1 << 20
_FILE_SEGMENTS = 1_000
_HELD_RUNS = 8


def run(options: list[str]) -> bool:
    """Plan and write the result; True when both bars hold (1 ms for a join, 5 s for all)."""
    parser = argparse.ArgumentParser(prog="plan_times", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--donors", type=int, default=2_000)
    parser.add_argument("--segments", type=int, default=100_000)
    parser.add_argument("--regions", type=int, default=50)
    parser.add_argument("--joins", type=int, default=20)
    words = parser.parse_args(options)
    snapshot, policy = _world(words.donors, words.segments, words.regions), Policy()
    joins_s = sorted(_join_s(snapshot, policy, number, words.regions) for number in range(words.joins))
    began = time.perf_counter()
    plan(structs.replace(snapshot, standing=None), policy, random.Random(1))
    full_s = time.perf_counter() - began
    figures = {
        "donors": words.donors,
        "segments": words.segments,
        "regions": words.regions,
        "join_median_ms": round(joins_s[len(joins_s) // 2] * 1_000, 2),
        "join_p99_ms": round(joins_s[int(len(joins_s) * 0.99)] * 1_000, 2),
        "full_s": round(full_s, 2),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024,
    }
    write_result("plan_times", figures)
    return figures["join_p99_ms"] < 1.0 and full_s < 5.0


def _world(donors: int, segments: int, regions: int) -> Snapshot:
    rng = random.Random(1)
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
    per_s = [0.02 * donors * weight / sum(weights) / regions for weight in weights]
    return Snapshot(
        now_us=10**10,
        donors=[_donor(number, files, weights, regions, rng) for number in range(donors)],
        files=files,
        demand=[
            Expectation(
                file_id=file.file_id,
                rates=[RegionRates(f"r{region}", rate * 0.7, rate * 0.3) for region in range(regions)],
            )
            for file, rate in zip(files, per_s, strict=True)
        ],
        standing=frozenset(),
    )


def _donor(number: int, files: list[FileView], weights: list[float], regions: int, rng: random.Random) -> DonorView:
    holdings: dict[FileId, sets.Runs] = {}
    for file in rng.choices(files, weights, k=_HELD_RUNS):
        start = rng.randrange(_FILE_SEGMENTS // 8) * 8
        holdings[file.file_id] = sets.union(holdings.get(file.file_id, ()), ((start, start + 8),))
    return DonorView(
        session_id=SessionId(f"{number:032x}"),
        storage_bytes=64 * _MIB + Policy().reserve_bytes,
        up_bytes_per_s=int(625_000 * rng.lognormvariate(0, 1)),
        joined_at_us=0,
        region=f"r{number % regions}",
        nat=rng.choice(("restricted", "unrestricted")),
        holdings=holdings,
    )


def _join_s(snapshot: Snapshot, policy: Policy, number: int, regions: int) -> float:
    """Seconds to plan one donor that comes with nothing."""
    donor = structs.replace(
        snapshot.donors[0], session_id=SessionId(f"{number + 2**64:032x}"), region=f"r{number % regions}", holdings={}
    )
    joined = structs.replace(
        snapshot, donors=[*snapshot.donors, donor], joining=frozenset({donor.session_id}), standing=frozenset()
    )
    began = time.perf_counter()
    plan(joined, policy, random.Random(number))
    return time.perf_counter() - began
