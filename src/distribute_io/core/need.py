"""How much a cause needs help now: the share of what was asked for of late that donors did not cover.

Rules:

1. Delivered bytes count less as they grow older: half of them after `HALF_LIFE_US`. So a cause that was short of donors
   last month is not called needy for ever, and one whose donors left an hour ago is not called well served.
2. Where little or nothing was asked for of late, the number of donors decides, as if `PRIOR_BYTES` had been asked for:
   the fewer there are, the more one more helps.
"""

from __future__ import annotations

from typing import Final

HALF_LIFE_US: Final = 15 * 60 * 1_000_000
"""Long enough that one download more or less does not turn the word, short enough that an evening's rush does."""

PRIOR_BYTES: Final = 16_000_000
"""What the smallest donor holds."""


class LateDemand:
    """Bytes that were delivered of late, by who gave them. The clock is an argument, and never goes back."""

    def __init__(self, now_us: int) -> None:
        """Nothing was delivered yet."""
        self._donors_bytes = 0.0
        self._mirrors_bytes = 0.0
        self._at_us = now_us

    def add(self, *, donors_bytes: int, mirrors_bytes: int, now_us: int) -> None:
        """So much was delivered."""
        self._age(now_us)
        self._donors_bytes += donors_bytes
        self._mirrors_bytes += mirrors_bytes

    def need(self, *, donors: int, now_us: int) -> float:
        """From 0 (donors serve everything) to 1 (everything comes from mirrors), two digits.

        Args:
            donors: how many give to the cause now.
            now_us: the time.

        >>> late = LateDemand(0)
        >>> late.need(donors=0, now_us=0), late.need(donors=3, now_us=0)
        (1.0, 0.25)
        >>> late.add(donors_bytes=9_000_000_000, mirrors_bytes=3_000_000_000, now_us=0)
        >>> late.need(donors=3, now_us=0)
        0.25
        """
        self._age(now_us)
        asked_bytes = PRIOR_BYTES + self._donors_bytes + self._mirrors_bytes
        return round((PRIOR_BYTES / (1 + donors) + self._mirrors_bytes) / asked_bytes, 2)

    def _age(self, now_us: int) -> None:
        left = 0.5 ** (max(0, now_us - self._at_us) / HALF_LIFE_US)
        self._donors_bytes *= left
        self._mirrors_bytes *= left
        self._at_us = max(now_us, self._at_us)
