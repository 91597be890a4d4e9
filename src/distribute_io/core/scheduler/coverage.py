"""How many peers hold each segment, in pieces, the rarest first (S8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from distribute_io.core.scheduler.intervals import Interval, IntervalSet


class Piece(NamedTuple):
    """Segments `[first, end)` are held by `holders` peers."""

    holders: int
    first: int
    end: int


def coverage(segments: int, holdings: Iterable[IntervalSet | None]) -> tuple[Piece, ...]:
    """Cut the file at every end of a run that any peer holds: each piece is held by the same peers.

    Args:
        segments: how many segments the file has.
        holdings: what each peer holds; None is everything.

    Returns:
        The pieces by number of holders, then by place.

    >>> coverage(10, [IntervalSet([(2, 4)]), None])
    (Piece(holders=1, first=0, end=2), Piece(holders=1, first=4, end=10), Piece(holders=2, first=2, end=4))
    """
    holders = 0
    steps: dict[int, int] = {segments: 0}
    for held in holdings:
        if held is None:
            holders += 1
            continue
        for first, end in held.within(0, segments):
            steps[first] = steps.get(first, 0) + 1
            steps[end] = steps.get(end, 0) - 1
    pieces: list[Piece] = []
    first = 0
    for place in sorted(steps):
        if place > first:
            pieces.append(Piece(holders, first, place))
            first = place
        holders += steps[place]
    return tuple(sorted(pieces))


def cut(piece: Piece, held: IntervalSet | None) -> Iterable[Interval]:
    """The runs of `piece` that are in `held` (None is everything)."""
    return ((piece.first, piece.end),) if held is None else held.within(piece.first, piece.end)
