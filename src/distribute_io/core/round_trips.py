"""How long a round trip between two places takes, as pairs of peers measured it on their channels.

Rules:

1. A place is a region without the part that names a network: of an address, or of a person, nothing is kept. Pairs have
   no direction. Where either place is unknown nothing is learned.
2. The first eight measurements of a pair are averaged; each later one moves the mean by an eighth of its difference. A
   measurement above `ROUND_TRIP_MS_MAX` counts as that.
3. A pair is known from its third measurement on. (That one session counts once for a pair is the caller's duty.)
4. At most `PAIRS_MAX` pairs are kept; the one that was measured longest ago is forgotten.

Integers, rounded down; no clock.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

PAIRS_MAX: Final = 16_384
"""About 3 MB: all pairs of 180 countries, or of fewer countries and their networks."""

KNOWN_AFTER: Final = 3
ROUND_TRIP_MS_MAX: Final = 2_000
_WEIGHT: Final = 8
_SCALE: Final = 1_024
"""Means are kept in 1/1024 ms, so that an eighth of a small difference still counts."""

Pair = tuple[str, str]


def pair_of(left: str, right: str) -> Pair | None:
    """The two places of a measurement between two regions; None where either is unknown.

    >>> pair_of("EU/FR/n-00000001", "EU/DE/AS3320/n-5e1f09aa")
    ('EU/DE/AS3320', 'EU/FR')
    """
    places = sorted(_place(region) for region in (left, right))
    return (places[0], places[1]) if all(places) else None


class RoundTrips:
    """Mutable. Caller's duty: `measured` once for each session and pair."""

    def __init__(self) -> None:
        self._known: OrderedDict[Pair, tuple[int, int]] = OrderedDict()  # measurements up to `_WEIGHT`, scaled mean

    def measured(self, pair: Pair, round_trip_ms: int) -> None:
        """A round trip between these places took so long."""
        count, mean = self._known.pop(pair, (0, 0))
        count = min(_WEIGHT, count + 1)
        mean += (min(ROUND_TRIP_MS_MAX, round_trip_ms) * _SCALE - mean) // count
        self._known[pair] = (count, mean)
        if len(self._known) > PAIRS_MAX:
            self._known.popitem(last=False)

    def between_ms(self, left: str, right: str) -> int | None:
        """What a round trip between two regions takes; None where it is not known."""
        pair = pair_of(left, right)
        count, mean = self._known.get(pair, (0, 0)) if pair is not None else (0, 0)
        return mean // _SCALE if count >= KNOWN_AFTER else None


def _place(region: str) -> str:
    head, _, last = region.rpartition("/")
    return head if last.startswith("n-") else region
