"""What fills the free room of one donor: the run that would serve most, again and again (`donor_plan.py`, rule 2).

Rules:

1. Each pick raises the donor's own load and so lowers what the next is worth (`best_first.py`).
2. It ends with the first row that does not pay. A run of a large file has to pay more (`Policy.run_return_times`), and
   is left out where it does not. A row that does not fit is cut, where the donor has nothing of it: as many segments
   from its beginning as fit; where not one fits, it ends.
3. A row of which the donor's network or provider holds enough is left out.
4. Equal worth is decided by a hash of donor and run; within a run the first row comes first.
"""

from __future__ import annotations

import zlib
from typing import Final, NamedTuple

import numpy as np

from distribute_io.core.placement.best_first import best_first
from distribute_io.core.placement.model import RejectionReason
from distribute_io.core.placement.readings import Held, Readings, RowColumns
from distribute_io.core.placement.rows import Floats, Ints, is_large
from distribute_io.ids import SessionId

_TIE: Final = 1e-9
"""How far the hash moves a worth: it decides between equals only."""


class Ties:
    """What is added to the worth of each row at one donor (rule 4)."""

    def __init__(self, rows: RowColumns, session_id: SessionId) -> None:
        self._run = rows.run
        self._step = 1e-3 / max(1, rows.count)
        self._salt = np.uint64(zlib.crc32(session_id.encode()))

    def of(self, rows: Ints) -> Floats:
        """Of some rows."""
        mixed = self._run[rows].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + self._salt
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(31)
        drawn = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.asarray((drawn - rows * self._step) * _TIE)


class Room(NamedTuple):
    """How much may be pushed."""

    storage_bytes: int
    """That are free."""
    push_bytes: int
    """At once."""


class Fill(NamedTuple):
    """What is pushed."""

    rows: list[int]
    """The most valuable first."""
    values: list[float]
    """Serves of each byte of them, as expected."""
    pushed_bytes: int
    cut: dict[int, int]
    """Rows of which only so many segments are pushed."""
    too_alike: set[int]
    """Rows left out by rule 3."""
    halted: RejectionReason
    """Why no more is pushed."""


def fill(
    board: Readings,
    held: Held,
    candidates: Ints,
    worth: Floats,
    *,
    ties: Ties,
    shares: Floats | None,
    loads: tuple[Floats, float],
    room: Room,
    value_min: float,
) -> Fill:
    """Find what to push.

    Args:
        board: without the donor.
        held: who it is.
        candidates: rows that it may be given, ascending.
        worth: of one more copy of each of them at an idle donor.
        ties: the donor's.
        shares: what it has of each row of the board; None: nothing.
        loads: the donor's now, at once by file and on average.
        room: for what is pushed.
        value_min: serves of each byte below which a push does not pay; `Policy.run_return_times` as many for a run of
            a large file.
    """
    rows, policy, up = board.rows, board.policy, held.up_bytes_per_s
    worth = worth + ties.of(candidates)
    size, lacks = rows.size_bytes[candidates], None
    if shares is not None:
        lacks = 1.0 - np.minimum(shares[candidates], 1.0)
        size = np.rint(size * lacks).astype(np.int64)
        wanted = size > 0
        candidates, worth, size, lacks = candidates[wanted], worth[wanted], size[wanted], lacks[wanted]
    routed, file = board.routed_bytes(candidates), rows.file[candidates]
    if lacks is not None:
        routed *= lacks
    adds = routed / (up * board.wait_s[file]), routed * board.asked_per_s[file] / up
    queue = best_first(file, worth, loads=loads, adds=adds, sharpness=policy.busy_sharpness)
    # Lists: a number out of an array costs ten times as much.
    names, sizes = candidates.tolist(), size.tolist()
    run_min = value_min * policy.run_return_times
    alike = board.too_alike(held) if any(held.groups) else frozenset()
    chosen: list[int] = []
    values: list[float] = []
    cut: dict[int, int] = {}
    too_alike: set[int] = set()
    storage_left, push_left = room
    halted: RejectionReason = "held_already"
    best = next(queue)
    while best is not None:
        place, value = best
        if value < value_min:
            halted = "does_not_pay"
            break
        row, size_bytes = names[place], sizes[place]
        if value < run_min and is_large(rows.files[int(file[place])], policy):
            halted = "does_not_pay"
            best = queue.send(0.0)
            continue
        if row in alike:
            too_alike.add(row)
            best = queue.send(0.0)
            continue
        share = 1.0
        if size_bytes > storage_left or size_bytes > push_left:
            segment_bytes = rows.files[int(rows.file[row])].segment_size_bytes
            segments = int(rows.end[row] - rows.start[row])
            fitting = min(storage_left, push_left) // segment_bytes
            if not 0 < fitting < segments or (shares is not None and shares[row] > 0.0):
                halted = "no_room" if size_bytes > storage_left else "not_yet"
                break
            cut[row] = fitting
            size_bytes, share = fitting * segment_bytes, fitting / segments
        chosen.append(row)
        values.append(value)
        storage_left -= size_bytes
        push_left -= size_bytes
        best = queue.send(share)
    return Fill(chosen, values, room.push_bytes - push_left, cut, too_alike, halted)
