"""What is where, and what the next copy of each run would be worth: the planner's working state.

Rules:

1. A request for a run is missed when none of its holders serves it. A holder serves with a probability that its load
   lowers (`curves.py`); holders are taken as independent, so the probability of a miss is a product, kept as a sum of
   logarithms. There are two of them for each run: for downloaders who can be connected with any donor, and for those
   behind a restricted NAT, whom restricted donors cannot serve.
2. A holder's load, as a request for a file sees it, has two parts: what the same download asks of the holder at once
   (so a file piled up on one slow donor is served badly), and what others ask of it on average. Requests for a run are
   shared out among its holders.
3. Where far bytes are worth less than near ones (`Policy.far_weight`), a near holder serves before a far one; the same
   sums are then kept for each region as well.
4. A donor is lifted off the board while it is planned, and put back with its target: so each copy is weighed against
   what the others hold, never against itself.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from distribute_io.core.demand.regions import coarse
from distribute_io.core.placement.curves import served_share
from distribute_io.core.placement.downlinks import waits_s
from distribute_io.core.placement.groups import copies_max, groups_of, shares
from distribute_io.core.placement.model import DonorView, Policy, Snapshot
from distribute_io.core.placement.readings import Held, Misses, Readings, log_miss_of
from distribute_io.core.placement.rows import Floats, Ints, Rows
from distribute_io.core.runs import Runs, union
from distribute_io.ids import FileId

_ROUNDS = 3
"""Loads depend on shares and shares on loads: three rounds come within a percent of the fixed point."""


class Board(Readings):
    """The copies of all donors. Caller's duties: `lift` a donor before it is planned, `put` it after."""

    def __init__(self, snapshot: Snapshot, policy: Policy, rows: Rows) -> None:
        self.policy = policy
        self._rows = rows
        regions = {rates.region for expected in snapshot.demand for rates in expected.rates}
        regions |= {coarse(donor.region) for donor in snapshot.donors}
        self.region: dict[str, int] = {name: place for place, name in enumerate(sorted(regions))}
        self.held: list[Held] = [self._held_of(donor) for donor in snapshot.donors]
        self.wait_s = waits_s(rows.file_bytes, snapshot.down_bytes_per_s)
        self.asked_per_s = self._asked_now(snapshot)
        self._by_region = policy.far_weight < 1.0
        areas = len(self.region) if self._by_region else 0
        self.miss_open = np.zeros(rows.count)
        self.miss_restricted = np.zeros(rows.count)
        self.near_open = np.zeros((areas, rows.count))
        self.near_restricted = np.zeros((areas, rows.count))
        self.serving = np.zeros(rows.count)
        self.copies = np.zeros(rows.count)
        self._shares = shares(donor.region for donor in snapshot.donors)
        self._copies_in: dict[str, Counter[int]] = {group: Counter() for group in self._shares}
        self._settle()

    @property
    def rows(self) -> Rows:
        """All rows."""
        return self._rows

    def _held_of(self, donor: DonorView) -> Held:
        rows: list[int] = []
        shares: list[float] = []
        for file_id, runs in target_of(donor).items():
            place = self.rows.place.get(file_id)
            if place is not None:
                of_file, parts = self.rows.of_runs(place, runs)
                rows += of_file
                shares += parts
        area = self.region[coarse(donor.region)]
        return Held(
            rows=np.array(rows, dtype=np.int64),
            shares=np.array(shares),
            region=area,
            is_open=donor.nat != "restricted",
            groups=groups_of(donor.region),
            stays=donor.stay_left_s / (donor.stay_left_s + self.policy.outlasts_s),
            up_bytes_per_s=float(donor.up_bytes_per_s),
        )

    def _asked_now(self, snapshot: Snapshot) -> Floats:
        """Requests per second for each file, now or within the time that a request waits."""
        asked = np.zeros(len(self.rows.files))
        for expected in snapshot.demand:
            place = self.rows.place.get(expected.file_id)
            if place is not None and expected.lead_s <= self.wait_s[place]:
                asked[place] += sum(rates.open_per_s + rates.restricted_per_s for rates in expected.rates)
        return asked

    def _settle(self) -> None:
        """Find the loads of all holders together, and with them the probabilities of a miss."""
        if not self.held:
            return
        counts = [len(held.rows) for held in self.held]
        donor = np.repeat(np.arange(len(self.held)), counts)
        row = np.concatenate([held.rows for held in self.held])
        share = np.concatenate([held.shares for held in self.held])
        up = np.array([held.up_bytes_per_s for held in self.held])
        size = self.rows.size_bytes[row] * share
        file = self.rows.file[row]
        _, pair = np.unique(donor * (len(self.rows.files) + 1) + file, return_inverse=True)
        pairs = int(pair.max()) + 1 if len(pair) else 0
        serving = share * self.policy.reach
        for _ in range(_ROUNDS):
            others = np.bincount(row, serving, self.rows.count)[row] - serving
            routed = size / (1.0 + others)
            at_once = np.bincount(pair, routed, pairs)[pair] / (up[donor] * self.wait_s[file])
            on_average = (np.bincount(donor, routed * self.asked_per_s[file], len(self.held)) / up)[donor]
            serving = share * self.policy.reach * served_share(at_once + on_average, self.policy.busy_sharpness)
        start = 0
        for held, count in zip(self.held, counts, strict=True):
            held.serving = serving[start : start + count]
            held.log_miss = log_miss_of(held.serving, held.stays)
            start += count
            self._add(held, 1.0)

    # --- one donor at a time ---

    def lift(self, donor: int) -> Held:
        """Take a donor's copies off; returns them as they were."""
        held = self.held[donor]
        self._add(held, -1.0)
        return held

    def put(self, donor: int, rows: Ints, shares: Floats) -> None:
        """Put a donor back with these copies; its own load is reckoned anew."""
        held = self.held[donor]
        self.reckon(held, rows, shares)
        self._add(held, 1.0)

    def _add(self, held: Held, sign: float) -> None:
        rows, log_miss = held.rows, sign * held.log_miss
        self.miss_open[rows] += log_miss
        if self._by_region:
            self.near_open[held.region, rows] += log_miss
        if held.is_open:
            self.miss_restricted[rows] += log_miss
            if self._by_region:
                self.near_restricted[held.region, rows] += log_miss
        self.serving[rows] += sign * held.serving
        self.copies[rows] += sign * held.shares
        for group in held.groups:
            if (copies_in := self._copies_in.get(group)) is not None:
                for row in held.rows.tolist():
                    copies_in[row] += int(sign)

    # --- what a copy is worth ---

    def misses(self, region: int) -> Misses:
        if not self._by_region:
            return Misses(self.miss_open, self.miss_restricted, None, None)
        return Misses(self.miss_open, self.miss_restricted, self.near_open[region], self.near_restricted[region])

    def too_alike(self, held: Held) -> set[int]:
        alike: set[int] = set()
        for group in held.groups:
            if own := self._copies_in.get(group):
                rows = np.fromiter(own, dtype=np.int64, count=len(own))
                copies = np.fromiter(own.values(), dtype=np.int64, count=len(own))
                rows, copies = rows[copies > 0], copies[copies > 0]
                most = copies_max(self.copies[rows] + 1, self.policy.network_share_max, self._shares[group])
                alike.update(rows[copies + 1 > most].tolist())
        return alike


def target_of(donor: DonorView) -> dict[FileId, Runs]:
    """What a donor holds or is fetching."""
    if not donor.coming:
        return dict(donor.holdings)
    return {
        file_id: union(donor.holdings.get(file_id, ()), donor.coming.get(file_id, ()))
        for file_id in {**donor.holdings, **donor.coming}
    }
