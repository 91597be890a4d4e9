"""A token bucket that decides when bytes may flow, and does nothing itself.

Rules:

1. Over any stretch of `t` seconds at most `rate * t + burst` bytes are let through.
2. Reservations are served in the order in which they were made: a reservation may take the level below zero, and
   whoever made it waits until the level is back at zero. So all users of one bucket share one rate, however many
   requests they split their bytes over (nginx's `limit_rate`, for comparison, gives each request its own).
3. The clock is an argument, in integer microseconds, and never goes back. The sums are exact: the level is kept in
   byte-microseconds.

The module does not sleep: its caller waits for as long as `reserve` says.
"""

from __future__ import annotations

_US_PER_S = 1_000_000


class TokenBucket:
    """One rate shared by everybody who reserves from it.

    Caller's duties: call `reserve` once for each piece, wait for the time that it returns, then send the piece.

    >>> bucket = TokenBucket(rate_bytes_per_s=1000, burst_bytes=500, now_us=0)
    >>> bucket.reserve(500, now_us=0)
    0
    >>> bucket.reserve(250, now_us=0)
    250000
    """

    def __init__(self, *, rate_bytes_per_s: int, burst_bytes: int, now_us: int) -> None:
        """Start full.

        Args:
            rate_bytes_per_s: long-run rate, at least 1.
            burst_bytes: what may pass at once after a pause, at least 0.
            now_us: the present on the caller's monotonic clock.

        Raises:
            ValueError: when the rate or the burst is out of range.
        """
        if burst_bytes < 0:
            raise ValueError(f"burst_bytes must not be negative, got {burst_bytes}")
        self._rate_bytes_per_s = _checked_rate(rate_bytes_per_s)
        self._capacity = burst_bytes * _US_PER_S
        self._level = self._capacity
        self._at_us = now_us

    @property
    def rate_bytes_per_s(self) -> int:
        """The long-run rate now in force."""
        return self._rate_bytes_per_s

    def set_rate(self, rate_bytes_per_s: int, now_us: int) -> None:
        """Change the rate from `now_us` on; what accrued before stays.

        Raises:
            ValueError: when the rate is below 1.
        """
        checked = _checked_rate(rate_bytes_per_s)
        self._refill(now_us)
        self._rate_bytes_per_s = checked

    def available_bytes(self, now_us: int) -> int:
        """How many bytes would pass without waiting; 0 while reservations are being paid off."""
        self._refill(now_us)
        return max(0, self._level // _US_PER_S)

    def reserve(self, size_bytes: int, now_us: int) -> int:
        """Take `size_bytes` and return the microseconds to wait before they may be sent (0: at once)."""
        self._refill(now_us)
        self._level -= size_bytes * _US_PER_S
        return max(0, -(self._level // self._rate_bytes_per_s))

    def _refill(self, now_us: int) -> None:
        elapsed_us = max(0, now_us - self._at_us)
        self._at_us = max(self._at_us, now_us)
        self._level = min(self._capacity, self._level + elapsed_us * self._rate_bytes_per_s)


def _checked_rate(rate_bytes_per_s: int) -> int:
    if rate_bytes_per_s < 1:
        raise ValueError(f"rate_bytes_per_s must be at least 1, got {rate_bytes_per_s}")
    return rate_bytes_per_s
