"""How fast a source is: bytes per second while it was asked for something, and the time to a first byte (S5).

A pure estimate in integers; every division rounds down.
"""

from __future__ import annotations

from distribute_io.core.scheduler.tuning import (
    LATENCY_UNKNOWN_US,
    MICROS_PER_S,
    RATE_DECAY_AFTER_US,
    RATE_MEMORY_US,
    RATE_SHORT_WINDOW_US,
    RATE_WINDOW_US,
)


class RateEstimate:
    """One source's measured rate and latency.

    The bytes that open a window are not counted, only its time is: what they took to come is latency, not rate.
    """

    __slots__ = ("_bytes_per_s", "_latency_us", "_window_bytes", "_window_start_us")

    def __init__(self) -> None:
        self._bytes_per_s: int | None = None
        self._latency_us: int | None = None
        self._window_start_us: int | None = None
        self._window_bytes = 0

    @property
    def latency_us(self) -> int:
        """From a request to its first byte."""
        return LATENCY_UNKNOWN_US if self._latency_us is None else self._latency_us

    def at(self, now_us: int) -> int | None:
        """The rate in bytes per second, at least 1; None if it is not known."""
        rate = self._bytes_per_s
        if rate is None:
            return None
        if self._window_start_us is not None:
            span_us = now_us - self._window_start_us
            if span_us > RATE_DECAY_AFTER_US:
                rate = min(rate, self._window_bytes * MICROS_PER_S // span_us)
        return max(1, rate)

    def first_byte_came(self, waited_us: int) -> None:
        """The first byte of a request came to a source that had nothing else open."""
        self._latency_us = waited_us if self._latency_us is None else (3 * self._latency_us + waited_us) // 4

    def bytes_came(self, count: int, now_us: int) -> None:
        """`count` bytes came at `now_us`."""
        if self._window_start_us is None:
            self._window_start_us = now_us
            self._window_bytes = 0
            return
        self._window_bytes += count
        if now_us - self._window_start_us >= RATE_WINDOW_US:
            self._fold(now_us)

    def fell_idle(self, now_us: int, last_bytes: int, last_us: int) -> None:
        """Nothing is open to the source any more; its last request brought `last_bytes` in `last_us`."""
        if (
            self._window_start_us is not None
            and self._window_bytes > 0
            and now_us - self._window_start_us >= RATE_SHORT_WINDOW_US
        ):
            self._fold(now_us)
        if self._bytes_per_s is None and last_bytes > 0:
            self._bytes_per_s = last_bytes * MICROS_PER_S // max(1, last_us)
        self._window_start_us = None

    def forget(self) -> None:
        """Failures and stalls make the rate unknown again."""
        self._bytes_per_s = None
        self._window_start_us = None

    def _fold(self, now_us: int) -> None:
        span_us = now_us - (self._window_start_us or 0)
        if self._bytes_per_s is None:
            self._bytes_per_s = self._window_bytes * MICROS_PER_S // span_us
        else:
            older = self._bytes_per_s * RATE_MEMORY_US // (RATE_MEMORY_US + span_us)
            newer = self._window_bytes * MICROS_PER_S // (RATE_MEMORY_US + span_us)
            self._bytes_per_s = older + newer
        self._window_start_us = now_us
        self._window_bytes = 0
