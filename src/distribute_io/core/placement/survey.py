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
from distribute_io.core.placement.readings import SHARE_MAX, UP_MIN, swap_horizon_s
from distribute_io.core.placement.rows import Flags, Floats, Ints, Numbers, Rows, begins_of
from distribute_io.core.placement.stock import Stock

LIST_ROWS: Final = 1_024
"""Rows worth most that are listed for a kind of donor in one region; the rows of several files are as many again."""

LISTED_MAX: Final = 262_144
"""Rows of all regions' lists together, about."""

_FILES_SHARE: Final = 8
"""Rows of one file that are listed because the file is worth much."""

_NOISE: Final = 0.02
"""By how much less a row may be worth and still be drawn before another (rule 2)."""

_ENTRIES_AT_ONCE: Final = 65_536

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


class _Asked:
    """What is asked of each entry when nobody else holds its row."""

    def __init__(self, entries: int) -> None:
        self.size_bytes: Singles = np.zeros(entries, dtype=np.float32)
        self.per_s: Singles = np.zeros(entries, dtype=np.float32)
        self.carries: Singles = np.zeros(entries, dtype=np.float32)
        """Bytes that its donor can send while a request waits."""
        self.begins: Flags = np.zeros(entries, dtype=np.bool_)
        """Whether it is the first of its file at its donor."""


class _Here(NamedTuple):
    """The donors of one region."""

    slots: slice
    row: Numbers
    """Of their entries."""
    offsets: Ints
    factor: Singles
    """What the worth of each entry's row is multiplied by at this donor."""
    room: Floats
    """Free bytes of each donor; below zero where it holds more than it may."""


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
        stock, rows = self._stock, self._rows.count
        row = stock.row.astype(np.intp)  # else each count would make this copy
        asked = self._ask(len(row))
        for step in range(steps):
            serving = np.bincount(row, stock.serving, rows).astype(np.float32)
            for slots in self._pieces():
                self._settle(slots, serving, asked, is_last=step == steps - 1)
        is_open = stock.number("is_open")[self._slot]
        self.miss_open = _sums(row, self._log_miss, rows)
        self.miss_restricted = _sums(row[is_open], self._log_miss[is_open], rows)
        self.serving = _sums(row, stock.serving, rows)
        self.copies = _sums(row, stock.share, rows)

    def _pieces(self) -> Iterator[slice]:
        """All slots, some at a time: so many entries that what is reckoned of them stays in the processor's cache."""
        offsets, first = self._stock.offsets, 0
        while first < len(self._stock):
            last = int(offsets.searchsorted(offsets[first] + _ENTRIES_AT_ONCE, "right")) - 1
            yield slice(first, last := min(len(self._stock), max(first + 1, last)))
            first = last

    def _ask(self, entries: int) -> _Asked:
        """What `settle` has to know of each entry."""
        asked, stock = _Asked(entries), self._stock
        # Half as wide, twice as much of them is in the cache.
        files, sizes = self._rows.file.astype(np.int32), self._rows.size_bytes.astype(np.float32)
        up, wait_s, per_s = (column.astype(np.float32) for column in (self._up, self.wait_s, self.asked_per_s))
        for slots in self._pieces():
            at = self._at(slots)
            row, slot = stock.row[at], self._slot[at]
            file = files[row]
            asked.size_bytes[at] = sizes[row] * stock.share[at]
            asked.begins[at] = begins_of(file) | begins_of(slot)
            asked.carries[at] = up[slot] * wait_s[file]
            asked.per_s[at] = per_s[file]
        return asked

    def _settle(self, slots: slice, serving: Singles, asked: _Asked, *, is_last: bool) -> None:
        """One step of `settle` for some donors: what they would serve of what `serving` leaves to them."""
        stock, policy, at = self._stock, self._policy, self._at(slots)
        share, slot = stock.share[at], self._slot[at] - slots.start
        others = serving[stock.row[at]]
        others -= stock.serving[at]
        np.maximum(others, 0.0, out=others)
        others += 1.0
        routed = asked.size_bytes[at] / others
        pairs = np.flatnonzero(asked.begins[at])
        load = np.repeat(np.add.reduceat(routed, pairs), np.diff(pairs, append=len(slot))) if len(slot) else routed
        load /= asked.carries[at]
        routed *= asked.per_s[at]
        self.on_average[slots] = np.bincount(slot, routed, slots.stop - slots.start) / self._up[slots]
        load += self.on_average[slots].astype(np.float32)[slot]
        served = share * served_share(load, policy.busy_sharpness)
        served *= np.float32(policy.reach)
        self._load[at], stock.serving[at] = load, served
        if is_last:
            # The logarithm of singles is found many at a time, `log1p` is not.
            served *= self._stays[slots].astype(np.float32)[slot]
            self._log_miss[at] = np.log(1.0 - np.minimum(served, SHARE_MAX))

    def _at(self, slots: slice) -> slice:
        """The entries of some donors."""
        return slice(int(self._stock.offsets[slots.start]), int(self._stock.offsets[slots.stop]))

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
        here = self._here(region)
        for is_open, worth in everywhere.worth(region, near):
            rows = self._listed(worth * noise, spans, rooms)
            listed.append(rows)
            best = float(worth[rows].max()) if len(rows) else 0.0
            self._screen(here, is_open=is_open, worth=worth, best=best, gains=gains)
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

    def _here(self, region: int) -> _Here:
        """The donors of a region, as rule 3 looks at them for any worth."""
        stock, policy, at = self._stock, self._policy, self._entries(region)
        slots = slice(self._bounds[region], self._bounds[region + 1])
        row, offsets = stock.row[at], stock.offsets[slots.start : slots.stop + 1]
        # Without its own copies there a donor's rows are worth more: its own factor is taken out of the product.
        factor = np.exp(-self._log_miss[at])
        factor *= marginal_share(self._load[at], policy.busy_sharpness)
        factor *= self.stay_s[slots].astype(np.float32)[self._slot[at] - slots.start]
        used = _reduce(np.add, self._rows.size_bytes[row] * stock.share[at], offsets, 0.0)
        room = stock.number("storage_bytes")[slots].astype(np.float64) - policy.reserve_bytes - used
        return _Here(slots, row, offsets, factor, room)

    def _screen(self, here: _Here, *, is_open: bool, worth: Singles, best: float, gains: Floats) -> None:
        """Rule 3, for the donors of one kind in a region; `worth` is by row and second of stay."""
        policy, stay_s, room = self._policy, self.stay_s[here.slots], here.room
        of_kind = self._stock.number("is_open")[here.slots] == is_open
        worst = _reduce(np.minimum, worth[here.row] * here.factor, here.offsets, 0.0)
        top = best * stay_s * marginal_share(self.on_average[here.slots], policy.busy_sharpness)
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


def _sums(row: Numbers | Ints, values: Singles, rows: int) -> Floats:
    return np.asarray(np.bincount(row, values, rows), dtype=np.float64)


def _reduce(how: np.ufunc, values: NDArray[np.floating], offsets: Ints, empty: float) -> Floats:
    """One number for each donor from its entries."""
    result = np.full(len(offsets) - 1, empty)
    some = np.flatnonzero(np.diff(offsets))
    if len(some):
        result[some] = how.reduceat(values, offsets[some] - offsets[0])
    return result
