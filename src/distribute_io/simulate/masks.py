"""Sets of segments as whole numbers, one bit each: what the simulator counts and cuts with, quicker than runs."""

from __future__ import annotations

from distribute_io.core.runs import Runs


def full(segments: int) -> int:
    """All of them."""
    return (1 << segments) - 1


def lowest(mask: int) -> int:
    """The lowest member, as a mask."""
    return mask & -mask


def indices(mask: int) -> list[int]:
    """The members, ascending."""
    found = []
    while mask:
        bit = mask & -mask
        found.append(bit.bit_length() - 1)
        mask ^= bit
    return found


def to_runs(mask: int) -> Runs:
    """The same set as runs.

    >>> to_runs(0b110011)
    ((0, 2), (4, 6))
    """
    runs = []
    at = 0
    while mask:
        gap = (mask & -mask).bit_length() - 1
        mask >>= gap
        at += gap
        length = (~mask & (mask + 1)).bit_length() - 1
        runs.append((at, at + length))
        mask >>= length
        at += length
    return tuple(runs)


def from_runs(runs: Runs) -> int:
    """The set of some runs.

    >>> bin(from_runs(((0, 2), (4, 6))))
    '0b110011'
    """
    mask = 0
    for start, end in runs:
        mask |= ((1 << (end - start)) - 1) << start
    return mask
