"""Demand: how often each file is asked for in each region, and how often it will be.

Rules:

1. A cell for each pair of file and region counts requests twice, with a slow and a fast half-life. The slow count is
   believed, with a prior worth `Tuning.prior_requests`: what a file of this catalogue is asked for on average, and
   before anything is known `Tuning.first_per_s`. So a new file is worth something at once.
2. The fast count is believed instead, of a file or of one of its cells, while it is off what the slow one foretells by
   `Tuning.rise_sigmas` standard deviations of a Poisson stream: always taking the larger one would mistake noise for
   crowds. Where a crowd went from is as significant as where it came to; and a file's cells are taken together as well
   (the sum of their squared deviations, in variances): a crowd that moves on is seen before any one place of it is.
3. Requests that fell through to mirrors raise their cell at once, and are forgotten with the fast half-life.
4. After `Tuning.season_after_s` the hours of the day of each region are known, and the expectation for the hour to come
   is corrected by them.
5. An announced release is demand with a lead: its downloads come with a half-life of `Tuning.release_half_life_s`.
   Before the release the file's prior says nothing.
6. Cells are bounded: the least asked quarter is forgotten when they are full. So are files that are known only by their
   prior, and regions (further ones count as none).
7. A pause of the coordinator is not counted as time in which nobody asked (`after_pause`).
8. Nothing here knows a person: a request is a file, a coarse region and a NAT class.

Times are microseconds since 1970.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from distribute_io.core.demand.regions import coarse
from distribute_io.core.demand.season import Season, SeasonState
from distribute_io.core.placement.model import Expectation, RegionRates
from distribute_io.ids import FileId
from distribute_io.wire.session import NatClass

REGIONS_MAX: Final = 256
RECENT_FILES_MAX: Final = 65_536
"""Files that are known only because they were published; older ones have next to no prior anyway."""

ANNOUNCED_MAX: Final = 1_024
_RISE_REQUESTS_MIN: Final = 3.0
_NAT_PRIOR: Final = (0.3, 20.0)
"""Restricted share before anything was seen, and the requests that this is worth."""

_REGION_SHARE_MIN: Final = 0.002
"""Regions with less of a file's expected demand are not worth a row each."""


class Tuning(Struct, frozen=True, kw_only=True):
    """How demand is estimated. Spans in seconds."""

    fast_half_life_s: float = 60.0
    slow_half_life_s: float = 3_600.0
    rise_sigmas: float = 4.0
    prior_requests: float = 4.0
    first_per_s: float = 1 / 30
    """Downloads of a file per second while nothing is known of any: a file is published to be fetched."""
    first_s: float = 1_800.0
    """File-seconds of watching that this first guess is worth."""
    loss_weight: float = 0.5
    """How much of a request is added for one that fell through to mirrors."""
    cells_max: int = 262_144
    """About 20 MB."""
    files_max: int = 16_384
    """Files in one answer of `expectations`, the most wanted ones."""
    season_after_s: float = 3 * 86_400.0
    release_half_life_s: float = 1_200.0


_CELLS_AT_ONCE: Final = 8_192
"""Written down before others have their turn."""

KNOWN_AFTER: Final = 20
"""Requests that have to be counted before what pays can be told."""


class Announcement(Struct, frozen=True, kw_only=True):
    """A release that its publisher told of before."""

    file_id: FileId
    release_at_us: int
    downloads: int
    """Downloads that the publisher expects in all."""
    regions: tuple[str, ...] = ()
    """Where; empty: as usual."""


class CellState(Struct, frozen=True, array_like=True):
    """One cell, to be kept over a restart."""

    file_id: FileId
    region: str
    slow: float
    fast: float
    lost: float
    at_us: int


class DemandState(Struct, frozen=True, kw_only=True):
    """All that was learned, to be kept over a restart."""

    began_at_us: int = 0
    requests: int = 0
    """Counted in all."""
    cells: list[CellState] = []
    published: dict[FileId, int] = {}
    announced: list[Announcement] = []
    restricted: dict[str, tuple[float, float]] = {}
    season: SeasonState = SeasonState()


def after_pause(state: DemandState, pause_us: int) -> DemandState:
    """What was learned, as if the time in which nobody could ask had not been: nothing fades in it."""
    return structs.replace(
        state,
        began_at_us=state.began_at_us + pause_us if state.began_at_us else 0,
        cells=[structs.replace(cell, at_us=cell.at_us + pause_us) for cell in state.cells],
        published={file_id: at_us + pause_us for file_id, at_us in state.published.items()},
    )


class DemandBook:
    """Caller's duties: tell what is `published`, `asked`, `fell_through`, `announce`d and `dropped`; ask for
    `expectations` when planning."""

    def __init__(self, tuning: Tuning | None = None, state: DemandState | None = None) -> None:
        tuning = tuning or Tuning()
        self._tuning = tuning
        self._slow_s = tuning.slow_half_life_s / math.log(2.0)
        self._fast_s = tuning.fast_half_life_s / math.log(2.0)
        state = state or DemandState()
        self._began_at_us = state.began_at_us
        self._requests = state.requests
        self._regions: dict[str, int] = {"": 0}
        self._restricted: dict[int, tuple[float, float]] = {}
        self._season = Season(state.season)
        self._cells: dict[tuple[FileId, int], int] = {}
        self._free: list[int] = []
        room = min(tuning.cells_max, 1_024)
        self._slow, self._fast, self._lost = np.zeros(room), np.zeros(room), np.zeros(room)
        self._at_us = np.zeros(room, dtype=np.int64)
        self._published: dict[FileId, int] = dict(state.published)
        self._announced: dict[FileId, Announcement] = {known.file_id: known for known in state.announced}
        for region, counts in state.restricted.items():
            self._restricted[self._region(region)] = counts
        for cell in state.cells[: tuning.cells_max]:
            slot = self._slot(cell.file_id, self._region(cell.region), cell.at_us)
            self._slow[slot], self._fast[slot], self._lost[slot] = cell.slow, cell.fast, cell.lost
            self._at_us[slot] = cell.at_us

    # --- what is seen ---

    def published(self, file_id: FileId, now_us: int) -> None:
        """There is a file to ask for; the first time counts."""
        if file_id in self._published:
            return
        self._published[file_id] = now_us
        if len(self._published) > RECENT_FILES_MAX:
            del self._published[next(iter(self._published))]

    def dropped(self, file_id: FileId) -> None:
        """The file is no more."""
        self._published.pop(file_id, None)
        self._announced.pop(file_id, None)
        for region in self._regions.values():
            self._forget((file_id, region))

    def announce(self, announcement: Announcement) -> None:
        """A release is to come; a later word for the same file replaces it."""
        self._announced.pop(announcement.file_id, None)
        self._announced[announcement.file_id] = announcement
        if len(self._announced) > ANNOUNCED_MAX:
            del self._announced[next(iter(self._announced))]

    def asked(self, file_id: FileId, region: str, nat: NatClass, now_us: int) -> None:
        """Somebody began to download a file."""
        if not self._began_at_us:
            self._began_at_us = now_us
        self._requests += 1
        area = self._region(coarse(region))
        slot = self._slot(file_id, area, now_us)
        self._fade(slot, now_us)
        self._slow[slot] += 1.0
        self._fast[slot] += 1.0
        if nat != "unknown":
            seen, restricted = self._restricted.get(area, (0.0, 0.0))
            if seen > 1_000.0:
                seen, restricted = seen / 2.0, restricted / 2.0
            self._restricted[area] = (seen + 1.0, restricted + float(nat == "restricted"))
        self._season.asked(coarse(region) if area else "", now_us)

    def fell_through(self, file_id: FileId, region: str, share: float, now_us: int) -> None:
        """A share (0 to 1) of a request was served by mirrors, for want of a donor that could."""
        slot = self._slot(file_id, self._region(coarse(region)), now_us)
        self._fade(slot, now_us)
        self._lost[slot] += share

    # --- what is expected ---

    @property
    def is_guess(self) -> bool:
        """Whether too little was seen to tell what pays."""
        return self._requests < KNOWN_AFTER

    def expectations(self, now_us: int) -> tuple[Expectation, ...]:
        """What is expected from now on, the most wanted files first."""
        slots = np.array(list(self._cells.values()), dtype=np.int64)
        if len(slots):
            self._fade_all(slots, now_us)
        by_file: dict[FileId, list[tuple[int, int]]] = {}
        for (file_id, region), slot in self._cells.items():
            by_file.setdefault(file_id, []).append((region, slot))
        usual = self._usual()
        average_per_s = self._average(len({**by_file, **self._published}), now_us)
        expected: list[tuple[float, Expectation]] = []
        for file_id in {**by_file, **self._published}:
            announcement = self._announced.get(file_id)
            if announcement is not None and now_us < announcement.release_at_us and file_id not in by_file:
                continue
            per_s, shares = self._rate(file_id, by_file.get(file_id, []), usual, average_per_s, now_us)
            rates = self._rates(per_s, shares, now_us)
            expected.append((per_s, Expectation(file_id=file_id, rates=rates)))
        expected.sort(key=lambda row: (-row[0], row[1].file_id))
        now = [expectation for _, expectation in expected[: self._tuning.files_max]]
        return (*now, *self._releases(usual, now_us))

    def _rate(
        self,
        file_id: FileId,
        cells: Sequence[tuple[int, int]],
        usual: dict[int, float],
        average_per_s: float,
        now_us: int,
    ) -> tuple[float, dict[int, float]]:
        """Downloads per second of a file, and the regions' shares of them."""
        prior = self._tuning.prior_requests
        span_s = self._watched_s(self._published.get(file_id, self._began_at_us), now_us) + prior / average_per_s
        per_cell = {region: share * prior / span_s for region, share in usual.items()}
        slow = fast = lost = off = 0.0
        for region, slot in cells:
            slow, fast, lost = slow + self._slow[slot], fast + self._fast[slot], lost + self._lost[slot]
            of_cell = per_cell.get(region, 0.0) + float(self._slow[slot]) / span_s
            per_cell[region] = self._believed(of_cell, float(self._fast[slot]))
            foretold = of_cell * self._fast_s
            off += (float(self._fast[slot]) - foretold) ** 2 / (max(foretold, 1.0) / 2.0)
        per_s = (slow + prior) / span_s
        believed = self._believed(per_s, fast)
        if believed != per_s or off > moved_at(len(cells), self._tuning.rise_sigmas):
            per_s = believed
            if fast > 0.0:
                per_cell = {region: float(self._fast[slot]) for region, slot in cells}
        elif sum(per_cell.values()) > 0.0:
            per_s = sum(per_cell.values())
        if fast > 0.0:
            per_s *= 1.0 + self._tuning.loss_weight * min(1.0, lost / fast)
        total = sum(per_cell.values())
        return per_s, {region: value / total for region, value in per_cell.items()} if total > 0.0 else usual

    def _believed(self, slow_per_s: float, fast: float) -> float:
        """Rule 2: the fast rate where it is significantly another one, else the slow."""
        foretold = slow_per_s * self._fast_s
        noise = math.sqrt(max(foretold, 1.0) / 2.0)  # a fading count of a Poisson stream has half its mean as variance
        off = fast - foretold
        if off > self._tuning.rise_sigmas * noise and fast >= _RISE_REQUESTS_MIN:
            return fast / self._fast_s
        return fast / self._fast_s if -off > self._tuning.rise_sigmas * noise else slow_per_s

    def _watched_s(self, since_us: int, now_us: int) -> float:
        """Seconds of watching that a slow count stands for."""
        return self._slow_s * (1.0 - math.exp(-max(0.0, (now_us - since_us) / 1e6) / self._slow_s))

    def _average(self, files: int, now_us: int) -> float:
        """Downloads per second of a file of this catalogue, the first guess included."""
        requests = sum(float(self._slow[slot]) for slot in self._cells.values())
        since_us = self._began_at_us or min(self._published.values(), default=now_us)
        first_s = self._tuning.first_s
        return (first_s * self._tuning.first_per_s + requests) / (first_s + files * self._watched_s(since_us, now_us))

    def _usual(self) -> dict[int, float]:
        """Each region's share of all that was asked."""
        sums = [0.0] * len(self._regions)
        for (_, region), slot in self._cells.items():
            sums[region] += float(self._slow[slot])
        total = sum(sums)
        if total <= 0.0:
            return {0: 1.0}
        return {region: value / total for region, value in enumerate(sums) if value > 0.0}

    def _rates(self, per_s: float, shares: dict[int, float], now_us: int) -> tuple[RegionRates, ...]:
        names = list(self._regions)
        rates = []
        for region, share in sorted(shares.items()):
            if share < _REGION_SHARE_MIN:
                continue
            of_region = per_s * share
            if now_us - self._began_at_us > self._tuning.season_after_s * 1e6:
                of_region *= self._season.correction(names[region], now_us)
            seen, restricted = self._restricted.get(region, (0.0, 0.0))
            part = (restricted + _NAT_PRIOR[0] * _NAT_PRIOR[1]) / (seen + _NAT_PRIOR[1])
            rates.append(RegionRates(names[region], of_region * (1.0 - part), of_region * part))
        return tuple(rates)

    def _releases(self, usual: dict[int, float], now_us: int) -> Iterable[Expectation]:
        half_life_s = self._tuning.release_half_life_s
        for known in self._announced.values():
            since_s = (now_us - known.release_at_us) / 1e6
            if since_s > 4.0 * half_life_s:
                continue
            peak_per_s = known.downloads * math.log(2.0) / half_life_s
            per_s = peak_per_s * 0.5 ** (max(0.0, since_s) / half_life_s)
            if known.regions:
                shares = {self._region(coarse(region)): 1.0 / len(known.regions) for region in known.regions}
            else:
                shares = usual
            yield Expectation(
                file_id=known.file_id,
                rates=self._rates(per_s, shares, now_us),
                lead_s=max(0.0, -since_s),
                lasts_s=half_life_s / math.log(2.0),
            )

    # --- what is kept ---

    def state(self) -> DemandState:
        """All that was learned so far."""
        return self.state_of([cell for cells in self.cells() for cell in cells])

    def cells(self) -> Iterator[list[CellState]]:
        """The cells, some thousands at a time, so that others may have their turn between; each is as it is then."""
        names = list(self._regions)
        known = list(self._cells)
        for start in range(0, len(known), _CELLS_AT_ONCE):
            keys = [key for key in known[start : start + _CELLS_AT_ONCE] if key in self._cells]
            slots = np.array([self._cells[key] for key in keys], dtype=np.int64)
            columns = (column[slots].tolist() for column in (self._slow, self._fast, self._lost, self._at_us))
            yield [
                CellState(file_id, names[region], slow, fast, lost, at_us)
                for (file_id, region), slow, fast, lost, at_us in zip(keys, *columns, strict=True)
            ]

    def state_of(self, cells: list[CellState]) -> DemandState:
        """These cells, and all else that was learned so far."""
        names = list(self._regions)
        return DemandState(
            began_at_us=self._began_at_us,
            requests=self._requests,
            cells=cells,
            published=dict(self._published),
            announced=list(self._announced.values()),
            restricted={names[region]: counts for region, counts in self._restricted.items()},
            season=self._season.state(),
        )

    def _region(self, region: str) -> int:
        if region not in self._regions and len(self._regions) >= REGIONS_MAX:
            return 0
        return self._regions.setdefault(region, len(self._regions))

    def _slot(self, file_id: FileId, region: int, now_us: int) -> int:
        slot = self._cells.get((file_id, region))
        if slot is not None:
            return slot
        if len(self._cells) >= self._tuning.cells_max:
            self._forget_least(now_us)
        if self._free:
            slot = self._free.pop()
        else:
            slot = len(self._cells)
            if slot >= len(self._slow):
                self._grow()
        self._cells[file_id, region] = slot
        self._slow[slot] = self._fast[slot] = self._lost[slot] = 0.0
        self._at_us[slot] = now_us
        return slot

    def _grow(self) -> None:
        more = min(len(self._slow), self._tuning.cells_max - len(self._slow))
        self._slow, self._fast, self._lost = (
            np.concatenate((column, np.zeros(more))) for column in (self._slow, self._fast, self._lost)
        )
        self._at_us = np.concatenate((self._at_us, np.zeros(more, dtype=np.int64)))

    def _forget(self, key: tuple[FileId, int]) -> None:
        slot = self._cells.pop(key, None)
        if slot is not None:
            self._free.append(slot)

    def _forget_least(self, now_us: int) -> None:
        self._fade_all(np.array(list(self._cells.values()), dtype=np.int64), now_us)
        ranked = sorted(self._cells, key=lambda key: (float(self._slow[self._cells[key]]), key))
        for key in ranked[: max(1, len(ranked) // 4)]:
            self._forget(key)

    def _fade(self, slot: int, now_us: int) -> None:
        gone_s = max(0, now_us - int(self._at_us[slot])) / 1e6
        self._slow[slot] *= math.exp(-gone_s / self._slow_s)
        self._fast[slot] *= math.exp(-gone_s / self._fast_s)
        self._lost[slot] *= math.exp(-gone_s / self._fast_s)
        self._at_us[slot] = max(now_us, int(self._at_us[slot]))

    def _fade_all(self, slots: NDArray[np.int64], now_us: int) -> None:
        gone_s = np.maximum(0, now_us - self._at_us[slots]) / 1e6
        self._slow[slots] *= np.exp(-gone_s / self._slow_s)
        fast = np.exp(-gone_s / self._fast_s)
        self._fast[slots] *= fast
        self._lost[slots] *= fast
        self._at_us[slots] = np.maximum(self._at_us[slots], now_us)


def moved_at(cells: int, sigmas: float) -> float:
    """The sum of squared deviations, in variances, from which on a file's cells have changed together.

    By chance alone it has about a chi-square distribution of as many degrees as there are cells, whose tail ends
    `n + s sqrt(2 n) + s^2` above (Laurent and Massart 2000, lemma 1, s^2 = 2 x); one cell alone is held against `s`.
    """
    others = max(0, cells - 1)
    return others + sigmas * math.sqrt(2.0 * others) + sigmas * sigmas
