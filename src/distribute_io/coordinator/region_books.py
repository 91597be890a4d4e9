"""Bytes and downloads by coarse region, since this process began, and what was foretold of them.

Rules:

1. Regions are those of demand (continent and country): no finer place of anybody is counted.
2. What was delivered, and what was thrown away, counts where the downloader is; what was filled counts where the donor
   is: a fill that pays abroad is paid for at home.
3. A byte is near when donor and downloader are in the same coarse region.
4. At most `REGIONS_MAX` regions are told apart; further ones count as the unknown.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from distribute_io.coordinator.books import NOTHING, added, offload, rounded
from distribute_io.coordinator.hour_books import HourBook
from distribute_io.core.demand.cells import REGIONS_MAX
from distribute_io.core.demand.regions import coarse
from distribute_io.stores.catalogue import Totals


class RegionNumbers(Struct, frozen=True, kw_only=True):
    """The numbers of one region."""

    region: str
    """Empty: not known."""
    bytes_served_by_donors: int
    """To downloaders there."""
    bytes_served_nearby: int
    """Those of them that came from donors of the same region."""
    bytes_served_by_mirrors: int
    bytes_pushed: int
    """Filled into donors there."""
    bytes_rejected: int
    gross_offload: float
    net_offload: float
    downloads: int
    """That began since the coordinator did."""
    forecast_last_hour: float
    """Downloads that were foretold, at its beginning, for the last whole hour."""
    came_last_hour: int


class RegionBooks:
    """Caller's duties: tell each download, and each byte that is credited, told of mirrors, filled or rejected."""

    def __init__(self, hours: HourBook[str]) -> None:
        self._hours = hours
        self._totals: dict[str, Totals] = {}
        self._near: Counter[str] = Counter()
        self._downloads: Counter[str] = Counter()

    def asked(self, region: str) -> str:
        """A download began; returns the coarse region that it counts for."""
        place = self._place(region)
        self._downloads[place] += 1
        return place

    def served(self, downloader_region: str, donor_region: str, size_bytes: int) -> None:
        """A donor was credited."""
        self.booked(downloader_region, Totals(donors_bytes=size_bytes))
        if coarse(downloader_region) == coarse(donor_region):
            self._near[self._place(downloader_region)] += size_bytes

    def booked(self, region: str, amounts: Totals) -> None:
        """Anything else: of a downloader there, or of a donor that was filled there."""
        place = self._place(region)
        self._totals[place] = added(self._totals.get(place, NOTHING), amounts)

    def told(self) -> list[RegionNumbers]:
        """All regions of which anything is known, most downloads first."""
        known = {*self._downloads, *self._totals, *self._hours.known()}
        return [self._numbers(region) for region in sorted(known, key=lambda at: (-self._downloads[at], at))]

    def _numbers(self, region: str) -> RegionNumbers:
        totals = self._totals.get(region, NOTHING)
        gross, net = offload(totals)
        return RegionNumbers(
            region=region,
            bytes_served_by_donors=totals.donors_bytes,
            bytes_served_nearby=self._near[region],
            bytes_served_by_mirrors=totals.mirrors_bytes,
            bytes_pushed=totals.pushed_mirrors_bytes + totals.pushed_donors_bytes,
            bytes_rejected=totals.rejected_bytes,
            gross_offload=gross,
            net_offload=net,
            downloads=rounded(self._downloads[region]),
            forecast_last_hour=round(self._hours.foretold(region), 1),
            came_last_hour=rounded(self._hours.came_of(region)),
        )

    def _place(self, region: str) -> str:
        place = coarse(region)
        known = place in self._downloads or place in self._totals
        return place if known or len({*self._downloads, *self._totals}) < REGIONS_MAX else ""
