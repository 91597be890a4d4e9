"""One donor's target, while all others stay as they are.

Rules:

1. What the donor holds stays as long as there is room; where there is not, the runs that would serve most stay.
2. Free room is filled with the run that would serve most by byte, again and again, each pick raising the donor's own
   load and so lowering what the next is worth. A run is only pushed when each of its bytes is expected to be served
   `Policy.return_min` times before the donor leaves, one of a large file `Policy.run_return_times` as often.
3. A full donor swaps: the best run that it lacks for the worst that it holds, where the gain pays the push
   within `swap_horizon_s` (`return_min` again), at most `Policy.swaps_per_round`; more only where each gains
   `Policy.swap_anyway_gain`.
   Where nothing is known of the demand yet (`Snapshot.is_guess`), a joining donor is filled without that condition.
4. Small fills first: what is pushed to a young donor at once is bounded and doubles with its age.
5. Equal worth is decided by a hash of donor and run (rendezvous hashing): several coordinators agree, few copies move.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distribute_io.core.placement.curves import marginal_share
from distribute_io.core.placement.fill import Room, Ties, fill
from distribute_io.core.placement.model import DonorView, Policy, RejectionReason
from distribute_io.core.placement.readings import DonorDemand, Held, Readings, swap_horizon_s
from distribute_io.core.placement.rows import Floats, Ints, is_large

CANDIDATES_MAX = 4_096
"""Rows that one donor's fill looks at, best first: more than any donor's fill takes."""


class Target:
    """What one donor is to hold: rows with shares, which of them are pushed, and why others were left out."""

    def __init__(self, held: Held) -> None:
        self.rows: list[int] = held.rows.tolist()
        self.shares: list[float] = held.shares.tolist()
        self.pushed: dict[int, float] = {}
        """Rows that are fetched, with the expected serves of each byte."""
        self.dropped: list[int] = []
        self.cut: dict[int, int] = {}
        """Rows of which only the first segments are fetched, for more does not fit."""
        self.halted: RejectionReason | None = None
        """Why no more was pushed."""
        self.too_alike: set[int] = set()


class DonorPlanner:
    """Plans one lifted donor. A fresh one for each."""

    def __init__(
        self,
        board: Readings,
        expected: DonorDemand,
        policy: Policy,
        donor: DonorView,
        held: Held,
        allowed: NDArray[np.bool_] | None,
        *,
        is_guess: bool = False,
    ) -> None:
        """Weigh every row for this donor.

        Args:
            board: without the donor.
            expected: what will be asked for while it stays, at most `Policy.horizon_s`.
            policy: how.
            donor: whom to plan.
            held: its copies now.
            allowed: files (by place) of the causes that it gives to; None for all.
            is_guess: fill without asking whether it pays.
        """
        self._board, self._policy, self._donor, self._held = board, policy, donor, held
        self._rows = board.rows
        self._allowed = allowed
        self._fill_min = 0.0 if is_guess else policy.return_min
        self.worth = board.worth(held, expected)
        if allowed is not None:
            self.worth = np.where(allowed[self._rows.file], self.worth, 0.0)
        self._ties = Ties(self._rows, donor.session_id)
        self._at_once: Floats = np.zeros(len(self._rows.files))
        self._on_average = 0.0
        self.room_bytes = max(0, donor.storage_bytes - policy.reserve_bytes)

    def plan(self, *, push_bytes_max: int, swaps_max: int | None) -> Target:
        """Keep, fill, swap; no swaps at all where `swaps_max` is None."""
        target = Target(self._held)
        self._keep(target)
        used = self._used_bytes(target)
        push_left = self._fill(target, self.room_bytes - used, push_bytes_max)
        if swaps_max is not None and not target.pushed and target.halted in ("no_room", "better_elsewhere"):
            self._swap(target, swaps_max, push_left)
        return target

    # --- rule 1 ---

    def _keep(self, target: Target) -> None:
        """Rule 1: all of it where it fits, else the best, one after another as loads grow.

        What is of a cause that it no longer gives to goes.
        """
        rows, shares = self._held.rows, self._held.shares
        if self._allowed is not None:
            given = self._allowed[self._rows.file[rows]]
            target.dropped = rows[~given].tolist()
            rows, shares = rows[given], shares[given]
        target.rows, target.shares = rows.tolist(), shares.tolist()
        if self._used_bytes(target) <= self.room_bytes:
            self._at_once, self._on_average = self._board.loads(self._held, rows, shares)
            return
        target.rows, target.shares = [], []
        left = self.room_bytes
        open_rows = np.ones(len(rows), dtype=bool)
        sizes = np.ceil(self._rows.size_bytes[rows] * shares).astype(np.int64)
        ties = self._ties.of(rows)
        while True:
            value = np.where(open_rows & (sizes <= left), self._discounted(rows) + ties, -1.0)
            best = int(value.argmax()) if len(value) else -1
            if best < 0 or value[best] < 0:
                break
            open_rows[best] = False
            left -= int(sizes[best])
            target.rows.append(int(rows[best]))
            target.shares.append(float(shares[best]))
            self._load(int(rows[best]), float(shares[best]))
        target.dropped += rows[open_rows].tolist()

    # --- rule 2 ---

    def _fill(self, target: Target, room: int, push_left: int) -> int:
        """Rule 2; returns how much may still be pushed."""
        lacking = self._lacking(target)
        candidates = self._candidates(lacking)
        if not len(candidates):
            target.halted = "no_demand" if len(lacking) else "held_already"
            return push_left
        shares = np.zeros(self._rows.count)
        shares[np.array(target.rows, dtype=np.int64)] = target.shares
        filled = fill(
            self._board,
            self._held,
            candidates,
            self.worth[candidates],
            ties=self._ties,
            shares=shares if target.rows else None,
            loads=(self._at_once, self._on_average),
            room=Room(room, push_left),
            value_min=self._fill_min,
        )
        has = dict(zip(target.rows, range(len(target.rows)), strict=True))
        for row, value in zip(filled.rows, filled.values, strict=True):
            share = 1.0
            if row in filled.cut:
                share = filled.cut[row] / int(self._rows.end[row] - self._rows.start[row])
            if row in has:
                target.shares[has[row]] = share
            else:
                target.rows.append(row)
                target.shares.append(share)
            target.pushed[row] = value
        target.cut, target.too_alike, target.halted = filled.cut, filled.too_alike, filled.halted
        return push_left - filled.pushed_bytes

    # --- rule 3 ---

    def _swap(self, target: Target, swaps: int, push_left: int) -> None:
        lacking = self._lacking(target)
        # What it holds in part is no row to swap in: it would be in the target twice. Nor is what was just left out.
        lacking = self._candidates(lacking[~np.isin(lacking, [*target.rows, *target.dropped])])
        alike = self._board.too_alike(self._held)
        stay_s = min(self._donor.stay_left_s, self._policy.horizon_s)
        soon = min(1.0, swap_horizon_s(self._policy, self._board.asked_per_s) / max(1.0, stay_s))
        while len(lacking) and len(target.pushed) < len(target.rows):
            rows = np.array(target.rows, dtype=np.int64)
            kept = self._discounted(rows)
            kept[[place for place, row in enumerate(target.rows) if row in target.pushed]] = np.inf
            worst = int((kept + self._ties.of(rows)).argmin())
            value = self._discounted(lacking) + self._ties.of(lacking)
            best = int(value.argmax())
            row, old = int(lacking[best]), target.rows[worst]
            gain = float(value[best] - kept[worst])
            large, least = self._is_run(row), self._policy.return_min
            if large:
                least *= self._policy.run_return_times
            may_pay = len(target.pushed) < swaps and gain * soon >= least
            if not may_pay and gain < self._policy.swap_anyway_gain:
                target.halted = "better_elsewhere"
                if not large:
                    return
                lacking = self._small(lacking)  # no other run pays either
                continue
            size = int(self._rows.size_bytes[row])
            freed = int(self._rows.size_bytes[old] * target.shares[worst])
            if size > freed + self.room_bytes - self._used_bytes(target) or size > push_left:
                target.halted = "no_room" if size <= push_left else "not_yet"
                if not large:
                    return
                lacking = self._small(lacking)
                continue
            if row in alike:
                target.too_alike.add(row)
                lacking = np.delete(lacking, best)
                continue
            self._load(old, -target.shares[worst])
            self._load(row, 1.0)
            target.dropped.append(old)
            target.rows[worst], target.shares[worst] = row, 1.0
            target.pushed[row] = float(value[best])
            push_left -= size
            lacking = np.delete(lacking, best)

    # --- what things are worth and cost ---

    def _discounted(self, rows: Ints) -> Floats:
        """What a byte of each row would serve here, the donor's load counted."""
        factor = marginal_share(self._at_once + self._on_average, self._policy.busy_sharpness)
        return np.asarray(self.worth[rows] * factor[self._rows.file[rows]])

    def _load(self, row: int, share: float) -> None:
        """Count one more copy (or, negative, one less) into the donor's load."""
        file, up = int(self._rows.file[row]), self._held.up_bytes_per_s
        routed = share * float(self._rows.size_bytes[row]) / (1.0 + max(0.0, float(self._board.serving[row])))
        self._at_once[file] = max(0.0, float(self._at_once[file]) + routed / (up * float(self._board.wait_s[file])))
        self._on_average = max(0.0, self._on_average + routed * float(self._board.asked_per_s[file]) / up)

    def _is_run(self, row: int) -> bool:
        return is_large(self._rows.files[int(self._rows.file[row])], self._policy)

    def _small(self, rows: Ints) -> Ints:
        """Those of small files."""
        return rows[[not self._is_run(row) for row in rows.tolist()]]

    def _lacking(self, target: Target) -> Ints:
        whole = np.ones(self._rows.count, dtype=bool)
        whole[[row for row, share in zip(target.rows, target.shares, strict=True) if share >= 1.0]] = False
        return np.flatnonzero(whole)

    def _candidates(self, lacking: Ints) -> Ints:
        """The rows that it lacks and that anybody would ask for, at most `CANDIDATES_MAX`, the most valuable ones."""
        worth = self.worth[lacking]
        lacking = lacking[worth > 0.0]
        if len(lacking) <= CANDIDATES_MAX:
            return lacking
        worth = worth[worth > 0.0]
        return np.sort(lacking[np.argpartition(-worth, CANDIDATES_MAX)[:CANDIDATES_MAX]])

    def _used_bytes(self, target: Target) -> int:
        if not target.rows:
            return 0
        sizes = self._rows.size_bytes[np.array(target.rows, dtype=np.int64)]
        return int(np.ceil(sizes * np.array(target.shares)).sum())
