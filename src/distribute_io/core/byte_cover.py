"""Which bytes of a range have come. `client/src/core/byte-cover.ts` is the same in TypeScript."""

from __future__ import annotations

from typing import Final

STRETCHES_MAX: Final = 64
"""Distinct stretches that one range may have at a time. An ordered channel needs one, a repeated request two; more than
this means a sender that scatters its answer to cost us time."""


class ByteCover:
    """Half-open byte stretches within `[start, end)`, in any order, merged as they meet.

    >>> cover = ByteCover(0, 10)
    >>> cover.add(0, 4), cover.add(2, 6), cover.contiguous_end, cover.complete
    ([(0, 4)], [(4, 6)], 6, False)
    """

    def __init__(self, start: int, end: int) -> None:
        self._start = start
        self._end = end
        self._stretches: list[tuple[int, int]] = []

    @property
    def contiguous_end(self) -> int:
        """Everything from the range's start up to here has come."""
        if self._stretches and self._stretches[0][0] == self._start:
            return self._stretches[0][1]
        return self._start

    @property
    def complete(self) -> bool:
        """Whether everything has come."""
        return self.contiguous_end == self._end

    def add(self, start: int, end: int) -> list[tuple[int, int]] | None:
        """Add `[start, end)`, which the caller has checked to lie within the range and not to be empty.

        Returns:
            The parts of it that are new, ascending; None when the cover would be in too many pieces.
        """
        stretches = self._stretches
        if stretches and len(stretches) == 1 and stretches[0][1] == start:
            stretches[0] = (stretches[0][0], end)  # the usual case: the next bytes in order
            return [(start, end)]
        fresh: list[tuple[int, int]] = []
        rest: list[tuple[int, int]] = []
        at, merged_start, merged_end = start, start, end
        for low, high in stretches:
            if high < start or low > end:
                rest.append((low, high))
                continue
            if low > at:
                fresh.append((at, low))
            at = max(at, high)
            merged_start, merged_end = min(merged_start, low), max(merged_end, high)
        if at < end:
            fresh.append((at, end))
        if len(rest) >= STRETCHES_MAX:
            return None
        self._stretches = sorted([*rest, (merged_start, merged_end)])
        return fresh
