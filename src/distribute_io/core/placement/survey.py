"""A large swarm at a glance: what each copy serves, what is missed, what the next copy is worth in each region, and who
could gain by another target.

Rules:

1. The formulas are those of `readings.py`, over all entries of the stock at once. Loads depend on what holders serve
   and the other way round: from what was served at the last plan one step comes as near as three do from nothing.
2. For each region the rows that a donor there would gain most by are listed: those worth most, and of the files that
   are worth most some rows each, so that a slow donor need not pile up one file. Each cause has its part of the list.
   Rows of nearly equal worth are drawn by chance, others in each region, so that not all regions copy the same ones.
3. A donor can gain at most the best listed row less the worst that it holds; room that it has can gain the best row.
   Who cannot gain enough by that estimate need not be planned. It decides nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from distribute_io.core.placement.curves import Singles, marginal_share, served_share
from distribute_io.core.placement.model import Policy
from distribute_io.core.placement.outlook import Outlook
from distribute_io.core.placement.readings import UP_MIN, log_miss_of, swap_horizon_s
from distribute_io.core.placement.rows import Floats, Ints, Numbers, Rows, begins_of
from distribute_io.core.placement.stock import Stock

LIST_ROWS: Final = 1_024
"""Rows worth most that are listed for a kind of donor in one region; the rows of several files are as many again."""

LISTED_MAX: Final = 262_144
"""Rows of all regions' lists together, about."""

_FILES_SHARE: Final = 8
"""Rows of one file that are listed because the file is worth much."""

_NOISE: Final = 0.02
"""By how much less a row may be worth and still be drawn before another (rule 2)."""

_STAY_SHORT_S: Final = 600.0
"""Where demand comes or goes, rows are weighed for a short stay as well as for `Policy.horizon_s`."""


class Screen:
    """What donors of one region could gain. By slot, from the region's first on."""

    def __init__(self, first: int, gain: Floats, rows: Ints) -> None:
        self.first = first
        self.gain = gain
        """Serves of each byte that another target would add, at most; below zero where that does not pay."""
        self.rows = rows
        """The region's list, ascending."""


class Asked(NamedTuple):
    """What is asked now, by file."""

    per_s: Floats
    """Requests."""
    wait_s: Floats
    """How long a request waits for donors."""


class Survey:
    """One look. Caller's duties: `settle`, then `region` for each region."""

    def __init__(
        self,
        stock: Stock,
        rows: Rows,
        policy: Policy,
        *,
        left_s: Floats,
        asked: Asked,
        seed: int,
    ) -> None:
        """Keep the parts.

        Args:
            stock: who holds what; what entries serve is written to it.
            rows: of all files.
            policy: how to plan.
            left_s: how long each donor is expected to stay yet.
            asked: what is asked now.
            seed: for rule 2's chance.
        """
        self._stock, self._rows, self._policy = stock, rows, policy
        self.left_s = left_s
        self.stay_s = np.minimum(left_s, policy.horizon_s)
        self._stays = left_s / (left_s + policy.outlasts_s)
        self.asked_per_s, self.wait_s = asked
        self._up = np.maximum(UP_MIN, stock.number("up_bytes_per_s").astype(np.float64))
        self._slot = np.repeat(np.arange(len(stock), dtype=np.int32), np.diff(stock.offsets))
        self._load: Singles = np.zeros(len(stock.row), dtype=np.float32)
        self.on_average: Floats = np.zeros(len(stock))
        """Each donor's load by what is asked of it on average."""
        self._log_miss: Singles = np.zeros(len(stock.row), dtype=np.float32)
        self._noise = np.random.default_rng(seed).uniform(1.0 - _NOISE, 1.0, 2 * max(1, rows.count)).astype(np.float32)
        bounds = np.searchsorted(stock.number("region"), np.arange(len(stock.regions) + 1))
        self._bounds: list[int] = bounds.tolist()
        """First slot of each region."""
        self.miss_open = self.miss_restricted = self.serving = self.copies = np.zeros(rows.count)

    # --- rule 1 ---

    def settle(self, steps: int) -> None:
        """Find the loads of all holders together, and with them what is missed."""
        stock, policy = self._stock, self._policy
        row, share, slot = stock.row, stock.share, self._slot
        file = self._rows.file.astype(np.int32)[row]
        size = self._rows.size_bytes.astype(np.float32)[row] * share
        pair = np.cumsum(begins_of(file) | begins_of(slot)) - 1
        up = self._up
        asked = self.asked_per_s.astype(np.float32)[file]
        carries = up.astype(np.float32)[slot]
        carries *= self.wait_s.astype(np.float32)[file]
        for _ in range(steps):
            serving = np.bincount(row, stock.serving, self._rows.count).astype(np.float32)
            routed = size / (1.0 + np.maximum(0.0, serving[row] - stock.serving))
            at_once = np.bincount(pair, routed).astype(np.float32)[pair]
            at_once /= carries
            self.on_average = np.bincount(slot, routed * asked, len(stock)) / up
            self._load = at_once + self.on_average.astype(np.float32)[slot]
            served = served_share(self._load, policy.busy_sharpness)
            stock.serving = (share * policy.reach * served).astype(np.float32)
        self._log_miss = log_miss_of(stock.serving, self._stays.astype(np.float32)[slot]).astype(np.float32)
        is_open = stock.number("is_open")[slot]
        rows = self._rows.count
        self.miss_open = _sums(row, self._log_miss, rows)
        self.miss_restricted = _sums(row[is_open], self._log_miss[is_open], rows)
        self.serving = _sums(row, stock.serving, rows)
        self.copies = _sums(row, share, rows)

    def entries_of(self, slot: int) -> tuple[Ints, Floats, Floats, Floats]:
        """A donor's rows, shares, what it serves of each, and the logarithm of its miss."""
        stock = self._stock
        at = slice(int(stock.offsets[slot]), int(stock.offsets[slot + 1]))
        columns = (stock.share[at], stock.serving[at], self._log_miss[at])
        share, serving, log_miss = (column.astype(np.float64) for column in columns)
        return stock.row[at].astype(np.int64), share, serving, log_miss

    def slots_of(self, region: int) -> range:
        """The donors of a region."""
        return range(self._bounds[region], self._bounds[region + 1])

    def near(self, region: int) -> tuple[Floats, Floats] | None:
        """What is missed by the holders of a region, for open and restricted downloaders; None if far is near."""
        if self._policy.far_weight >= 1.0:
            return None
        at = self._entries(region)
        row, log_miss = self._stock.row[at], self._log_miss[at]
        is_open = self._stock.number("is_open")[self._slot[at]]
        rows = self._rows.count
        return _sums(row, log_miss, rows), _sums(row[is_open], log_miss[is_open], rows)

    def _entries(self, region: int) -> slice:
        offsets = self._stock.offsets
        return slice(int(offsets[self._bounds[region]]), int(offsets[self._bounds[region + 1]]))

    # --- rules 2 and 3 ---

    def everywhere(self, outlook: Outlook) -> Everywhere:
        """The part of all rows' worth that is the same in each region."""
        return Everywhere(self, self._rows, self._policy, outlook)

    def region(
        self, region: int, near: tuple[Floats, Floats] | None, everywhere: Everywhere, spans: Sequence[slice]
    ) -> Screen:
        """List the rows for a region, and find who of its donors might gain.

        Args:
            region: which.
            near: as `near` found it.
            everywhere: the rest of the worth.
            spans: of the rows, those of each cause.
        """
        rooms = max(64, min(LIST_ROWS, LISTED_MAX // (2 * len(self._bounds))))
        offset = (region * 7_919 * 31) % max(1, self._rows.count)
        noise = self._noise[offset : offset + self._rows.count]
        listed: list[Ints] = []
        gains = np.full(len(self.slots_of(region)), -1.0)
        for is_open, worth in everywhere.worth(region, near):
            rows = self._listed(worth * noise, spans, rooms)
            listed.append(rows)
            best = float(worth[rows].max()) if len(rows) else 0.0
            self._screen(region, is_open=is_open, worth=worth, best=best, gains=gains)
        return Screen(self._bounds[region], gains, np.unique(np.concatenate(listed)))

    def _listed(self, worth: Singles, spans: Sequence[slice], rooms: int) -> Ints:
        chosen = [
            span.start + highest(worth[span], max(32, rooms // len(spans))) for span in spans if span.start < span.stop
        ]
        if self._rows.count:
            heads = np.maximum.reduceat(worth, self._rows.first[:-1])
            files = highest(heads, rooms // _FILES_SHARE)
            first, counts = self._rows.first[files], np.diff(self._rows.first)[files]
            within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
            row = np.repeat(first, counts) + within
            good = row[worth[row] >= np.repeat(heads[files], counts) * (1.0 - _NOISE)]
            file = self._rows.file[good]
            begins = np.flatnonzero(np.diff(file, prepend=-1))
            rank = np.arange(len(good)) - np.repeat(begins, np.diff(np.append(begins, len(good))))
            chosen.append(good[rank < _FILES_SHARE])
        return np.unique(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)

    def _screen(self, region: int, *, is_open: bool, worth: Singles, best: float, gains: Floats) -> None:
        """Rule 3, for the donors of one kind in a region; `worth` is by row and second of stay."""
        stock, policy, at = self._stock, self._policy, self._entries(region)
        slots = slice(self._bounds[region], self._bounds[region + 1])
        of_kind = stock.number("is_open")[slots] == is_open
        stay_s = self.stay_s[slots]
        share = marginal_share(self._load[at], policy.busy_sharpness).astype(np.float32)
        # Without its own copies there a donor's rows are worth more: its own factor is taken out of the product.
        value = worth[stock.row[at]] * np.exp(-self._log_miss[at]) * share
        value *= stay_s.astype(np.float32)[self._slot[at] - slots.start]
        worst = _reduce(np.minimum, value, stock.offsets[slots.start : slots.stop + 1], 0.0)
        size = self._rows.size_bytes[stock.row[at]] * stock.share[at]
        used = _reduce(np.add, size, stock.offsets[slots.start : slots.stop + 1], 0.0)
        room = stock.number("storage_bytes")[slots].astype(np.float64) - policy.reserve_bytes - used
        top = best * stay_s * marginal_share(self.on_average[slots], policy.busy_sharpness)
        soon = np.minimum(1.0, swap_horizon_s(policy, self.asked_per_s) / np.maximum(1.0, stay_s))
        swap = top - worst
        swap = np.where((swap * soon >= policy.return_min) | (swap >= policy.swap_anyway_gain), swap, -1.0)
        has_room = room >= self._rows.size_bytes.min(initial=1 << 62)
        fill = np.where(has_room & (top >= policy.return_min), top, -1.0)
        gain = np.where(room < -1.0, np.inf, np.where(has_room, np.maximum(fill, swap), swap))
        gains[of_kind] = gain[of_kind]


class Everywhere:
    """Worth by row and second of stay, but for what is near: found once for all regions."""

    def __init__(self, survey: Survey, rows: Rows, policy: Policy, outlook: Outlook) -> None:
        self._rows, self._policy, self._outlook = rows, policy, outlook
        self._counts = np.diff(rows.first)
        steady = outlook.is_steady
        self._stays_s = (policy.horizon_s,) if steady else (_STAY_SHORT_S, policy.horizon_s)
        factor = policy.reach * policy.far_weight
        miss_open, miss_restricted = np.exp(survey.miss_open), np.exp(survey.miss_restricted)
        self._far: list[tuple[Singles, Singles]] = []
        for stay_s in self._stays_s:
            expected = outlook.during(stay_s, 0)
            opened = np.repeat(expected.open_everywhere * (factor / stay_s), self._counts) * miss_open
            restricted = np.repeat(expected.restricted_everywhere * (factor / stay_s), self._counts) * miss_restricted
            self._far.append((opened.astype(np.float32), restricted.astype(np.float32)))

    def worth(self, region: int, near: tuple[Floats, Floats] | None) -> Iterator[tuple[bool, Singles]]:
        """The worth for restricted donors of a region (False), then for open ones (True)."""
        factor = self._policy.reach * (1.0 - self._policy.far_weight)
        missed = [np.exp(part.astype(np.float32)) for part in near] if near is not None else None
        both: list[tuple[Singles, Singles]] = []
        for stay_s, (opened, restricted) in zip(self._stays_s, self._far, strict=True):
            if missed is not None:
                expected = self._outlook.during(stay_s, region)
                of_open = (expected.open_near * (factor / stay_s)).astype(np.float32)
                of_restricted = (expected.restricted_near * (factor / stay_s)).astype(np.float32)
                opened = opened + np.repeat(of_open, self._counts) * missed[0]
                restricted = restricted + np.repeat(of_restricted, self._counts) * missed[1]
            both.append((opened, opened + restricted))
        yield False, np.max([pair[0] for pair in both], axis=0) if len(both) > 1 else both[0][0]
        yield True, np.max([pair[1] for pair in both], axis=0) if len(both) > 1 else both[0][1]


def highest(values: Singles, count: int) -> Ints:
    """Places of the `count` highest values above zero, in no order."""
    found = np.flatnonzero(values > 0.0) if len(values) <= count else np.zeros(0, dtype=np.int64)
    if len(values) <= count:
        return found
    stride = max(1, len(values) // 65_536)
    sample = values[::stride]
    kept = min(len(sample), 2 * (count // stride) + 64)
    floor = max(float(np.partition(sample, len(sample) - kept)[len(sample) - kept]), float(np.finfo(np.float32).tiny))
    found = np.flatnonzero(values >= floor)
    if len(found) < count:
        found = np.flatnonzero(values > 0.0)
    if len(found) > count:
        found = found[np.argpartition(values[found], len(found) - count)[len(found) - count :]]
    return found


def _sums(row: Numbers, values: Singles, rows: int) -> Floats:
    return np.asarray(np.bincount(row, values, rows), dtype=np.float64)


def _reduce(how: np.ufunc, values: NDArray[np.floating], offsets: Ints, empty: float) -> Floats:
    """One number for each donor from its entries."""
    result = np.full(len(offsets) - 1, empty)
    some = np.flatnonzero(np.diff(offsets))
    if len(some):
        result[some] = how.reduceat(values, offsets[some] - offsets[0])
    return result
