"""What was foretold of an hour beside what came of it: downloads by region, and by file.

Rules:

1. At the turn of each hour the forecast of the hour to come is noted, and what came in the hour that ended is set
   beside what was foretold of it. After a longer silence there is nothing to compare.
2. At most so many keys are told apart; what comes of further ones is not counted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Final, Generic, TypeVar

from msgspec import Struct

from distribute_io.core.demand.cells import REGIONS_MAX
from distribute_io.ids import FileId

HOUR_US: Final = 3_600_000_000
FILES_MAX: Final = 16_384
"""As many as demand has expectations for."""

K = TypeVar("K", bound=Hashable)


class Forecast(Struct, frozen=True):
    """Downloads that are expected in the hour to come."""

    by_region: Mapping[str, float]
    by_file: Mapping[FileId, float]


class HourBook(Generic[K]):
    """One kind of key. Caller's duties: `came` for each download, `turn` at each hour."""

    def __init__(self, keys_max: int) -> None:
        self._keys_max = keys_max
        self._came: Counter[K] = Counter()
        self._foretold: Mapping[K, float] = {}
        self._last_came: Counter[K] = Counter()
        self._last_foretold: Mapping[K, float] = {}

    def came(self, key: K) -> None:
        """A download began."""
        if key in self._came or len(self._came) < self._keys_max:
            self._came[key] += 1

    def turn(self, foretold: Mapping[K, float], *, follows: bool) -> None:
        """An hour is over, and this is foretold of the next; it `follows` unless hours went by unseen."""
        self._last_came = self._came if follows else Counter()
        self._last_foretold = self._foretold if follows else {}
        self._came = Counter()
        self._foretold = foretold

    def foretold(self, key: K) -> float:
        """Downloads that were foretold, at its beginning, for the last whole hour."""
        return self._last_foretold.get(key, 0.0)

    def came_of(self, key: K) -> int:
        """Downloads that began in the last whole hour."""
        return self._last_came[key]

    def known(self) -> set[K]:
        """All of which anything was foretold for the last whole hour, or came in it."""
        return {*self._last_foretold, *self._last_came}


class HourBooks:
    """Both books, turned together. Caller's duties: tell each download; `turn` at least once a minute."""

    def __init__(self, forecast: Callable[[], Forecast], clock_us: Callable[[], int]) -> None:
        """Keep the parts.

        Args:
            forecast: what is expected of the hour to come.
            clock_us: microseconds since 1970.
        """
        self._forecast = forecast
        self._clock_us = clock_us
        self.hour = 0
        """The present hour since 1970; what is told of the last one changes with it alone."""
        self.regions: HourBook[str] = HourBook(REGIONS_MAX)
        self.files: HourBook[FileId] = HourBook(FILES_MAX)

    def came(self, region: str, file_id: FileId) -> None:
        """A download of a file began in a coarse region."""
        self.turn()
        self.regions.came(region)
        self.files.came(file_id)

    def turn(self) -> None:
        """Begin another hour if one is over (rule 1)."""
        hour = self._clock_us() // HOUR_US
        if hour == self.hour:
            return
        follows = hour == self.hour + 1
        foretold = self._forecast()
        self.regions.turn(foretold.by_region, follows=follows)
        self.files.turn(foretold.by_file, follows=follows)
        self.hour = hour
