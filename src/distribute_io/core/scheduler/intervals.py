"""A set of integers as disjoint half-open intervals: bytes that nobody fetches yet, segments that a source holds.

Rules:

- Intervals are kept ascending, neither overlapping nor adjacent: two flat sorted lists, searched by bisection.
- A change costs a bisection and a move of list entries: a few microseconds among 100,000 intervals, the most a file
  can have (every second segment missing).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Interval = tuple[int, int]
"""Half-open, `start < end`."""


class IntervalSet:
    """A mutable set of integers.

    Args:
        intervals: ascending, disjoint; copied. Adjacent ones are merged.

    >>> free = IntervalSet([(0, 10)])
    >>> free.remove(3, 5)
    >>> list(free), free.total
    ([(0, 3), (5, 10)], 8)
    """

    __slots__ = ("_ends", "_starts", "total")

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.total = 0
        for start, end in intervals:
            if self._ends and start == self._ends[-1]:
                self._ends[-1] = end
            else:
                self._starts.append(start)
                self._ends.append(end)
            self.total += end - start

    def __iter__(self) -> Iterator[Interval]:
        return zip(self._starts, self._ends, strict=True)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def add(self, start: int, end: int) -> None:
        """Put `[start, end)` in; what is there already stays."""
        if start >= end:
            return
        low = bisect_left(self._ends, start)
        high = bisect_right(self._starts, end)
        if low < high:
            start = min(start, self._starts[low])
            end = max(end, self._ends[high - 1])
            self.total -= sum(self._ends[low:high]) - sum(self._starts[low:high])
        self._starts[low:high] = [start]
        self._ends[low:high] = [end]
        self.total += end - start

    def remove(self, start: int, end: int) -> None:
        """Take `[start, end)` out as far as it is there."""
        if start >= end:
            return
        low = bisect_right(self._ends, start)
        high = bisect_left(self._starts, end)
        if low >= high:
            return
        kept = [(a, b) for a, b in ((self._starts[low], start), (end, self._ends[high - 1])) if a < b]
        self.total -= sum(self._ends[low:high]) - sum(self._starts[low:high])
        self.total += sum(b - a for a, b in kept)
        self._starts[low:high] = [a for a, _ in kept]
        self._ends[low:high] = [b for _, b in kept]

    def within(self, start: int, end: int) -> Iterator[Interval]:
        """The intervals inside `[start, end)`, cut to it, ascending. Do not change the set meanwhile."""
        place = bisect_right(self._ends, start)
        while place < len(self._starts) and self._starts[place] < end:
            yield max(start, self._starts[place]), min(end, self._ends[place])
            place += 1

    def holds(self, start: int, end: int) -> bool:
        """Is all of `[start, end)` there?"""
        place = bisect_right(self._ends, start)
        return place < len(self._starts) and self._starts[place] <= start and end <= self._ends[place]
