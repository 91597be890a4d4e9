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
   Before the release the file's prior says nothing; after it the file is expected as often as it was announced or as is
   told of it without that, whichever is more: in each region where regions were announced, else in all. A region stands
   for those within it that ask for anything, by their usual shares, and for itself where there are none.
6. Cells are bounded: the least asked of them are forgotten when they are full (`cells.py`). So are files that are known
   only by their prior, and regions (further ones count as none).
7. A pause of the coordinator is not counted as time in which nobody asked (`after_pause`).
8. Nothing here knows a person: a request is a file, a coarse region and a NAT class.

Times are microseconds since 1970.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct, structs

from distribute_io.core.demand.cells import REGIONS_MAX, Cell, Cells, Columns, FileNumbers, Floats, Ints
from distribute_io.core.demand.estimate import FILES_AT_ONCE, Beliefs, Estimate, Watched, watched_s
from distribute_io.core.demand.regions import coarse
from distribute_io.core.demand.season import Season, SeasonState
from distribute_io.core.placement.model import Expectation, RegionRates
from distribute_io.ids import FileId
from distribute_io.wire.session import NatClass

RECENT_FILES_MAX: Final = 65_536
"""Files that are known only because they were published; older ones have next to no prior anyway."""

ANNOUNCED_MAX: Final = 1_024

_RELEASES_AT_ONCE: Final = 16
"""Announced releases that are reckoned without a turn for others: each may name dozens of regions."""

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
    first_s: float = 300.0
    """File-seconds of watching that this first guess is worth: ten requests. With 1,800 a new coordinator expected
    hundreds of downloads that never came; net offload is the same."""
    loss_weight: float = 0.1
    """How much of a request is added for one that fell through to mirrors. With .5 files that nobody holds seem asked
    for more than they are, which takes .002 of net offload in steady demand, .003 in a flash crowd (`dio simulate`,
    seeds 1 to 5 and 1 to 4, without it)."""
    cells_max: int = 262_144
    """With the names of 300,000 files about 130 MB (`bench demand_book`)."""
    files_max: int = 16_384
    """Files in one answer of `expectations`, the most wanted ones."""
    season_after_s: float = 3 * 86_400.0
    release_half_life_s: float = 1_200.0


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


class CellState(Struct, frozen=True, array_like=True, gc=False):
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
        self._files = FileNumbers()
        self._cells = Cells(self._files, cells_max=tuning.cells_max, slow_s=self._slow_s, fast_s=self._fast_s)
        self._published: dict[FileId, int] = {}
        for file_id, at_us in state.published.items():
            self.published(file_id, at_us)
        self._announced: dict[FileId, Announcement] = {known.file_id: known for known in state.announced}
        for region, counts in state.restricted.items():
            self._restricted[self._region(region)] = counts
        for cell in state.cells[: tuning.cells_max]:
            area = self._region(cell.region)
            self._cells.put(Cell(cell.file_id, area, cell.slow, cell.fast, cell.lost, cell.at_us))

    # --- what is seen ---

    def published(self, file_id: FileId, now_us: int) -> None:
        """There is a file to ask for; the first time counts."""
        if file_id in self._published:
            return
        self._files.publish(file_id, now_us)
        self._published[file_id] = now_us
        if len(self._published) > RECENT_FILES_MAX:
            self._forget_published(next(iter(self._published)))

    def dropped(self, file_id: FileId) -> None:
        """The file is no more."""
        self._announced.pop(file_id, None)
        self._cells.drop(file_id)
        if file_id in self._published:
            self._forget_published(file_id)

    def _forget_published(self, file_id: FileId) -> None:
        del self._published[file_id]
        self._files.unpublish(file_id)

    def announce(self, announcement: Announcement) -> None:
        """A release is to come; a later word for the same file replaces it."""
        self._announced.pop(announcement.file_id, None)
        self._announced[announcement.file_id] = announcement
        if len(self._announced) > ANNOUNCED_MAX:
            del self._announced[next(iter(self._announced))]

    def releases(self, now_us: int) -> tuple[Announcement, ...]:
        """Those that are announced and not over."""
        lasts_us = 4e6 * self._tuning.release_half_life_s
        return tuple(known for known in self._announced.values() if now_us - known.release_at_us <= lasts_us)

    def asked(self, file_id: FileId, region: str, nat: NatClass, now_us: int) -> None:
        """Somebody began to download a file."""
        if not self._began_at_us:
            self._began_at_us = now_us
        self._requests += 1
        area = self._region(coarse(region))
        slot = self._cells.slot(file_id, area, now_us)
        self._cells.fade(slot, now_us)
        self._cells.slow[slot] += 1.0
        self._cells.fast[slot] += 1.0
        self._count_nat(area, nat, 1)
        self._season.asked(coarse(region) if area else "", now_us)

    def nat_found(self, region: str, nat: NatClass, requests: int) -> None:
        """So many requests were counted before the asker's NAT class was known."""
        self._count_nat(self._region(coarse(region)), nat, requests)

    def _count_nat(self, area: int, nat: NatClass, requests: int) -> None:
        if nat == "unknown" or not requests:
            return
        seen, restricted = self._restricted.get(area, (0.0, 0.0))
        if seen > 1_000.0:
            seen, restricted = seen / 2.0, restricted / 2.0
        self._restricted[area] = (seen + requests, restricted + requests * float(nat == "restricted"))

    def fell_through(self, file_id: FileId, region: str, share: float, now_us: int) -> None:
        """A share (0 to 1) of a request was served by mirrors, for want of a donor that could."""
        slot = self._cells.slot(file_id, self._region(coarse(region)), now_us)
        self._cells.fade(slot, now_us)
        self._cells.lost[slot] += share

    # --- what is expected ---

    @property
    def is_guess(self) -> bool:
        """Whether too little was seen to tell what pays."""
        return self._requests < KNOWN_AFTER

    def expectations(self, now_us: int) -> tuple[Expectation, ...]:
        """What is expected from now on, the most wanted files first."""
        return tuple(expected for some in self.expected(now_us) for expected in some)

    def expected(self, now_us: int) -> Iterator[list[Expectation]]:
        """The same, some dozen files at a time, so that others may have their turn between; all as it is at first. What
        comes before the first of them takes some turns too, with nothing to tell.
        """
        outlook = yield from self._look(now_us)
        releases: list[Expectation] = []
        for release in self._releases(outlook, now_us):
            releases.append(release)
            if len(releases) % _RELEASES_AT_ONCE == 0:
                yield []
        files = outlook.files
        for start, (some, shares) in zip(
            range(0, len(files), FILES_AT_ONCE), outlook.estimate.shares_of(outlook.numbers), strict=True
        ):
            rates = outlook.rates(outlook.estimate.per_s[some][:, None] * shares, shares)
            yield [
                Expectation(file_id=file_id, rates=of_file)
                for file_id, of_file in zip(files[start : start + FILES_AT_ONCE], rates, strict=True)
            ]
        yield releases

    def downloads(
        self, now_us: int, within_s: float
    ) -> Generator[list[Expectation], None, tuple[dict[str, float], dict[FileId, float]]]:
        """How many are expected in the time to come: by region, and by file; with turns for others between."""
        outlook = yield from self._look(now_us)
        season = outlook.factors[0] + outlook.factors[1]
        by_region = np.zeros(len(outlook.names))
        of_files: list[float] = []
        for some, shares in outlook.estimate.shares_of(outlook.numbers):
            downloads = within_s * outlook.estimate.per_s[some][:, None] * shares * season
            by_region += downloads.sum(axis=0)
            of_files += downloads.sum(axis=1).tolist()
            yield []
        by_file = dict(zip(outlook.files, of_files, strict=True))
        numbers = {name: region for region, name in enumerate(outlook.names)}
        for place, release in enumerate(self._releases(outlook, now_us), 1):
            if place % _RELEASES_AT_ONCE == 0:
                yield []
            seconds = max(0.0, min(within_s - release.lead_s, release.lasts_s))
            for rates in release.rates:
                downloads_there = seconds * (rates.open_per_s + rates.restricted_per_s)
                by_region[numbers[rates.region]] += downloads_there
                by_file[release.file_id] = by_file.get(release.file_id, 0.0) + downloads_there
        return dict(zip(outlook.names, by_region.tolist(), strict=True)), by_file

    def make_room(self, now_us: int) -> Iterator[None]:
        """Forget the least asked when nearly all cells are taken, at a time when nobody waits for it; in steps."""
        yield from self._cells.make_room(now_us)

    def _look(self, now_us: int) -> Generator[list[Expectation], None, _Outlook]:
        """Reckon what is expected, in steps; what comes in between is of the next time."""
        announced = self.releases(now_us)
        cells = self._cells.fade_all(now_us)
        names = self._names(announced)
        usual, factors = self._usual(cells, len(names)), self._factors(names, now_us)
        files, published_us = list(self._files.names), self._files.published_us()
        yield []
        estimate = self._estimate(cells, usual, published_us, now_us)
        yield []
        for _ in estimate.steps():
            yield []
        chosen = self._most_wanted(estimate, files, announced, now_us)
        yield []
        numbers, told = _ranked(*chosen, files)
        yield []
        return _Outlook(estimate, numbers, told, usual, names, factors, announced)

    def _estimate(self, cells: Columns, usual: Floats, published_us: Ints, now_us: int) -> Estimate:
        """The rates of all files, by number."""
        since_us = np.where(published_us > 0, published_us, self._began_at_us)
        began_at_us = self._began_at_us or int(published_us[published_us > 0].min(initial=now_us))
        tuning = self._tuning
        known = (published_us > 0) | (np.bincount(cells.file, minlength=len(since_us)) > 0)
        average_per_s = (tuning.first_s * tuning.first_per_s + float(cells.slow.sum())) / (
            tuning.first_s + int(known.sum()) * float(watched_s(np.array(began_at_us), now_us, self._slow_s))
        )
        watched = Watched(known, watched_s(since_us, now_us, self._slow_s), average_per_s)
        beliefs = Beliefs(tuning.prior_requests, self._fast_s, tuning.rise_sigmas, tuning.loss_weight)
        return Estimate(watched, cells, usual, beliefs)

    def _most_wanted(
        self, estimate: Estimate, names: Sequence[FileId], announced: Iterable[Announcement], now_us: int
    ) -> tuple[Ints, Floats]:
        """The numbers of the most wanted files, and how much each is wanted; not those that nobody can ask for yet.

        Where more are equally wanted than there is room for, those stay that came first.
        """
        per_s, most = np.where(estimate.known, estimate.per_s, -1.0), self._tuning.files_max
        for release in announced:
            number = self._files.get(release.file_id)
            if number is None or number >= len(names) or names[number] != release.file_id:
                continue  # nothing was known of it when the look began
            if now_us < release.release_at_us and not estimate.cells_of(number):
                per_s[number] = -1.0
        least = float(np.partition(per_s, -most)[-most]) if len(per_s) > most else 0.0
        chosen = np.flatnonzero(per_s >= max(least, 0.0))
        chosen = chosen[np.argsort(-per_s[chosen], kind="stable")][:most]
        return chosen, per_s[chosen]

    def _names(self, announced: Iterable[Announcement]) -> list[str]:
        """All regions: those that are counted by their numbers, then those that were only announced. These take no
        number: it would be theirs for ever."""
        names = list(self._regions)
        for region in dict.fromkeys(coarse(region) for known in announced for region in known.regions):
            if len(names) < REGIONS_MAX and not _within(names, region):
                names.append(region)
        return names

    def _usual(self, cells: Columns, regions: int) -> Floats:
        """Each region's share of all that was asked."""
        sums = np.bincount(cells.region, cells.slow, regions)
        total = float(sums.sum())
        if total > 0.0:
            return np.asarray(sums / total)
        usual = np.zeros(regions)
        usual[0] = 1.0
        return usual

    def _factors(self, names: Sequence[str], now_us: int) -> tuple[Floats, Floats]:
        """Of each region's rate, what open and what restricted downloaders ask in the time to come (rule 4)."""
        opened, restricted = np.ones(len(names)), np.ones(len(names))
        has_season = now_us - self._began_at_us > self._tuning.season_after_s * 1e6
        for region, name in enumerate(names):
            season = self._season.correction(name, now_us) if has_season else 1.0
            seen, of_these = self._restricted.get(region, (0.0, 0.0))
            part = (of_these + _NAT_PRIOR[0] * _NAT_PRIOR[1]) / (seen + _NAT_PRIOR[1])
            opened[region], restricted[region] = season * (1.0 - part), season * part
        return opened, restricted

    def _releases(self, outlook: _Outlook, now_us: int) -> Iterable[Expectation]:
        half_life_s = self._tuning.release_half_life_s
        spreads: dict[str, Floats] = {}  # the same few regions, release after release
        for known in outlook.announced:
            since_s = (now_us - known.release_at_us) / 1e6
            peak_per_s = known.downloads * math.log(2.0) / half_life_s
            per_s = peak_per_s * 0.5 ** (max(0.0, since_s) / half_life_s)
            counted = self._counted_per_s(known.file_id, outlook) if since_s > 0.0 else np.zeros(len(outlook.names))
            if known.regions:
                by_region = np.zeros(len(outlook.names))
                for region in map(coarse, known.regions):
                    if region not in spreads:
                        spreads[region] = outlook.spread(region)
                    by_region += per_s / len(known.regions) * spreads[region]
                by_region = np.maximum(0.0, by_region - counted)
            else:
                by_region = max(0.0, per_s - float(counted.sum())) * outlook.usual
            total = max(float(by_region.sum()), 1e-300)
            (rates,) = outlook.rates(by_region[None, :], by_region[None, :] / total)
            yield Expectation(
                file_id=known.file_id,
                rates=rates,
                lead_s=max(0.0, -since_s),
                lasts_s=half_life_s / math.log(2.0),
            )

    def _counted_per_s(self, file_id: FileId, outlook: _Outlook) -> Floats:
        """What is told of a file besides its announcement, by region; nothing where it is not among the most wanted."""
        number = self._files.get(file_id)
        if number is None or number not in outlook.numbers:
            return np.zeros(len(outlook.names))
        return np.asarray(outlook.estimate.per_s[number] * outlook.estimate.shares(np.array([number]))[0])

    # --- what is kept ---

    def state(self) -> DemandState:
        """All that was learned so far."""
        return self.state_of([cell for cells in self.cells() for cell in cells])

    def cells(self) -> Iterator[list[CellState]]:
        """The cells, some thousands at a time, so that others may have their turn between; each is as it is then."""
        names = list(self._regions)
        for some in self._cells.told():
            yield [CellState(of.file_id, names[of.region], of.slow, of.fast, of.lost, of.at_us) for of in some]

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


def _within(names: Sequence[str], region: str) -> list[int]:
    """The numbers of a region and of those within it."""
    return [number for number, name in enumerate(names) if name == region or name.startswith(f"{region}/")]


def _ranked(numbers: Ints, per_s: Floats, names: Sequence[FileId]) -> tuple[Ints, list[FileId]]:
    """Some files' numbers and names, the most wanted first, as they come, but equally wanted ones by name."""
    named = [names[number] for number in numbers.tolist()]
    order = list(range(len(named)))  # numbers, not pairs: those would set off the garbage collector
    edges = [*np.flatnonzero(np.diff(per_s, prepend=np.inf)).tolist(), len(named)]
    for start, end in pairwise(edges):
        if end - start > 1:
            order[start:end] = sorted(order[start:end], key=named.__getitem__)
    return numbers[order], [named[place] for place in order]


class _Outlook(NamedTuple):
    """What is expected at a moment."""

    estimate: Estimate
    numbers: Ints
    """Of the most wanted files, in their order."""
    files: list[FileId]
    usual: Floats
    """Each region's share of all that was asked."""
    names: list[str]
    """Of the regions."""
    factors: tuple[Floats, Floats]
    """Of each region's rate, what open and what restricted downloaders ask in the time to come."""
    announced: tuple[Announcement, ...]
    """The releases known then: all of their regions are among `names`, which later ones need not be."""

    def spread(self, region: str) -> Floats:
        """An announced region as shares of the regions within it; they sum to 1."""
        within = _within(self.names, region) or [0]
        shares = np.zeros(len(self.names))
        shares[within] = self.usual[within]
        if not shares.any():
            shares[within] = 1.0
        return np.asarray(shares / shares.sum())

    def rates(self, per_s: Floats, shares: Floats) -> list[tuple[RegionRates, ...]]:
        """Downloads per second by file and region, without the regions that ask for next to nothing."""
        file, region = np.nonzero(shares >= _REGION_SHARE_MIN)
        opened, restricted = ((per_s * factor)[file, region].tolist() for factor in self.factors)
        rates = [
            RegionRates(self.names[of], open_per_s, restricted_per_s)
            for of, open_per_s, restricted_per_s in zip(region.tolist(), opened, restricted, strict=True)
        ]
        ends = np.searchsorted(file, np.arange(len(shares) + 1)).tolist()
        return [tuple(rates[start:end]) for start, end in pairwise(ends)]
