"""What the coordinator remembers of demand and of stays, over restarts too.

The pure parts are `core.demand` and `core.placement.stays`; this is where they get their clock and their store. A
session that wants a file counts as one request for it, however often it says so. A session that gives counts as one
stay, pages that only share what they downloaded not at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

import msgspec

from distribute_io.coordinator.hour_books import Forecast, HourBooks
from distribute_io.coordinator.region_books import RegionBooks
from distribute_io.coordinator.session import Session
from distribute_io.core.demand.book import Announcement, CellState, DemandBook, DemandState, after_pause
from distribute_io.core.placement.downlinks import Downlinks
from distribute_io.core.placement.model import Expectation
from distribute_io.core.placement.stays import DonorKind, Stays, StaysState
from distribute_io.errors import DistributeError
from distribute_io.ids import FileId
from distribute_io.stores.catalogue import Catalogue

log = logging.getLogger(__name__)

NOTE: Final = "demand"
RELEASES_NOTE: Final = "releases"
"""Announced releases, written before their publisher is answered: what it was told to be expected is."""

TURN_EVERY_S: Final = 60.0
WRITE_EVERY_TURNS: Final = 10
EXPECTED_FOR_US_MAX: Final = 10_000_000
EXPECTED_FOR_US_PER_FILE: Final = 2_000
"""What is expected is found anew after this time, or when a file or a release comes: what falls through to mirrors
counts at once where there are few files; with 5,000 files in 30 regions finding it takes a tenth of a second."""

_HOUR_S: Final = 3_600.0
_FORESEEN_FOR_US: Final = 180_000_000
"""Three turns: the forecast of an hour is as old as that at most."""

FILES_ASKED_MAX: Final = 1_024
"""Files of one session that are told apart; beyond that its further requests are not counted."""


class _Kept(msgspec.Struct, frozen=True):
    """What is written."""

    demand: DemandState = DemandState()
    stays: StaysState | None = None
    written_at_us: int = 0
    rates_bytes_per_s: list[float] = []
    """Of the last downloads."""


class DemandDesk:
    """Caller's duties: `load` once, tell what happens, run `run`, `write` at the end."""

    def __init__(self, catalogue: Catalogue, *, clock_us: Callable[[], int]) -> None:
        """Keep the parts; `clock_us` counts from 1970, as announcements and days do."""
        self._catalogue = catalogue
        self._clock_us = clock_us
        self.book = DemandBook()
        self.stays = Stays()
        self.downlinks = Downlinks()
        self._expected: tuple[Expectation, ...] = ()
        self._expected_at_us: int | None = None
        self._foreseen: Forecast | None = None
        self._foreseen_at_us = 0
        self.hours = HourBooks(self._forecast, clock_us)
        self.regions = RegionBooks(self.hours.regions)

    async def load(self) -> None:
        """Read what was learned before; what cannot be read is learned anew."""
        kept, data = _Kept(), await self._catalogue.note(NOTE)
        try:
            if data is not None:
                kept = await asyncio.to_thread(msgspec.msgpack.decode, data, type=_Kept)
        except msgspec.DecodeError:
            log.warning("What was learned of demand is in another form; it is learned anew.")
        releases, data = kept.demand.announced, await self._catalogue.note(RELEASES_NOTE)
        try:
            if data is not None:
                releases = msgspec.msgpack.decode(data, type=list[Announcement])
        except msgspec.DecodeError:
            log.warning("The announced releases are in another form; those of the older note are kept.")
        demand = msgspec.structs.replace(kept.demand, announced=releases)
        if kept.written_at_us:
            demand = after_pause(demand, max(0, self._clock_us() - kept.written_at_us))
        self.book = DemandBook(state=demand)
        self.stays = Stays(kept.stays)
        self.downlinks = Downlinks(kept.rates_bytes_per_s)

    def begin(self, file_ids: Collection[FileId]) -> None:
        """All files that can be asked for; releases of others were taken down while nobody looked."""
        for gone in {release.file_id for release in self.book.releases(self._clock_us())} - set(file_ids):
            self.dropped(gone)
        self.published(file_ids)

    def published(self, file_ids: Iterable[FileId]) -> None:
        """Files that can be asked for."""
        self._expected_at_us = None
        now_us = self._clock_us()
        for file_id in file_ids:
            self.book.published(file_id, now_us)

    def dropped(self, file_id: FileId) -> None:
        """The file is no longer published."""
        self._expected_at_us = None
        self.book.dropped(file_id)

    async def announce(self, announcement: Announcement) -> None:
        """A release is to come; it is remembered from now on, over a kill too.

        Raises:
            StoreError: when it could not be written.
        """
        self._expected_at_us = None
        self.book.announce(announcement)
        await self._write_releases()

    def asked(self, session: Session, file_id: FileId) -> None:
        """A session wants a file; the first time counts."""
        if file_id in session.asked or len(session.asked) >= FILES_ASKED_MAX:
            return
        session.asked[file_id] = self._clock_us()
        self.hours.came(self.regions.asked(session.region), file_id)
        self.book.asked(file_id, session.region, session.nat, self._clock_us())
        session.asked_unknown += session.nat == "unknown"

    def nat_found(self, session: Session) -> None:
        """A session's NAT class became known: what it asked for before counts for that class."""
        if session.nat != "unknown":
            self.book.nat_found(session.region, session.nat, session.asked_unknown)
            session.asked_unknown = 0

    def fell_through(self, session: Session, file_id: FileId, share: float) -> None:
        """A share of the file came from mirrors."""
        self.book.fell_through(file_id, session.region, share, self._clock_us())

    def downloaded(self, session: Session, file_id: FileId, size_bytes: int) -> None:
        """A session says that it has all of a file. How fast that was is counted once a session: it is its word."""
        began_us = session.asked.get(file_id)
        if began_us is None or session.rate_counted:
            return
        session.rate_counted = True
        took_us = self._clock_us() - began_us
        if took_us > 0:  # else the clock was put back
            self.downlinks.seen(size_bytes, took_us / 1e6)

    def stayed(self, *, native: bool, stay_s: float, left: bool) -> None:
        """A donor was here; not `left` when it would have stayed had the coordinator not stopped."""
        (self.stays.ended if left else self.stays.lasts)(_kind(native), stay_s)

    def left_s(self, *, native: bool, age_s: float) -> float:
        """How much longer a donor is expected to stay, in seconds."""
        return self.stays.left_s(_kind(native), age_s)

    def now_us(self) -> int:
        """The present, as demand has it."""
        return self._clock_us()

    async def expectations(self) -> tuple[Expectation, ...]:
        """What is expected from now on, as it was a moment ago (`EXPECTED_FOR_US_PER_FILE`)."""
        now_us = self._clock_us()
        stands_us = min(EXPECTED_FOR_US_MAX, EXPECTED_FOR_US_PER_FILE * len(self._expected))
        if self._expected_at_us is None or not 0 <= now_us - self._expected_at_us < stands_us:
            found: list[Expectation] = []
            self._expected_at_us = now_us  # news that comes in between makes it old again
            for some in self.book.expected(now_us):
                found += some
                await asyncio.sleep(0)
            self._expected = tuple(found)
        return self._expected

    def _forecast(self) -> Forecast:
        """What is expected of the hour to come, as it was at the last look; without one, as it is."""
        if self._foreseen is None or self._clock_us() - self._foreseen_at_us > _FORESEEN_FOR_US:
            for _ in self._foresee():
                pass
        assert self._foreseen is not None, "it has just been found"
        return self._foreseen

    def _foresee(self) -> Iterator[None]:
        """Look at the hour to come; others may have their turn between."""
        now_us = self._clock_us()
        downloads = self.book.downloads(now_us, _HOUR_S)
        while True:
            try:
                next(downloads)
            except StopIteration as found:
                self._foreseen, self._foreseen_at_us = Forecast(*found.value), now_us
                return
            yield

    async def run(self) -> None:
        """Write what was learned every ten minutes, until cancelled."""
        while True:
            for _ in range(WRITE_EVERY_TURNS):
                await asyncio.sleep(TURN_EVERY_S)
                for _step in self._foresee():
                    await asyncio.sleep(0)
                self.hours.turn()
                for _step in self.book.make_room(self._clock_us()):
                    await asyncio.sleep(0)
            try:
                await self.write()
            except DistributeError as error:
                log.warning("What was learned of demand could not be written (%s).", error.code)

    async def write(self) -> None:
        """Write what was learned."""
        cells: list[CellState] = []
        for some in self.book.cells():
            cells += some
            await asyncio.sleep(0)
        kept = _Kept(self.book.state_of(cells), self.stays.state(), self._clock_us(), self.downlinks.rates)
        await self._catalogue.put_note(NOTE, await asyncio.to_thread(msgspec.msgpack.encode, kept))
        await self._write_releases()

    async def _write_releases(self) -> None:
        # Encoded here, as the catalogue writes in the order of its calls: of two, the later has both.
        await self._catalogue.put_note(RELEASES_NOTE, msgspec.msgpack.encode(self.book.releases(self._clock_us())))


def _kind(native: bool) -> DonorKind:
    return "native" if native else "browser"
