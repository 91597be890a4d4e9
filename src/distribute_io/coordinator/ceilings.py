"""Ceilings on how often one caller may ask: a bucket for each caller, a bounded number of buckets.

The oldest bucket makes room for a new caller. That forgives whoever was not heard for longest, which is harmless: a
bucket that was not used refills anyway.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from distribute_io.core.token_bucket import TokenBucket

CALLERS_MAX: Final = 50_000
"""Callers that are told apart at a time; about 300 bytes each."""


class Ceiling:
    """At most `rate_per_s` in the long run and `burst` at once, for each caller."""

    def __init__(self, *, rate_per_s: int, burst: int, callers_max: int = CALLERS_MAX) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._callers_max = callers_max
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def allows(self, caller: str, now_us: int) -> bool:
        """Count one request of `caller`; False when it is one too many (it is then not counted)."""
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = TokenBucket(rate_bytes_per_s=self._rate_per_s, burst_bytes=self._burst, now_us=now_us)
            self._buckets[caller] = bucket
            if len(self._buckets) > self._callers_max:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(caller)
        if bucket.available_bytes(now_us) < 1:
            return False
        bucket.reserve(1, now_us)
        return True
