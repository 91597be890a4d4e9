"""What is due by time alone, and when (S12, S14 to S16)."""

from __future__ import annotations

from collections.abc import Iterable

from distribute_io.core.scheduler.messages import SchedulerConfig
from distribute_io.core.scheduler.requests import Request
from distribute_io.core.scheduler.sources import Source
from distribute_io.core.scheduler.tuning import RETRY_AFTER_US_MAX, REVIEW_US, SLEEP_US, STALL_CANCEL_FACTOR


class Clocks:
    """The times that a download waits for.

    Args:
        config: how long each may take.
        now_us: when the download begins.
    """

    __slots__ = (
        "_config",
        "_held_up_us",
        "_last_progress_us",
        "_no_source_since_us",
        "_patient_until_us",
        "_planned_us",
        "_promised_until_us",
        "_review_us",
        "now_us",
    )

    def __init__(self, config: SchedulerConfig, now_us: int) -> None:
        self._config = config
        self.now_us = now_us
        self._held_up_us = now_us
        self._last_progress_us = now_us
        self._no_source_since_us: int | None = now_us
        self._promised_until_us = now_us
        self._patient_until_us = now_us + config.no_source_grace_us
        self._planned_us = now_us
        self._review_us: int | None = None

    def advance(self, now_us: int, deadline_us: int | None, requests: Iterable[Request]) -> int:
        """Time goes on; returns it. Long after the deadline that was asked for, the machine slept: no clock ran."""
        self.now_us = max(now_us, self.now_us)
        late_us = 0 if deadline_us is None else self.now_us - deadline_us
        if late_us > SLEEP_US:
            for request in requests:
                request.last_byte_us += late_us
            self._last_progress_us += late_us
            if self._no_source_since_us is not None:
                self._no_source_since_us += late_us
        return self.now_us

    def held_up(self, now_us: int) -> None:
        """Up to now, our own memory held the sources up."""
        self._held_up_us = now_us

    @property
    def held_up_us(self) -> int:
        """Until when it did, last; at first, since when there is a download."""
        return self._held_up_us

    def progressed(self, now_us: int) -> None:
        """New bytes or a verified segment came."""
        self._last_progress_us = now_us

    def restart(self, now_us: int) -> None:
        """The download goes on after a pause."""
        self._last_progress_us = now_us
        if self._no_source_since_us is not None:
            self._no_source_since_us = now_us

    def retry_promised(self, retry_after_us: int | None, now_us: int) -> None:
        """A source said when it may be asked again: it is worth waiting for."""
        if retry_after_us is not None:
            self._promised_until_us = max(self._promised_until_us, now_us + min(retry_after_us, RETRY_AFTER_US_MAX))

    def note_usable(self, any_usable: bool, now_us: int) -> None:
        """Is there any source that may deliver?"""
        if any_usable:
            self._no_source_since_us = None
        elif self._no_source_since_us is None:
            self._no_source_since_us = now_us

    def planned(self, now_us: int, review_in_us: int | None) -> None:
        """The choice was made; it is due again after `review_in_us` (None: only when something happens)."""
        self._planned_us = now_us
        self._review_us = None if review_in_us is None else now_us + review_in_us

    def review_is_due(self, now_us: int) -> bool:
        """Was the last choice made long ago?"""
        return now_us - self._planned_us >= REVIEW_US

    def silent_since_us(self, request: Request) -> int:
        """Since when a request has brought no byte, though it could."""
        return max(request.last_byte_us, self._held_up_us)

    def is_patient(self, now_us: int) -> bool:
        """Is it so early that other sources, donors above all, may still come?"""
        return now_us < self._patient_until_us

    def is_time_up(self, now_us: int) -> bool:
        """Has the download waited long enough?"""
        return now_us >= self._give_up_us()

    def next_deadline_us(self, requests: Iterable[Request], sources: Iterable[Source], *, held_up: bool) -> int:
        """The earliest time at which something is due."""
        due = [self._give_up_us()]
        if self.is_patient(self.now_us):
            due.append(self._patient_until_us)
        if self._review_us is not None:
            due.append(self._review_us)
        due.extend(source.probation_until_us for source in sources if source.probation_until_us is not None)
        if not held_up:
            due.extend(
                self.silent_since_us(request) + self._config.stall_us * (STALL_CANCEL_FACTOR if request.stalled else 1)
                for request in requests
                if request.remaining_bytes
            )
        return min(due)

    def _give_up_us(self) -> int:
        give_up_us = self._last_progress_us + self._config.give_up_us
        if self._promised_until_us > self._last_progress_us:
            promised_us = min(self._promised_until_us, self._last_progress_us + RETRY_AFTER_US_MAX)
            give_up_us = max(give_up_us, promised_us + self._config.give_up_us)
        if self._no_source_since_us is not None:
            give_up_us = min(give_up_us, self._no_source_since_us + self._config.no_source_grace_us)
        return give_up_us
