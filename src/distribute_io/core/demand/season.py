"""The hours of the day, by region: when a region asks more and when less.

Rules:

1. Requests of a region are counted in 24 bins of the day (UTC). A bin fades by half in a week of its own hour.
2. The correction is what the coming half hour usually has over what the present has: the current level is known from
   the counts, only the way it goes is taken from here. It stays within a factor of three.
3. Each bin is weighed with a prior of the day's mean, so that a quiet hour is not taken for an empty one.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

BINS: Final = 24
_HOUR_US: Final = 3_600_000_000
_DAY_US: Final = BINS * _HOUR_US
_AHEAD_US: Final = _HOUR_US // 2
_FADE_BY_DAY: Final = 0.5 ** (1 / 7)
_PRIOR: Final = 5.0
_CORRECTION_MAX: Final = 3.0


class SeasonState(Struct, frozen=True):
    """What was learned, to be kept over a restart."""

    bins: dict[str, list[float]] = {}
    day: int = 0


class Season:
    """Counts by region and hour of the day."""

    def __init__(self, state: SeasonState) -> None:
        self._bins = {region: list(bins) for region, bins in state.bins.items() if len(bins) == BINS}
        self._day = state.day

    def state(self) -> SeasonState:
        """What was learned so far."""
        return SeasonState({region: list(bins) for region, bins in self._bins.items()}, self._day)

    def asked(self, region: str, now_us: int) -> None:
        """One request of a region."""
        day = now_us // _DAY_US
        if self._day and day > self._day:
            factor = _FADE_BY_DAY ** min(70, day - self._day)
            for bins in self._bins.values():
                bins[:] = [value * factor for value in bins]
        self._day = max(day, self._day)
        self._bins.setdefault(region, [0.0] * BINS)[now_us // _HOUR_US % BINS] += 1.0

    def correction(self, region: str, now_us: int) -> float:
        """What the half hour ahead usually has, over what the present usually has."""
        bins = self._bins.get(region)
        if bins is None or sum(bins) <= 0.0:
            return 1.0
        factor = self._level(bins, now_us + _AHEAD_US) / self._level(bins, now_us)
        return min(_CORRECTION_MAX, max(1.0 / _CORRECTION_MAX, factor))

    @staticmethod
    def _level(bins: list[float], at_us: int) -> float:
        """Between the middles of two hours, straight."""
        mean = sum(bins) / BINS
        place = (at_us % _DAY_US) / _HOUR_US - 0.5
        left = int(place // 1) % BINS
        part = place - place // 1
        smooth = bins[left] * (1.0 - part) + bins[(left + 1) % BINS] * part
        return (smooth + _PRIOR) / (mean + _PRIOR)
