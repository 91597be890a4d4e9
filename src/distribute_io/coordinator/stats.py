"""The live numbers of `/api/v1/stats` and `/api/v1/causes`.

Counts of people are told with two significant digits: an exact count, watched over time, tells when a certain person
came and went. Bytes are exact: they name nobody.

Net offload = (bytes from donors that downloaders verified, minus all bytes filled into donors, minus rejected bytes) /
bytes delivered to downloaders, from the first second on. Gross offload leaves out the subtractions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final, TypedDict

from msgspec import Struct

from distribute_io.coordinator.books import NOTHING, Books, added
from distribute_io.coordinator.region_books import RegionBooks, RegionNumbers
from distribute_io.ids import CauseId, FileId
from distribute_io.stores.catalogue import Catalogue, CauseSize, Totals
from distribute_io.stores.state import Census, Held, State
from distribute_io.wire.http import Cause, CauseList

_NO_FILES: Final = CauseSize(0, 0)
FILES_TOLD_MAX: Final = 1_000
"""Files in one answer, those with the most bytes first."""


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


def rounded(count: int) -> int:
    """A count of people with two significant digits.

    >>> rounded(7), rounded(84), rounded(1_234)
    (7, 84, 1200)
    """
    if count < 100:
        return count
    step: int = 10 ** (len(str(count)) - 2)
    return (count + step // 2) // step * step


def offload(totals: Totals) -> tuple[float, float]:
    """Gross and net offload, 0 before anything was delivered."""
    delivered = totals.donors_bytes + totals.mirrors_bytes
    if not delivered:
        return 0.0, 0.0
    filled = totals.pushed_mirrors_bytes + totals.pushed_donors_bytes
    return (
        round(totals.donors_bytes / delivered, 4),
        round((totals.donors_bytes - filled - totals.rejected_bytes) / delivered, 4),
    )


class Statistics:
    """Reads books, state and catalogue; changes nothing."""

    def __init__(
        self,
        catalogue: Catalogue,
        state: State,
        books: Books,
        regions: RegionBooks,
        *,
        session_url: str,
        contact: str,
        clock_us: Callable[[], int],
    ) -> None:
        """Keep the parts; `clock_us` is monotonic, in microseconds."""
        self._session_url = session_url
        self._contact = contact
        self._causes: tuple[int, CauseList] | None = None
        self._catalogue = catalogue
        self._state = state
        self._books = books
        self._regions = regions
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
        return Report(
            donors=rounded(census.donors),
            downloaders=rounded(census.downloaders),
            causes=[
                CauseNumbers(
                    cause=cause,
                    donors=rounded(_donors(census, cause)),
                    **_numbers(by_cause[cause], held_in[cause].values()),
                )
                for cause in causes
            ],
            files=[
                FileNumbers(
                    cause=cause,
                    file_id=file_id,
                    **_numbers(sums.get((cause, file_id), NOTHING), _held(census, cause, file_id)),
                )
                for cause, file_id in told
            ],
            regions=self._regions.told(),
            **_numbers(everything, census.held.values()),
        )

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


def _numbers(totals: Totals, held: Iterable[Held]) -> _Fields:
    held = tuple(held)
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
    }
