"""The first planner: fill each donor with runs of what is covered least.

Rules:

1. A donor's target is at most its storage less `Policy.reserve_bytes`, in bytes of segments.
2. What a donor holds of its causes stays, for a push costs as much as a serve saves. Where it no longer fits (the
   slider went down), the runs whose segments have the fewest other copies stay.
3. The rest is filled run by run with the run that has the fewest copies on average; then of the file that has the
   fewest copies on average, so that all files of the causes come in; ties are drawn with `rng`.
4. A run is an aligned piece of `Policy.run_bytes` of one file; the last one is cut to the room that is left.
5. Several donors are planned one after another, each seeing the targets of those before.

What it does not do yet: demand, regions, expected stays (issue of the coordinator's brain). Same snapshot, policy and
random source give the same plan.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import accumulate

from distribute_io.core import runs as sets
from distribute_io.core.placement.model import (
    Assignment,
    DonorView,
    FileView,
    Plan,
    Policy,
    Rejection,
    RejectionReason,
    Rng,
    Snapshot,
)
from distribute_io.core.runs import Runs
from distribute_io.ids import FileId

_SCALE = 1 << 16
"""Fixed point of average copies: decisions are in integers."""


def plan(snapshot: Snapshot, policy: Policy, rng: Rng) -> Plan:
    """Plan every donor of the snapshot.

    Args:
        snapshot: the donors to plan and the files that exist.
        policy: how.
        rng: breaks ties.

    Returns:
        One assignment for each donor, and for each of them the reason for every file that it was not given (more of).
    """
    coverages = {file.file_id: _Coverage(file) for file in snapshot.files}
    assignments: list[Assignment] = []
    rejected: list[Rejection] = []
    for donor in snapshot.donors:
        assignment, reasons = _plan_donor(donor, coverages, policy, rng)
        assignments.append(assignment)
        rejected += [Rejection(donor.session_id, file_id, reason) for file_id, reason in reasons]
        for file_id, runs in assignment.files:
            coverages[file_id].add(runs)
    return Plan(tuple(assignments), tuple(rejected))


class _Coverage:
    """Copies of a file's segments, with sums of any range in constant time."""

    def __init__(self, file: FileView) -> None:
        self.file = file
        self._copies = list(file.copies) if file.copies else [0] * file.segments
        self._sums: list[int] | None = None

    def add(self, runs: Runs) -> None:
        for start, end in runs:
            for index in range(start, end):
                self._copies[index] += 1
        self._sums = None

    def average(self, start: int, end: int) -> int:
        """Mean copies of a range, in fixed point."""
        if self._sums is None:
            self._sums = list(accumulate(self._copies, initial=0))
        return (self._sums[end] - self._sums[start]) * _SCALE // (end - start)

    def of_runs(self, runs: Runs) -> int:
        """Mean copies of some segments, in fixed point."""
        return sum(self.average(start, end) * (end - start) for start, end in runs) // sets.count(runs)


class _Target:
    """One donor's target while it grows."""

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self.runs: dict[FileId, Runs] = {}
        self.fetched: dict[FileId, Runs] = {}

    def take(self, file: FileView, wanted: Runs, *, fetched: bool) -> Runs:
        """Add as much of `wanted`, from its start, as there is room for; returns what was taken."""
        taken = _fitting(file, wanted, self.room_bytes)
        if taken:
            self.room_bytes -= _bytes_of(file, taken)
            self.runs[file.file_id] = sets.union(self.runs.get(file.file_id, sets.EMPTY), taken)
            if fetched:
                self.fetched[file.file_id] = sets.union(self.fetched.get(file.file_id, sets.EMPTY), taken)
        return taken


def _plan_donor(
    donor: DonorView, coverages: dict[FileId, _Coverage], policy: Policy, rng: Rng
) -> tuple[Assignment, list[tuple[FileId, RejectionReason]]]:
    reasons: list[tuple[FileId, RejectionReason]] = []
    usable: list[_Coverage] = []
    for coverage in coverages.values():
        file = coverage.file
        if file.segments == 0:
            reasons.append((file.file_id, "empty_file"))
        elif not donor.gives_to(file.cause):
            reasons.append((file.file_id, "cause_not_chosen"))
        else:
            usable.append(coverage)

    target = _Target(max(0, donor.storage_bytes - policy.reserve_bytes))
    _keep(donor, usable, policy, target)
    held_bytes = sum(_bytes_of(coverages[file_id].file, runs) for file_id, runs in target.runs.items())
    for coverage, chunk in _least_covered(donor, usable, policy, rng):
        if target.room_bytes <= 0:
            break
        target.take(coverage.file, chunk, fetched=True)

    for coverage in usable:
        file = coverage.file
        got = sets.count(target.runs.get(file.file_id, sets.EMPTY))
        if got == file.segments and file.file_id not in target.fetched:
            reasons.append((file.file_id, "held_already"))
        elif got == 0:
            fits = file.segment_size_bytes <= donor.storage_bytes - policy.reserve_bytes
            reasons.append((file.file_id, "better_covered" if fits else "no_room"))

    files = sorted(target.runs.items(), key=lambda item: (coverages[item[0]].of_runs(item[1]), item[0]))
    push_bytes = sum(_bytes_of(coverages[file_id].file, runs) for file_id, runs in target.fetched.items())
    assignment = Assignment(
        session_id=donor.session_id,
        files=tuple(files),
        lease_us=policy.lease_us,
        held_bytes=held_bytes,
        push_bytes=push_bytes,
    )
    return assignment, reasons


def _keep(donor: DonorView, usable: list[_Coverage], policy: Policy, target: _Target) -> None:
    """Rule 2: what is held stays, the rarest runs first where it does not all fit."""
    held: list[tuple[int, FileId, Runs, FileView]] = []
    for coverage in usable:
        file = coverage.file
        holdings = sets.intersection(donor.holdings.get(file.file_id, sets.EMPTY), sets.whole(file.segments))
        for chunk in _chunks(file, policy.run_bytes):
            part = sets.intersection(holdings, (chunk,))
            if part:
                held.append((coverage.of_runs(part), file.file_id, part, file))
    for _, _, part, file in sorted(held, key=lambda row: row[:3]):
        target.take(file, part, fetched=False)


def _least_covered(
    donor: DonorView, usable: list[_Coverage], policy: Policy, rng: Rng
) -> Iterator[tuple[_Coverage, Runs]]:
    """Rule 3: the runs that the donor lacks, least covered first."""
    heap: list[tuple[int, int, int, int, Runs]] = []
    for place, coverage in enumerate(usable):
        file = coverage.file
        of_file = coverage.average(0, file.segments)
        holdings = donor.holdings.get(file.file_id, sets.EMPTY)
        for chunk in _chunks(file, policy.run_bytes):
            lacking = sets.difference((chunk,), holdings)
            if lacking:
                heap.append((coverage.of_runs(lacking), of_file, rng.getrandbits(32), place, lacking))
    heapq.heapify(heap)
    while heap:
        _, _, _, place, lacking = heapq.heappop(heap)
        yield usable[place], lacking


def _chunks(file: FileView, run_bytes: int) -> Iterator[tuple[int, int]]:
    """Rule 4: the aligned runs of a file."""
    step = max(1, run_bytes // file.segment_size_bytes)
    for start in range(0, file.segments, step):
        yield start, min(start + step, file.segments)


def _fitting(file: FileView, wanted: Runs, room_bytes: int) -> Runs:
    """The first segments of `wanted` that `room_bytes` can hold."""
    if _bytes_of(file, wanted) <= room_bytes:
        return wanted
    return sets.first(wanted, room_bytes // file.segment_size_bytes)


def _bytes_of(file: FileView, runs: Runs) -> int:
    return sets.size_bytes(runs, file_bytes=file.size_bytes, segment_bytes=file.segment_size_bytes)
