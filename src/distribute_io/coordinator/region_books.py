"""Bytes and downloads by the downloaders' coarse region, since this process began, and what was foretold of them.

Rules:

1. Regions are those of demand (continent and country): no finer place of anybody is counted.
2. A byte is near when donor and downloader are in the same coarse region.
3. At the turn of each hour the forecast of the hour to come is noted, and what came in the hour that ended is set
   beside what was foretold of it.
4. At most `REGIONS_MAX` regions are told apart; further ones count as the unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from distribute_io.core.demand.book import REGIONS_MAX
from distribute_io.core.demand.regions import coarse

HOUR_US: Final = 3_600_000_000


class RegionNumbers(Struct, frozen=True, kw_only=True):
    """The numbers of one region of downloaders."""

    region: str
    """Empty: not known."""
    bytes_served_by_donors: int
    bytes_served_nearby: int
    """Those of them that came from donors of the same region."""
    bytes_served_by_mirrors: int
    downloads: int
    """That began since the coordinator did."""
    forecast_last_hour: float
    """Downloads that were foretold, at its beginning, for the last whole hour."""
    came_last_hour: int


class RegionBooks:
    """Caller's duties: tell each download, each credited and each mirror's byte; `turn` at least once a minute."""

    def __init__(self, forecast: Callable[[], Mapping[str, float]], clock_us: Callable[[], int]) -> None:
        """Keep the parts.

        Args:
            forecast: downloads per second that are expected now, by coarse region.
            clock_us: microseconds since 1970.
        """
        self._forecast = forecast
        self._clock_us = clock_us
        self._donors: Counter[str] = Counter()
        self._near: Counter[str] = Counter()
        self._mirrors: Counter[str] = Counter()
        self._downloads: Counter[str] = Counter()
        self._this_hour: Counter[str] = Counter()
        self._foretold: Mapping[str, float] = {}
        self._last_came: Counter[str] = Counter()
        self._last_foretold: Mapping[str, float] = {}
        self._hour = 0

    def asked(self, region: str) -> None:
        """A download began."""
        self.turn()
        place = self._place(region)
        self._downloads[place] += 1
        self._this_hour[place] += 1

    def served(self, downloader_region: str, donor_region: str, size_bytes: int) -> None:
        """A donor was credited."""
        place = self._place(downloader_region)
        self._donors[place] += size_bytes
        if coarse(downloader_region) == coarse(donor_region):
            self._near[place] += size_bytes

    def mirrored(self, region: str, size_bytes: int) -> None:
        """A downloader told what it had from mirrors."""
        self._mirrors[self._place(region)] += size_bytes

    def turn(self) -> None:
        """Begin another hour if one is over (rule 3)."""
        hour = self._clock_us() // HOUR_US
        if hour == self._hour:
            return
        follows = hour == self._hour + 1
        self._last_came = self._this_hour if follows else Counter()
        self._last_foretold = self._foretold if follows else {}
        self._this_hour = Counter()
        self._foretold = {region: per_s * 3_600.0 for region, per_s in self._forecast().items()}
        self._hour = hour

    def told(self) -> list[RegionNumbers]:
        """All regions of which anything is known, most downloads first."""
        self.turn()
        known = {*self._downloads, *self._donors, *self._mirrors, *self._last_foretold}
        return [
            RegionNumbers(
                region=region,
                bytes_served_by_donors=self._donors[region],
                bytes_served_nearby=self._near[region],
                bytes_served_by_mirrors=self._mirrors[region],
                downloads=self._downloads[region],
                forecast_last_hour=round(self._last_foretold.get(region, 0.0), 1),
                came_last_hour=self._last_came[region],
            )
            for region in sorted(known, key=lambda region: (-self._downloads[region], region))
        ]

    def _place(self, region: str) -> str:
        place = coarse(region)
        return place if place in self._downloads or len(self._downloads) < REGIONS_MAX else ""
