"""The plan: which donor should hold which segments.

Rules:

1. Joining donors are filled (`donor_plan.py`), standing ones filled further or given one swap. Unrestricted, fast and
   long-staying donors are planned first, so that what is wanted most lands where it can be served.
2. Each donor is planned against the targets of all others, those planned before it included.
3. A target never exceeds the donor's storage less `Policy.reserve_bytes`, in bytes of segments, and names nothing of a
   cause that the donor did not choose.
4. Same snapshot, policy and random source give the same plan.

What it does not promise: a share of the optimum. The value of a set of copies is not submodular once uplinks bind, so
the usual bound of greedy does not hold here; `bench/results` has what was measured instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from distribute_io.core import runs as sets
from distribute_io.core.placement.board import Board, target_of
from distribute_io.core.placement.donor_plan import DonorPlanner, Target
from distribute_io.core.placement.model import (
    Assignment,
    DonorView,
    FileView,
    Plan,
    Policy,
    Reason,
    Rejection,
    RejectionReason,
    Rng,
    Snapshot,
)
from distribute_io.core.placement.outlook import Outlook
from distribute_io.core.placement.readings import Readings, RowColumns
from distribute_io.core.placement.rows import Floats, Rows
from distribute_io.core.runs import Runs
from distribute_io.ids import FileId, SessionId

REJECTED_MAX = 64
"""Files for which one donor's plan gives a reason: the most wanted ones."""

_COVERED_MIN = 0.05
"""A cause that nobody covers is weighed as one that is covered this much."""


def plan(snapshot: Snapshot, policy: Policy, rng: Rng) -> Plan:
    """Plan the joining and the standing donors of the snapshot.

    Args:
        snapshot: who is here, what there is, what is expected.
        policy: how.
        rng: the order of donors that are equal.

    Returns:
        An assignment for each joining donor and for each standing one whose target changes, with reasons; and for each
        donor that was planned why it was not given (more of) the most wanted files.
    """
    rows = Rows(snapshot.files, policy)
    board = Board(snapshot, policy, rows)
    outlook = Outlook.of(snapshot.demand, rows, board.region, file_weights(rows, board, policy), ahead_s=policy.ahead_s)
    allowed = _Allowed(rows)
    assignments: dict[SessionId, Assignment] = {}
    rejected: list[Rejection] = []
    for place in _order(snapshot, rng):
        donor = snapshot.donors[place]
        joins = donor.session_id in snapshot.joining
        held = board.lift(place)
        is_guess = joins and snapshot.is_guess
        expected = outlook.during(min(donor.stay_left_s, policy.horizon_s), held.region)
        planner = DonorPlanner(board, expected, policy, donor, held, allowed.of(donor), is_guess=is_guess)
        target = planner.plan(
            push_bytes_max=push_bytes_max(donor, snapshot.now_us, policy), swaps_max=policy.swaps_per_round
        )
        board.put(place, np.array(target.rows, dtype=np.int64), np.array(target.shares))
        if joins or target.pushed or target.dropped:
            assignments[donor.session_id] = assignment_of(donor, target, planner.worth, board, policy)
        rejected += rejections(snapshot.files, donor, target, planner.worth, rows)
    ordered = [assignments[donor.session_id] for donor in snapshot.donors if donor.session_id in assignments]
    return Plan(tuple(ordered), tuple(rejected))


class _Allowed:
    """Which files the donors of a set of causes may hold, found once for each set."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._known: dict[frozenset[str], NDArray[np.bool_]] = {}

    def of(self, donor: DonorView) -> NDArray[np.bool_] | None:
        if not donor.causes:
            return None
        if donor.causes not in self._known:
            self._known[donor.causes] = np.array([file.cause in donor.causes for file in self._rows.files], dtype=bool)
        return self._known[donor.causes]


def _order(snapshot: Snapshot, rng: Rng) -> list[int]:
    """Rule 1: joining donors before standing ones, then the most useful, equal ones in an order by chance."""
    keys = []
    for place, donor in enumerate(snapshot.donors):
        joins = donor.session_id in snapshot.joining
        if joins or snapshot.standing is None or donor.session_id in snapshot.standing:
            usefulness = donor.up_bytes_per_s * min(donor.stay_left_s, 3_600.0)
            keys.append((not joins, donor.nat == "restricted", -usefulness, rng.getrandbits(32), place))
    return [key[-1] for key in sorted(keys)]


class Covering(Protocol):
    """What fairness between causes is reckoned from."""

    miss_open: Floats
    asked_per_s: Floats


def file_weights(rows: Rows, board: Covering, policy: Policy) -> Floats:
    """What a request of each file counts: the operator's weight, and more for causes that are covered less.

    Fairness moves copies between causes that are asked for, and makes none of them pay that would not: by it the
    average byte that is asked for counts 1. So one cause alone, or beside others that nobody asks for, is planned as
    without it.
    """
    weights = np.array([file.weight for file in rows.files])
    if not policy.fairness or not len(rows.files):
        return weights
    covered = 1.0 - np.exp(board.miss_open)
    asked = board.asked_per_s[rows.file] * rows.size_bytes
    of_cause: dict[str, tuple[float, float]] = {}
    by_file = np.bincount(rows.file, asked * covered, len(rows.files)), np.bincount(rows.file, asked, len(rows.files))
    for place, file in enumerate(rows.files):
        got, all_of_it = of_cause.get(file.cause, (0.0, 0.0))
        of_cause[file.cause] = (got + float(by_file[0][place]), all_of_it + float(by_file[1][place]))
    living = {cause: (got, asked) for cause, (got, asked) in of_cause.items() if asked}
    if len(living) < 2:
        return weights
    counts = {cause: max(_COVERED_MIN, got / asked) ** -policy.fairness for cause, (got, asked) in living.items()}
    average = sum(counts[cause] * asked for cause, (_, asked) in living.items()) / sum(
        asked for _, asked in living.values()
    )
    fair = np.array([counts.get(file.cause, average) / average for file in rows.files])
    return np.asarray(weights * fair, dtype=np.float64)


def push_bytes_max(donor: DonorView, now_us: int, policy: Policy) -> int:
    """Small fills first: the most that is pushed to a donor of this age in one round."""
    doublings = min(30.0, max(0, now_us - donor.joined_at_us) / 1e6 / policy.fill_doubling_s)
    return int(policy.first_fill_bytes * 2.0**doublings)


def assignment_of(donor: DonorView, target: Target, worth: Floats, board: Readings, policy: Policy) -> Assignment:
    """A donor's target in the words of files and runs; `board` has the target already."""
    rows = board.rows
    has = target_of(donor)
    files: dict[int, list[tuple[int, int]]] = {}
    value: dict[int, float] = {}
    at = np.array(target.rows, dtype=np.int64)
    columns = (rows.file[at].tolist(), rows.start[at].tolist(), rows.end[at].tolist(), worth[at].tolist())
    for row, place, start, end, row_worth in zip(target.rows, *columns, strict=True):
        parts: Runs = ((start, end),)
        if row in target.cut:
            parts = ((start, start + target.cut[row]),)
        elif row not in target.pushed:
            parts = sets.intersection(has.get(rows.files[place].file_id, sets.EMPTY), parts)
        files.setdefault(place, []).extend(parts)
        value[place] = max(value.get(place, 0.0), row_worth)
    named: list[tuple[FileId, Runs]] = []
    held_bytes = push_bytes = 0
    for place in sorted(files, key=lambda place: (-value[place], rows.files[place].file_id)):
        file = rows.files[place]
        runs = sets.normalised(files[place])
        held = sets.intersection(runs, donor.holdings.get(file.file_id, sets.EMPTY))
        bytes_of = {"file_bytes": file.size_bytes, "segment_bytes": file.segment_size_bytes}
        held_bytes += sets.size_bytes(held, **bytes_of)
        push_bytes += sets.size_bytes(sets.difference(runs, held), **bytes_of)
        named.append((file.file_id, runs))
    return Assignment(
        session_id=donor.session_id,
        files=tuple(named),
        lease_us=policy.lease_us,
        held_bytes=held_bytes,
        push_bytes=push_bytes,
        reasons=_reasons(target, board),
    )


def _reasons(target: Target, board: Readings) -> tuple[Reason, ...]:
    """Why each row that is pushed was chosen."""
    rows, pushed = board.rows, np.array(list(target.pushed), dtype=np.int64)
    columns = (rows.file, rows.start, rows.end)
    file, start, end = (column[pushed].tolist() for column in columns)
    serves = np.round(np.array(list(target.pushed.values())), 3).tolist()
    copies = np.round(board.copies[pushed] - 1.0, 3).tolist()
    names = {place: rows.files[place].file_id for place in set(file)}
    return tuple(
        Reason(names[place], first, last, expected_serves=value, copies=others)
        for place, first, last, value, others in zip(file, start, end, serves, copies, strict=True)
    )


def rejections(
    files_here: Sequence[FileView], donor: DonorView, target: Target, worth: Floats, rows: RowColumns
) -> list[Rejection]:
    """Why the donor was not given (more of) each file, for the most wanted ones.

    Args:
        files_here: all that were looked at, empty ones too.
        donor: who it is.
        target: what it is to hold.
        worth: of each row, for it.
        rows: of the files.
    """
    files = len(rows.files)
    best = np.zeros(files)
    np.maximum.at(best, rows.file, worth)
    full = np.zeros(rows.count, dtype=bool)
    full[[row for row, share in zip(target.rows, target.shares, strict=True) if share >= 1.0]] = True
    lacks = np.bincount(rows.file[~full], minlength=files)
    got = {int(rows.file[row]) for row in target.pushed}
    alike = {int(rows.file[row]) for row in target.too_alike}
    order = sorted(range(files), key=lambda place: -best[place])[:REJECTED_MAX]
    rejected: list[tuple[FileId, RejectionReason]] = []
    for place in order:
        file = rows.files[place]
        reason: RejectionReason
        if donor.causes and file.cause not in donor.causes:
            reason = "cause_not_chosen"
        elif lacks[place] == 0:
            if place in got:
                continue
            reason = "held_already"
        elif best[place] <= 0.0:
            reason = "no_demand"
        elif place in alike:
            reason = "too_alike"
        elif target.halted is None or target.halted in ("held_already", "no_demand"):
            continue
        else:
            reason = target.halted
        rejected.append((file.file_id, reason))
    empty = [file.file_id for file in files_here if file.segments == 0][:REJECTED_MAX]
    return [
        Rejection(donor.session_id, file_id, why)
        for file_id, why in (*rejected, *((file_id, "empty_file") for file_id in empty))
    ]
