"""The numbers of spec/scheduler.md, section 3, that no configuration changes. Times in microseconds, sizes in bytes."""

from __future__ import annotations

from typing import Final

ALIGN_BYTES: Final = 65_536
"""Ranges begin and end at multiples of this, but for the file's end (S2)."""

MICROS_PER_S: Final = 1_000_000

RATE_WINDOW_US: Final = 100_000
"""A rate is measured over at least this long (S5)."""
RATE_MEMORY_US: Final = 500_000
"""Weight of the older rate against a new measurement, as time (S5)."""
RATE_SHORT_WINDOW_US: Final = 20_000
"""The last window of a source that falls idle counts from this length on (S5)."""
RATE_DECAY_AFTER_US: Final = 1_000_000
"""A window open for longer than this lowers the rate at once (S5)."""

LATENCY_UNKNOWN_US: Final = 50_000
"""From a request to its first byte, where it has not been measured (S5)."""
OVERLAP_MARGIN_US: Final = 20_000
"""The next request starts the latency and this before the open one ends (S6)."""

HORIZON_US: Final = 1_000_000
"""Length of a request in time at the source's rate (S7)."""
HORIZON_DOUBLINGS_MAX: Final = 3
"""How often finished requests double it (S7)."""

STEAL_GAIN_US_MIN: Final = 50_000
"""A steal or a hedge at the end must save at least this (S10, S11)."""
STEAL_AFTER_US: Final = 250_000
"""A request to a source of unknown rate is left alone for this long, and less silence is no sign of slowness (S10)."""
REVIEW_US: Final = 100_000
"""While a source has nothing to do, the choice is made again after this (S6)."""

SLOW_SEGMENT_US: Final = 10_000_000
"""A request that needs longer than this for the rest of its segment is slow (S12)."""
SLOW_AFTER_US: Final = 2_000_000
"""... but is left alone for this long first (S12)."""
SLOW_FACTOR: Final = 8
"""... and only a source that is this many times faster comes to its rescue (S12)."""

STALL_CANCEL_FACTOR: Final = 4
"""A stalled request is cancelled after this many times `stall_us` without a byte (S12)."""

BACKOFF_US: Final = 500_000
"""Probation after the first failure; doubles with each in a row (S14)."""
BACKOFF_SLOW_US: Final = 10_000_000
"""The same for a source that was slow (S14)."""
BACKOFF_US_MAX: Final = 8_000_000
"""Longest probation after failures (S14)."""
BACKOFF_SLOW_US_MAX: Final = 160_000_000
"""Longest probation of slow sources (S14)."""
BACKOFF_DOUBLINGS_MAX: Final = 8
"""A probation does not double more often than this (S14)."""
RETRY_AFTER_US_MAX: Final = 600_000_000
"""A source's own `retry_after_us` is honoured up to this (S14)."""

FIRST_FAILURES_MAX: Final = 3
"""Before the first byte, a download fails when every source failed this often in a row (S15)."""
SUSPICION_DOUBLINGS_MAX: Final = 6
"""A suspect clears itself with 1, 2, 4 ... up to 64 whole segments (S13)."""
SLEEP_US: Final = 5_000_000
"""An event this late after the deadline means that the clocks stood still: the machine slept (S16)."""
BALANCED_PATIENCE: Final = 32
"""`balanced` leaves to peers what they finish within this fraction of the time so far (S9)."""
BACKLOG_RUNS_MAX: Final = 64
"""Open runs of a piece that are counted when pieces are compared (S8)."""
UNKNOWN_BYTES_PER_S_MAX: Final = 1_048_576
"""What a source of unknown rate is believed to manage at most, beside faster ones (S8)."""
