"""One open request: the range that a source was asked for and how far it has come (S4, S12)."""

from __future__ import annotations

from distribute_io.core.scheduler.sources import Source
from distribute_io.core.scheduler.tuning import MICROS_PER_S, OVERLAP_MARGIN_US


class Request:
    """An open request. Owned by the ledger; compared by identity.

    `position` is the first byte of the file that it has not delivered. `rival` is the request that races it for the
    same bytes (a hedge and what it hedges are each other's rivals). `overlapped` notes that its end came near (S6).
    """

    __slots__ = (
        "delivered_any",
        "end",
        "last_byte_us",
        "overlapped",
        "position",
        "request_id",
        "rival",
        "slow",
        "source",
        "stalled",
        "start",
        "started_alone",
        "started_us",
    )

    def __init__(self, request_id: int, source: Source, start: int, end: int, now_us: int) -> None:
        self.request_id = request_id
        self.source = source
        self.start = start
        self.end = end
        self.position = start
        self.started_us = now_us
        self.last_byte_us = now_us
        self.started_alone = not source.requests
        self.delivered_any = False
        self.overlapped = False
        self.slow = False
        self.stalled = False
        self.rival: Request | None = None

    @property
    def remaining_bytes(self) -> int:
        return self.end - self.position

    def remaining_us(self, now_us: int) -> int | None:
        """How long it needs for the rest at its measured rate; None if that is not known."""
        rate = self.source.request_rate(now_us)
        return None if rate is None else self.remaining_bytes * MICROS_PER_S // rate

    def is_ending(self, now_us: int) -> bool:
        """Is it so near its end that the source's next request may start (S6)?"""
        remaining_us = self.remaining_us(now_us)
        if remaining_us is None:
            return self.source.finished_in_a_row == 0 and 2 * self.remaining_bytes <= self.end - self.start
        return remaining_us <= self.source.rate.latency_us + OVERLAP_MARGIN_US
