"""Sets of segment indices as sorted runs: what is held, missing, assigned or matched of one file.

Rules:

1. A `Runs` value is a tuple of half-open ranges `(start, end)` with `start < end`, ascending, neither overlapping nor
   adjacent. Equal sets are therefore equal values.
2. Runs that come from strangers pass through `from_wire`, which checks the rule above and the file's bounds; nothing
   downstream checks again.
3. Every operation is linear in the number of runs, never in the number of segments.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from distribute_io.errors import RemoteProtocolError
from distribute_io.ids import SegmentRange

Runs = tuple[SegmentRange, ...]
"""A set of segment indices (rule 1)."""

EMPTY: Runs = ()


def whole(segments: int) -> Runs:
    """All segments of a file of `segments` segments."""
    return ((0, segments),) if segments else EMPTY


def from_wire(flat: Sequence[int], segments: int) -> Runs:
    """Parse the wire's `[start, count, start, count, ...]`.

    Args:
        flat: the list as it came.
        segments: how many segments the file has; a run must not reach beyond.

    Raises:
        RemoteProtocolError: `message_malformed` when the list breaks the rule of spec/session.md.

    >>> from_wire([0, 2, 5, 1], 8)
    ((0, 2), (5, 6))
    """
    if len(flat) % 2:
        raise RemoteProtocolError("message_malformed", "A list of runs has an odd number of entries.")
    runs: list[SegmentRange] = []
    end_before = -1
    for start, count in zip(flat[::2], flat[1::2], strict=True):
        end = start + count
        if count < 1 or start <= end_before or end > segments:
            raise RemoteProtocolError(
                "message_malformed", "A list of runs is out of order, overlapping, adjacent or beyond the file's end."
            )
        runs.append((start, end))
        end_before = end
    return tuple(runs)


def to_wire(runs: Runs) -> list[int]:
    """The wire's form of `runs`.

    >>> to_wire(((0, 2), (5, 6)))
    [0, 2, 5, 1]
    """
    return [number for start, end in runs for number in (start, end - start)]


def normalised(ranges: Iterable[SegmentRange]) -> Runs:
    """Any half-open ranges, in any order, as one set. Empty ranges vanish.

    >>> normalised([(4, 6), (0, 2), (2, 3), (9, 9)])
    ((0, 3), (4, 6))
    """
    merged: list[SegmentRange] = []
    for start, end in sorted(ranges):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def of_indices(indices: Iterable[int]) -> Runs:
    """The set of some indices."""
    return normalised((index, index + 1) for index in indices)


def count(runs: Runs) -> int:
    """How many segments the set has."""
    return sum(end - start for start, end in runs)


def contains(runs: Runs, index: int) -> bool:
    """Whether the set has `index`."""
    place = bisect_right(runs, (index, 2**63))
    return place > 0 and index < runs[place - 1][1]


def union(left: Runs, right: Runs) -> Runs:
    """What either has."""
    if not left:
        return right
    if not right:
        return left
    return normalised((*left, *right))


def intersection(left: Runs, right: Runs) -> Runs:
    """What both have."""
    common: list[SegmentRange] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            common.append((start, end))
        if left[i][1] <= right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(common)


def meet(left: Runs, right: Runs) -> bool:
    """Whether they have anything in common.

    >>> meet(((0, 2), (5, 9)), ((2, 6),))
    True
    """
    i = j = 0
    while i < len(left) and j < len(right):
        left_start, left_end = left[i]
        right_start, right_end = right[j]
        if left_end <= right_start:
            i += 1
        elif right_end <= left_start:
            j += 1
        else:
            return True
    return False


def difference(left: Runs, right: Runs) -> Runs:
    """What `left` has and `right` has not."""
    rest: list[SegmentRange] = []
    j = 0
    for start, end in left:
        at = start
        while j < len(right) and right[j][1] <= at:
            j += 1
        k = j
        while k < len(right) and right[k][0] < end:
            if right[k][0] > at:
                rest.append((at, right[k][0]))
            at = max(at, right[k][1])
            k += 1
        if at < end:
            rest.append((at, end))
    return tuple(rest)


def first(runs: Runs, segments: int) -> Runs:
    """The first `segments` segments of the set.

    >>> first(((0, 2), (5, 9)), 3)
    ((0, 2), (5, 6))
    """
    taken: list[SegmentRange] = []
    left = segments
    for start, end in runs:
        if left <= 0:
            break
        taken.append((start, min(end, start + left)))
        left -= end - start
    return tuple(taken)


def size_bytes(runs: Runs, *, file_bytes: int, segment_bytes: int) -> int:
    """Bytes that the segments of the set have; the file's last segment may be short."""
    total = 0
    for start, end in runs:
        total += min(end * segment_bytes, file_bytes) - min(start * segment_bytes, file_bytes)
    return total
