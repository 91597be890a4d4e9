"""How slowly a donor fetches what it was assigned from mirrors: decides, does nothing.

Filling must not disturb downloads, and nobody tells a donor who else is at a mirror. So it is judged by time:

- P1 A donor may use mirrors for `BURST_US` at once, and beyond that for one part of `PARTS` of the time. A mirror that
  it shares with one download gives it half of that, so the download keeps 0.97 of its rate, however fast the mirror is
  (10 parts left it 0.94 to 0.95: `bench fill_beside_download`); and 16 MB are there at once where it is not slow.
- P2 Never more than the donor's own ceiling, so that no home line is full.
- P3 A pause is `PAUSE_US_MAX` at most: a mirror that is hardly alive must not keep the donor from asking the next one.

`client/src/core/fill-pace.ts` is its twin; vectors: `spec/vectors/fill-pace.json`.
"""

from __future__ import annotations

from typing import Final

PARTS: Final = 16
BURST_US: Final = 15_000_000
PAUSE_US_MAX: Final = 60_000_000


class FillPace:
    """Caller's duty: after each piece ask `pause_us`, and ask for nothing until it is over."""

    def __init__(self, *, ceiling_bytes_per_s: int, now_us: int) -> None:
        """Begin with the whole burst."""
        self._ceiling_bytes_per_s = ceiling_bytes_per_s
        self._left_us = BURST_US
        self._counted_us = now_us

    def pause_us(self, *, size_bytes: int, elapsed_us: int, now_us: int) -> int:
        """The pause after a piece of `size_bytes` that took `elapsed_us` and ended now, in microseconds."""
        earned_us = (now_us - self._counted_us) // PARTS
        self._counted_us += earned_us * PARTS
        self._left_us = min(BURST_US, self._left_us + earned_us) - elapsed_us
        by_ceiling = size_bytes * 1_000_000 // self._ceiling_bytes_per_s - elapsed_us
        pause_us = min(PAUSE_US_MAX, max(-self._left_us * PARTS, by_ceiling, 0))
        self._left_us = max(self._left_us, -PAUSE_US_MAX // PARTS)
        return pause_us
