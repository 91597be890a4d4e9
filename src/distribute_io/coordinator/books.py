"""The books: bytes served, pushed and rejected, by cause and file, added up in memory and written every second.

A crash loses at most what was booked since the last writing (ARCHITECTURE.md, invariant 5).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from distribute_io.core.need import LateDemand
from distribute_io.errors import DistributeError
from distribute_io.ids import CauseId, FileId
from distribute_io.stores.catalogue import Catalogue, DailyTotal, Totals

log = logging.getLogger(__name__)

WRITE_EVERY_S: Final = 1.0

Key = tuple[CauseId, FileId]
NOTHING: Final = Totals()


def added(left: Totals, right: Totals) -> Totals:
    """The sum of two totals, field by field."""
    return Totals(*(a + b for a, b in zip(msgspec.structs.astuple(left), msgspec.structs.astuple(right), strict=True)))


def rounded(count: int) -> int:
    """A count of people or of downloads, with two significant digits.

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


class Books:
    """Caller's duties: `load` once, run `run` as long as anything is booked, `write` at the end."""

    def __init__(self, catalogue: Catalogue, clock_s: Callable[[], float]) -> None:
        """Keep the parts; `clock_s` gives seconds since 1970."""
        self._catalogue = catalogue
        self._clock_s = clock_s
        self._sums: dict[Key, Totals] = {}
        self._unwritten: dict[Key, Totals] = {}
        self._late: dict[CauseId, LateDemand] = {}

    async def load(self) -> None:
        """Read the sums of all days before."""
        self._sums = await self._catalogue.totals_by_file()

    def book(self, cause: CauseId, file_id: FileId, amounts: Totals) -> None:
        """Add to one file's totals."""
        key = (cause, file_id)
        self._sums[key] = added(self._sums.get(key, NOTHING), amounts)
        self._unwritten[key] = added(self._unwritten.get(key, NOTHING), amounts)
        if amounts.donors_bytes or amounts.mirrors_bytes:
            self._lately(cause).add(
                donors_bytes=amounts.donors_bytes, mirrors_bytes=amounts.mirrors_bytes, now_us=self._now_us()
            )

    def need(self, cause: CauseId, *, donors: int) -> float:
        """How much a cause needs help now, from 0 to 1; see `core.need`."""
        return self._lately(cause).need(donors=donors, now_us=self._now_us())

    def _lately(self, cause: CauseId) -> LateDemand:
        late = self._late.get(cause)
        if late is None:
            late = self._late[cause] = LateDemand(self._now_us())
        return late

    def _now_us(self) -> int:
        return int(self._clock_s() * 1_000_000)

    def sums(self) -> Mapping[Key, Totals]:
        """The totals of each file since the beginning."""
        return self._sums

    async def run(self) -> None:
        """Write what was booked, every second, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            try:
                await self.write()
            except DistributeError as error:
                # What could not be written stays unwritten and is tried again.
                log.warning("The totals could not be written (%s); they are kept in memory.", error.code)

    async def write(self) -> None:
        """Write what was booked since the last time."""
        taken, self._unwritten = self._unwritten, {}
        if not taken:
            return
        day = datetime.fromtimestamp(self._clock_s(), UTC).strftime("%Y-%m-%d")
        try:
            await self._catalogue.add_totals(
                [DailyTotal(day, cause, file_id, totals) for (cause, file_id), totals in taken.items()]
            )
        except DistributeError:
            for key, totals in taken.items():
                self._unwritten[key] = added(self._unwritten.get(key, NOTHING), totals)
            raise
