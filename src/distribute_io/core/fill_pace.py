"""How slowly a donor fetches what it was assigned from a mirror: decides, does nothing.

Filling must not disturb downloads, and nobody tells a donor who else is at a mirror. So it is judged by time:

- P1 After each piece the donor pauses `PAUSE_TIMES` as long as it took. A mirror that it shares with one download
  then gives it half of a tenth of its time, so the download keeps 0.95 of its rate, however fast the mirror is.
- P2 Never more than the donor's own ceiling: 16 MB are there in a few seconds, and no home line is full.
- P3 A pause is `PAUSE_US_MAX` at most: a mirror that is hardly alive must not keep the donor from asking the next one.

`client/src/core/fill-pace.ts` is its twin; vectors: `spec/vectors/fill-pace.json`.
"""

from __future__ import annotations

from typing import Final

PAUSE_TIMES: Final = 9
PAUSE_US_MAX: Final = 60_000_000


def fill_pause_us(*, size_bytes: int, elapsed_us: int, ceiling_bytes_per_s: int) -> int:
    """The pause after a piece of `size_bytes` that took `elapsed_us`, in microseconds."""
    by_time = PAUSE_TIMES * elapsed_us
    by_ceiling = size_bytes * 1_000_000 // ceiling_bytes_per_s - elapsed_us
    return min(PAUSE_US_MAX, max(by_time, by_ceiling, 0))
