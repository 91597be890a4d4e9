"""What a donor is credited for a receipt: decides, does nothing.

A receipt is the taker's word under a secret that the coordinator gave it; a donor cannot make one. These rules bound
what both together can claim:

- C1 A match may bring credit for what its taker lacked when the match was made. A receipt above that is false. One
  that says less than an earlier one came late, and counts nothing.
- C2 Of that it counts what the donor held at the time, or has told to hold or been assigned since, until the match
  ended: a donor fills itself, and a page gets more of what it shares, while they give. To have said so earns nothing
  without the taker's receipt.
- C3 It counts at most what the donor could have sent since the match was made, at the rate that it told.
- C4 A taker needs a file once: all matches of one taker and file that are remembered count for its size together.

What is above C2, C3 or C4 is not false: it is cut off, and counts with a later receipt once there is room; where none
comes it is lost.
Vectors: `spec/vectors/credit.json`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

AT_ONCE_BYTES: Final = 4 * 2**20
AHEAD_US: Final = 2_000_000
"""Credit that needs no time: what a donor sends at once after a pause, and clocks that differ a little."""

RATE_BYTES_PER_S_MAX: Final = 1_250_000_000
"""10 Gbit/s: no donor is believed to send faster, whatever it tells."""


class Bounds(Struct, frozen=True, kw_only=True):
    """What bounds the credit of one match now."""

    credited_bytes: int
    """Of this match before."""
    lacked_bytes: int
    """Of the taker when the match was made (C1)."""
    offered_bytes: int
    """Of them held by the donor or assigned to it, then or since (C2)."""
    sendable_bytes: int
    """See `bound_by_rate` (C3)."""
    file_left_bytes: int
    """Of the file's size, after what all matches of this taker and file were credited (C4)."""


def credit_after(stated_bytes: int, bounds: Bounds) -> int | None:
    """The bytes credited of a match after a receipt for `stated_bytes` in all; None when the receipt is false.

    >>> bounds = Bounds(
    ...     credited_bytes=10, lacked_bytes=100, offered_bytes=60, sendable_bytes=500, file_left_bytes=90
    ... )
    >>> [credit_after(stated, bounds) for stated in (9, 10, 50, 80, 101)]
    [10, 10, 50, 60, None]
    """
    if stated_bytes > bounds.lacked_bytes:
        return None
    room = min(bounds.offered_bytes, bounds.sendable_bytes, bounds.credited_bytes + max(0, bounds.file_left_bytes))
    return max(bounds.credited_bytes, min(stated_bytes, room))


def bound_by_rate(*, rate_bytes_per_s: int, took_us: int) -> int:
    """What a donor of that rate could have sent `took_us` after its match was made (C3)."""
    return AT_ONCE_BYTES + min(rate_bytes_per_s, RATE_BYTES_PER_S_MAX) * (took_us + AHEAD_US) // 1_000_000
