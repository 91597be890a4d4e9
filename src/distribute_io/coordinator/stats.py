"""The live numbers of `/api/v1/stats` and `/api/v1/causes`.

Counts of people and of their downloads are told with two significant digits: an exact count, watched over time, tells
when a certain person came and went. Bytes are exact: they name nobody.

Net offload = (bytes from donors that downloaders verified, minus all bytes filled into donors, minus rejected bytes) /
bytes delivered to downloaders, from the first second on. Gross offload leaves out the subtractions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypedDict

from msgspec import Struct

from distribute_io.coordinator.books import NOTHING, Books, added, offload, rounded
from distribute_io.coordinator.hour_books import HourBooks
from distribute_io.coordinator.region_books import RegionBooks, RegionNumbers
from distribute_io.ids import CauseId, FileId
from distribute_io.stores.catalogue import Catalogue, CauseSize, Totals
from distribute_io.stores.state import Census, Held, State
from distribute_io.wire.http import Cause, CauseList

_NO_FILES: Final = CauseSize(0, 0)
FILES_TOLD_MAX: Final = 1_000
"""Files in one answer, those with the most bytes first."""


_ALL: Final = ""
"""Key of all files together; no file and no cause is called so."""

FRESH_US: Final = 250_000
"""How long the same numbers are told."""


class Numbers(Struct, frozen=True, kw_only=True):
    """What is told of a file, of a cause, and of all."""

    segments_held: int
    bytes_held: int
    bytes_served_by_donors: int
    bytes_served_by_mirrors: int
    bytes_pushed: int
    """Filled into donors, from mirrors and from donors."""
    bytes_rejected: int
    gross_offload: float
    net_offload: float
    forecast_last_hour: float
    """Downloads that were foretold, at its beginning, for the last whole hour."""
    came_last_hour: int


class CauseNumbers(Numbers, frozen=True, kw_only=True):
    """The numbers of one cause."""

    cause: CauseId
    donors: int


class FileNumbers(Numbers, frozen=True, kw_only=True):
    """The numbers of one file in one cause."""

    cause: CauseId
    file_id: FileId


class Report(Numbers, frozen=True, kw_only=True):
    """What `GET /api/v1/stats` answers."""

    donors: int
    downloaders: int
    causes: list[CauseNumbers]
    files: list[FileNumbers]
    regions: list[RegionNumbers]
    """By the downloaders' region, since the coordinator began."""


class Statistics:
    """Reads books, state and catalogue; changes nothing."""

    def __init__(
        self,
        catalogue: Catalogue,
        state: State,
        books: Books,
        regions: RegionBooks,
        hours: HourBooks,
        *,
        cause_of: Callable[[FileId], CauseId | None],
        session_url: str,
        contact: str,
        clock_us: Callable[[], int],
    ) -> None:
        """Keep the parts; `clock_us` is monotonic, in microseconds, `cause_of` tells the cause of a published file."""
        self._session_url = session_url
        self._contact = contact
        self._causes: tuple[int, CauseList] | None = None
        self._catalogue = catalogue
        self._state = state
        self._books = books
        self._regions = regions
        self._hours = hours
        self._cause_of = cause_of
        self._told_hour: tuple[int, dict[str, tuple[float, int]]] | None = None
        self._clock_us = clock_us
        self._report: tuple[int, Report] | None = None

    async def report(self) -> Report:
        """All numbers, at most `FRESH_US` old: counting everybody for each of a thousand who look would be a burden."""
        now_us = self._clock_us()
        if self._report is None or now_us - self._report[0] > FRESH_US:
            self._report = (now_us, await self._count())
        return self._report[1]

    async def _count(self) -> Report:
        census = await self._state.census()
        sums = self._books.sums()
        by_cause: dict[CauseId, Totals] = defaultdict(lambda: NOTHING)
        everything = NOTHING
        for (cause, _file_id), totals in sums.items():
            by_cause[cause] = added(by_cause[cause], totals)
            everything = added(everything, totals)
        held_in: dict[CauseId, dict[FileId, Held]] = defaultdict(dict)
        for file_id, held in census.held.items():
            held_in[held.cause][file_id] = held
        files = {(held.cause, file_id) for file_id, held in census.held.items()} | set(sums)
        told = sorted(files, key=lambda key: (-_delivered(sums.get(key, NOTHING)), key))[:FILES_TOLD_MAX]
        causes = [record.cause for record in await self._catalogue.causes()]
        hours = self._last_hour()
        return Report(
            donors=rounded(census.donors),
            downloaders=rounded(census.downloaders),
            causes=[
                CauseNumbers(
                    cause=cause,
                    donors=rounded(_donors(census, cause)),
                    **_numbers(by_cause[cause], held_in[cause].values(), hours, cause),
                )
                for cause in causes
            ],
            files=[
                FileNumbers(
                    cause=cause,
                    file_id=file_id,
                    **_numbers(sums.get((cause, file_id), NOTHING), _held(census, cause, file_id), hours, file_id),
                )
                for cause, file_id in told
            ],
            regions=self._regions.told(),
            **_numbers(everything, census.held.values(), hours, _ALL),
        )

    def _last_hour(self) -> dict[str, tuple[float, int]]:
        """What was foretold of the last whole hour, and what came in it: of each file, of each cause, of all."""
        self._hours.turn()
        if self._told_hour is not None and self._told_hour[0] == self._hours.hour:
            return self._told_hour[1]
        files = self._hours.files
        hours: dict[str, tuple[float, int]] = {}
        for file_id in files.known():
            foretold, came = files.foretold(file_id), files.came_of(file_id)
            for key in (file_id, self._cause_of(file_id), _ALL):
                if key is not None:
                    before = hours.get(key, (0.0, 0))
                    hours[key] = (before[0] + foretold, before[1] + came)
        self._told_hour = (self._hours.hour, hours)
        return hours

    async def causes(self) -> CauseList:
        """Every cause, with how much it needs help; as old as the report may be, for the same reason."""
        now_us = self._clock_us()
        if self._causes is None or now_us - self._causes[0] > FRESH_US:
            self._causes = (now_us, await self._count_causes())
        return self._causes[1]

    async def _count_causes(self) -> CauseList:
        census = await self._state.census()
        sizes = await self._catalogue.sizes()
        return CauseList(
            session_url=self._session_url,
            contact=self._contact,
            causes=[
                Cause(
                    cause=known.cause,
                    title=known.title,
                    text=known.text,
                    icon=known.icon,
                    files=sizes.get(known.cause, _NO_FILES).files,
                    size_bytes=sizes.get(known.cause, _NO_FILES).size_bytes,
                    donors=rounded(_donors(census, known.cause)),
                    need=self._books.need(known.cause, donors=_donors(census, known.cause)),
                )
                for known in await self._catalogue.causes()
            ],
        )


def _donors(census: Census, cause: CauseId) -> int:
    return census.donors_by_cause.get(cause, 0) + census.donors_of_all


def _delivered(totals: Totals) -> int:
    return totals.donors_bytes + totals.mirrors_bytes


def _held(census: Census, cause: CauseId, file_id: FileId) -> list[Held]:
    held = census.held.get(file_id)
    return [held] if held is not None and held.cause == cause else []


class _Fields(TypedDict):
    """The fields of `Numbers`."""

    segments_held: int
    bytes_held: int
    bytes_served_by_donors: int
    bytes_served_by_mirrors: int
    bytes_pushed: int
    bytes_rejected: int
    gross_offload: float
    net_offload: float
    forecast_last_hour: float
    came_last_hour: int


def _numbers(totals: Totals, held: Iterable[Held], hours: Mapping[str, tuple[float, int]], key: str) -> _Fields:
    held = tuple(held)
    foretold, came = hours.get(key, (0.0, 0))
    gross, net = offload(totals)
    return {
        "segments_held": sum(of_file.segments for of_file in held),
        "bytes_held": sum(of_file.size_bytes for of_file in held),
        "bytes_served_by_donors": totals.donors_bytes,
        "bytes_served_by_mirrors": totals.mirrors_bytes,
        "bytes_pushed": totals.pushed_mirrors_bytes + totals.pushed_donors_bytes,
        "bytes_rejected": totals.rejected_bytes,
        "gross_offload": gross,
        "net_offload": net,
        "forecast_last_hour": round(foretold, 1),
        "came_last_hour": rounded(came),
    }
