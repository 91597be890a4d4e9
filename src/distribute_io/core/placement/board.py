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
from distribute_io.core.placement.model import DonorView, Policy, Snapshot
from distribute_io.core.placement.rows import Floats, Ints, Rows
from distribute_io.core.runs import Runs, union
from distribute_io.ids import FileId

_ROUNDS = 3
"""Loads depend on shares and shares on loads: three rounds come within a percent of the fixed point."""

_SHARE_MAX = 0.999
"""No holder is certain: keeps the logarithms finite."""

_UP_MIN = 1_000.0
"""Bytes per second that any donor is taken to have."""


class Held:
    """What one donor holds or will hold, as rows. Mutable; owned by the board."""

    __slots__ = ("is_open", "log_miss", "network", "region", "rows", "serving", "shares", "stays", "up_bytes_per_s")

    def __init__(self, donor: DonorView, rows: Ints, shares: Floats, region: int, outlasts_s: float) -> None:
        self.rows = rows
        self.shares = shares
        self.serving = np.zeros(len(rows))
        self.log_miss = np.zeros(len(rows))
        self.region = region
        self.is_open = donor.nat != "restricted"
        self.network = network_of(donor.region)
        self.stays = donor.stay_left_s / (donor.stay_left_s + outlasts_s)
        """The probability that it is still here when it is asked."""
        self.up_bytes_per_s = max(_UP_MIN, float(donor.up_bytes_per_s))


class Board:
    """The copies of all donors. Caller's duties: `lift` a donor before it is planned, `put` it after."""

    def __init__(self, snapshot: Snapshot, policy: Policy, rows: Rows) -> None:
        self.policy = policy
        self.rows = rows
        regions = {rates.region for expected in snapshot.demand for rates in expected.rates}
        regions |= {coarse(donor.region) for donor in snapshot.donors}
        self.region: dict[str, int] = {name: place for place, name in enumerate(sorted(regions))}
        self.held: list[Held] = [self._held_of(donor) for donor in snapshot.donors]
        self.asked_per_s = self._asked_now(snapshot)
        self._by_region = policy.far_weight < 1.0
        areas = len(self.region) if self._by_region else 0
        self.miss_open = np.zeros(rows.count)
        self.miss_restricted = np.zeros(rows.count)
        self.near_open = np.zeros((areas, rows.count))
        self.near_restricted = np.zeros((areas, rows.count))
        self.serving = np.zeros(rows.count)
        """Holders of each row, each counted by the probability that it serves."""
        self.copies = np.zeros(rows.count)
        self._networks: dict[str, Counter[int]] = {}
        self._settle()

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
        return Held(donor, np.array(rows, dtype=np.int64), np.array(shares), area, self.policy.outlasts_s)

    def _asked_now(self, snapshot: Snapshot) -> Floats:
        """Requests per second for each file, now or within the time that a request waits."""
        asked = np.zeros(len(self.rows.files))
        for expected in snapshot.demand:
            place = self.rows.place.get(expected.file_id)
            if place is not None and expected.lead_s <= self.policy.burst_s:
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
            at_once = np.bincount(pair, routed, pairs)[pair] / (up[donor] * self.policy.burst_s)
            on_average = (np.bincount(donor, routed * self.asked_per_s[file], len(self.held)) / up)[donor]
            serving = share * self.policy.reach * served_share(at_once + on_average, self.policy.busy_sharpness)
        start = 0
        for held, count in zip(self.held, counts, strict=True):
            held.serving = serving[start : start + count]
            held.log_miss = np.log1p(-np.minimum(held.serving * held.stays, _SHARE_MAX))
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
        held.rows, held.shares = rows, shares
        at_once, on_average = self.loads(held, rows, shares)
        load = at_once[self.rows.file[rows]] + on_average
        held.serving = shares * self.policy.reach * served_share(load, self.policy.busy_sharpness)
        held.log_miss = np.log1p(-np.minimum(held.serving * held.stays, _SHARE_MAX))
        self._add(held, 1.0)

    def loads(self, held: Held, rows: Ints, shares: Floats) -> tuple[Floats, float]:
        """The load on a lifted donor if it had these copies: at once by file, and on average (rule 2)."""
        file = self.rows.file[rows]
        routed = self.routed_bytes(rows) * shares
        at_once = np.bincount(file, routed, len(self.rows.files)) / (held.up_bytes_per_s * self.policy.burst_s)
        return at_once, float(routed @ self.asked_per_s[file]) / held.up_bytes_per_s

    def routed_bytes(self, rows: Ints) -> Floats:
        """Bytes of a request for each row that would come to one more holder of it."""
        return np.asarray(self.rows.size_bytes[rows] / (1.0 + np.maximum(self.serving[rows], 0.0)))

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
        if held.network:
            network = self._networks.setdefault(held.network, Counter())
            for row in held.rows.tolist():
                network[row] += int(sign)

    # --- what a copy is worth ---

    def worth(self, held: Held, expected: DonorDemand) -> Floats:
        """Requests, before this donor leaves, that a copy of each row would find and nobody else would serve.

        Not yet discounted by the donor's own load. `held` must be lifted.
        """
        file = self.rows.file
        weight = self.policy.far_weight
        worth = weight * expected.open_everywhere[file] * np.exp(self.miss_open)
        if self._by_region:
            worth += (1.0 - weight) * expected.open_near[file] * np.exp(self.near_open[held.region])
        if held.is_open:
            worth += weight * expected.restricted_everywhere[file] * np.exp(self.miss_restricted)
            if self._by_region:
                worth += (1.0 - weight) * expected.restricted_near[file] * np.exp(self.near_restricted[held.region])
        return np.asarray(worth * self.policy.reach)

    def is_too_alike(self, held: Held, row: int) -> bool:
        """Whether the donor's network holds as much of a row as one may, where at least three networks are here."""
        if not held.network or len(self._networks) < 3:
            return False
        own = self._networks.get(held.network, Counter())[row]
        return own > 0 and own + 1 > self.policy.network_share_max * (self.copies[row] + 1)


class DonorDemand:
    """What will be asked for while one donor stays: expected requests by file, everywhere and in its region."""

    __slots__ = ("open_everywhere", "open_near", "restricted_everywhere", "restricted_near")

    def __init__(self, files: int) -> None:
        self.open_everywhere: Floats = np.zeros(files)
        self.restricted_everywhere: Floats = np.zeros(files)
        self.open_near: Floats = np.zeros(files)
        self.restricted_near: Floats = np.zeros(files)


class Outlook:
    """The demand of a snapshot as columns, to be weighed for one donor's stay after another."""

    def __init__(self, snapshot: Snapshot, rows: Rows, region: dict[str, int], weights: Floats) -> None:
        self._files = len(rows.files)
        kept = [expected for expected in snapshot.demand if expected.file_id in rows.place]
        self._file = np.array([rows.place[expected.file_id] for expected in kept], dtype=np.int64)
        self._lead_s = np.array([expected.lead_s for expected in kept])
        self._lasts_s = np.array([expected.lasts_s for expected in kept])
        self._open = np.zeros((len(kept), len(region)))
        self._restricted = np.zeros((len(kept), len(region)))
        for place, expected in enumerate(kept):
            for rates in expected.rates:
                self._open[place, region[rates.region]] += rates.open_per_s
                self._restricted[place, region[rates.region]] += rates.restricted_per_s
        factor = weights[self._file][:, None]
        self._open *= factor
        self._restricted *= factor
        self._open_sum, self._restricted_sum = self._open.sum(axis=1), self._restricted.sum(axis=1)

    def during(self, stay_s: float, area: int) -> DonorDemand:
        """Expected requests while a donor stays whose remaining stay is exponential with this mean.

        Of what begins after `lead_s` it sees `stay * e^(-lead/stay)` seconds, less those after its end.
        """
        demand = DonorDemand(self._files)
        if not len(self._file) or stay_s <= 0:
            return demand
        seen_s = stay_s * (np.exp(-self._lead_s / stay_s) - np.exp(-(self._lead_s + self._lasts_s) / stay_s))
        demand.open_everywhere = self._by_file(seen_s * self._open_sum)
        demand.restricted_everywhere = self._by_file(seen_s * self._restricted_sum)
        demand.open_near = self._by_file(seen_s * self._open[:, area])
        demand.restricted_near = self._by_file(seen_s * self._restricted[:, area])
        return demand

    def _by_file(self, requests: Floats) -> Floats:
        return np.asarray(np.bincount(self._file, requests, self._files), dtype=np.float64)


def target_of(donor: DonorView) -> dict[FileId, Runs]:
    """What a donor holds or is fetching."""
    if not donor.coming:
        return dict(donor.holdings)
    return {
        file_id: union(donor.holdings.get(file_id, ()), donor.coming.get(file_id, ()))
        for file_id in {**donor.holdings, **donor.coming}
    }


def network_of(region: str) -> str:
    """The last part of a region where it names a network; else empty."""
    last = region.rpartition("/")[2]
    return last if last.startswith("n-") else ""
