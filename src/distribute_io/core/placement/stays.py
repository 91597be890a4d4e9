"""How long donors stay, learned from those that were here.

Rules:

1. Stays are counted by kind of donor in buckets of age that double. A donor that is still here counts in the buckets
   that it has lived through (censored, not ignored: the long-lived would be missed).
2. Within a bucket donors leave at an even rate: leavers over time lived there. The expected rest of a stay follows by
   going through the buckets from the present age on. What was never seen is filled by a prior, worth a few donors.
3. Old evidence fades by half for each `FADE_ENDED` ended stays of a kind, so that a changed crowd is noticed.
"""

from __future__ import annotations

import math
from typing import Final, Literal

from msgspec import Struct

DonorKind = Literal["browser", "native"]

FIRST_S: Final = 15.0
"""Length of the first bucket."""

BUCKETS: Final = 16
"""The last one begins at 68 hours."""

PRIOR_DONORS: Final = 3.0
"""Donors that the prior is worth: as if so many had been seen to live through each bucket, or leave in it."""

FADE_ENDED: Final = 2_000

_PRIOR_HALF_LIFE_S: Final[dict[DonorKind, float]] = {"browser": 1_200.0, "native": 43_200.0}
"""Before anything was seen: a visitor reads for a while, a server stays for days."""


class StaysState(Struct, frozen=True):
    """What was learned, to be kept over a restart."""

    left: dict[DonorKind, list[float]]
    lived_s: dict[DonorKind, list[float]]


class Stays:
    """Caller's duties: tell each stay that `ended`, and those that `lasts` when the coordinator stops."""

    def __init__(self, state: StaysState | None = None) -> None:
        self._left: dict[DonorKind, list[float]] = {}
        self._lived_s: dict[DonorKind, list[float]] = {}
        for kind in _PRIOR_HALF_LIFE_S:
            known = state is not None and len(state.left.get(kind, ())) == BUCKETS == len(state.lived_s.get(kind, ()))
            self._left[kind] = list(state.left[kind]) if state is not None and known else [0.0] * BUCKETS
            self._lived_s[kind] = list(state.lived_s[kind]) if state is not None and known else [0.0] * BUCKETS

    def state(self) -> StaysState:
        """What was learned so far."""
        return StaysState(
            {kind: list(left) for kind, left in self._left.items()},
            {kind: list(lived) for kind, lived in self._lived_s.items()},
        )

    def ended(self, kind: DonorKind, stay_s: float) -> None:
        """A donor left after `stay_s` seconds."""
        left, lived = self._left[kind], self._lived_s[kind]
        if sum(left) > FADE_ENDED:
            left[:] = [value / 2 for value in left]
            lived[:] = [value / 2 for value in lived]
        self._live(lived, stay_s)
        left[_bucket(stay_s)] += 1.0

    def lasts(self, kind: DonorKind, age_s: float) -> None:
        """A donor has been here for `age_s` and is no longer watched."""
        self._live(self._lived_s[kind], age_s)

    def left_s(self, kind: DonorKind, age_s: float, *, horizon_s: float = 86_400.0) -> float:
        """Expected seconds that a donor of this age will still stay, counted up to `horizon_s`."""
        expected, survives, at = 0.0, 1.0, age_s
        end = age_s + horizon_s
        for bucket in range(_bucket(age_s), BUCKETS):
            leave_per_s = self._leave_per_s(kind, bucket)
            span = max(0.0, min(end, _end_s(bucket)) - at)
            through = math.exp(-leave_per_s * span)
            expected += survives * (1.0 - through) / leave_per_s
            survives *= through
            at += span
            if at >= end:
                break
        return expected

    def _leave_per_s(self, kind: DonorKind, bucket: int) -> float:
        usual = math.log(2.0) / _PRIOR_HALF_LIFE_S[kind]
        lived_s = PRIOR_DONORS * (1.0 - math.exp(-usual * (_end_s(bucket) - _start_s(bucket)))) / usual
        return (self._left[kind][bucket] + usual * lived_s) / (self._lived_s[kind][bucket] + lived_s)

    @staticmethod
    def _live(lived: list[float], stay_s: float) -> None:
        for bucket in range(_bucket(stay_s) + 1):
            lived[bucket] += min(stay_s, _end_s(bucket)) - _start_s(bucket)


def _bucket(age_s: float) -> int:
    """The bucket of an age: 0 up to `FIRST_S`, then one for each doubling."""
    if age_s < FIRST_S:
        return 0
    return min(BUCKETS - 1, 1 + int(math.log2(age_s / FIRST_S)))


def _start_s(bucket: int) -> float:
    return 0.0 if bucket == 0 else FIRST_S * 2.0 ** (bucket - 1)


def _end_s(bucket: int) -> float:
    return math.inf if bucket == BUCKETS - 1 else FIRST_S * 2.0**bucket
