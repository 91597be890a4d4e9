"""One source of a download: what it holds, how it behaves, and why it gets work or none (S4, S5, S13, S14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from distribute_io.core.scheduler.intervals import IntervalSet
from distribute_io.core.scheduler.messages import SourceKind, SourceState, SourceStatus
from distribute_io.core.scheduler.rates import RateEstimate
from distribute_io.core.scheduler.tuning import (
    BACKOFF_DOUBLINGS_MAX,
    BACKOFF_SLOW_US,
    BACKOFF_SLOW_US_MAX,
    BACKOFF_US,
    BACKOFF_US_MAX,
    HORIZON_DOUBLINGS_MAX,
    HORIZON_US,
    RETRY_AFTER_US_MAX,
    SUSPICION_DOUBLINGS_MAX,
)
from distribute_io.ids import SegmentRange, SourceId

if TYPE_CHECKING:
    from distribute_io.core.scheduler.requests import Request


class Host:
    """A server's connections, which the sources on it share (S6).

    Args:
        connections_max: how many requests may be open to it at once.
    """

    __slots__ = ("connections_max", "sources")

    def __init__(self, connections_max: int) -> None:
        self.connections_max = connections_max
        self.sources: list[Source] = []

    @property
    def requests(self) -> list[Request]:
        """Open requests to any of its sources."""
        return [request for source in self.sources for request in source.requests]

    def refused_another(self) -> bool:
        """A request was refused as one too many (S14). Returns False if nothing shows that it was: none delivers."""
        delivering = sum(1 for request in self.requests if request.delivered_any and not request.stalled)
        if delivering:
            self.connections_max = min(self.connections_max, delivering)
        return delivering > 0


class Source:
    """A source's record. Owned by the scheduler; compared by identity.

    Args:
        source_id: the driver's name for it.
        ordinal: its place in the order of `SourceAdded`, which breaks ties.
        kind: mirror or peer.
        slots: how many requests may be open to it at once.
        host: the server that it is on; None: it shares its connections with nobody.
    """

    __slots__ = (
        "_clean_segments",
        "_slow_count",
        "_suspicions",
        "duplicate_bytes",
        "failures",
        "finished_in_a_row",
        "first_word_us",
        "holdings",
        "host",
        "kind",
        "ordinal",
        "probation_until_us",
        "rate",
        "reason",
        "received_bytes",
        "rejected_bytes",
        "requests",
        "slots",
        "source_id",
        "state",
        "suspected",
        "verified_bytes",
    )

    def __init__(
        self, source_id: SourceId, ordinal: int, kind: SourceKind, slots: int, host: Host | None = None
    ) -> None:
        self.source_id = source_id
        self.ordinal = ordinal
        self.kind = kind
        self.slots = max(1, slots)
        self.host = host or Host(self.slots)
        self.host.sources.append(self)
        self.holdings: IntervalSet | None = None
        self.first_word_us: int | None = None
        self.state: SourceState = "ready"
        self.reason: str | None = None
        self.rate = RateEstimate()
        self.requests: list[Request] = []
        self.finished_in_a_row = 0
        self.failures = 0
        self._slow_count = 0
        self.probation_until_us: int | None = None
        self.suspected = False
        self._suspicions = 0
        self._clean_segments = 0
        self.received_bytes = 0
        self.verified_bytes = 0
        self.duplicate_bytes = 0
        self.rejected_bytes = 0

    @property
    def usable(self) -> bool:
        """May it deliver now or later?"""
        return self.state in ("ready", "probation")

    def hold(self, holdings: Sequence[SegmentRange] | None) -> None:
        """Note what it holds; None means everything."""
        self.holdings = None if holdings is None else IntervalSet(holdings)

    def say_holdings(self, holdings: Sequence[SegmentRange] | None, now_us: int) -> None:
        """Note what it says itself that it holds."""
        self.hold(holdings)
        if self.first_word_us is None:
            self.first_word_us = now_us

    def holds(self, first: int, end: int) -> bool:
        """Does it hold all segments `[first, end)`?"""
        return self.holdings is None or self.holdings.holds(first, end)

    def horizon_us(self) -> int:
        """Length in time of its next request (S7)."""
        return HORIZON_US << min(self.finished_in_a_row, HORIZON_DOUBLINGS_MAX)

    def request_rate(self, now_us: int) -> int | None:
        """The share of its rate that one of its open requests has."""
        rate = self.rate.at(now_us)
        if rate is None:
            return None
        return max(1, rate // max(1, sum(1 for request in self.requests if request.remaining_bytes)))

    def put_on_probation(self, reason: str, now_us: int, retry_after_us: int | None) -> bool:
        """Give it no work for a while (S14). Returns False if it was on probation already and stays so as it was."""
        if self.state == "ready":
            if reason == "slow":
                backoff_us = min(BACKOFF_SLOW_US << min(self._slow_count, BACKOFF_DOUBLINGS_MAX), BACKOFF_SLOW_US_MAX)
                self._slow_count += 1
            else:
                backoff_us = min(BACKOFF_US << min(self.failures, BACKOFF_DOUBLINGS_MAX), BACKOFF_US_MAX)
                self.failures += 1
        elif self.state == "probation" and retry_after_us is not None:
            backoff_us = 0
        else:
            return False
        until_us = now_us + max(backoff_us, min(retry_after_us or 0, RETRY_AFTER_US_MAX))
        if self.probation_until_us is not None and until_us <= self.probation_until_us:
            return False
        self.state = "probation"
        self.reason = reason
        self.probation_until_us = until_us
        self.finished_in_a_row = 0
        self.rate.forget()
        return True

    def return_from_probation(self) -> None:
        """It is asked again, with a first request of unknown rate."""
        self.state = "ready"
        self.probation_until_us = None

    def leave(self, state: SourceState, reason: str) -> None:
        """It is never asked again."""
        self.state = state
        self.reason = reason
        self.probation_until_us = None

    def suspect(self) -> None:
        """It had a part in a rejected segment (S13)."""
        self.suspected = True
        self._suspicions += 1
        self._clean_segments = 0

    def delivered_whole_segment(self) -> None:
        """A segment that only it sent was verified; enough of them clear a suspect (S13)."""
        if self.suspected:
            self._clean_segments += 1
            if self._clean_segments >= 1 << min(self._suspicions - 1, SUSPICION_DOUBLINGS_MAX):
                self.suspected = False

    def clear(self) -> None:
        """The parts were compared: it was not the liar (S13)."""
        self.suspected = False
        self._suspicions = max(0, self._suspicions - 1)

    def status(self, now_us: int) -> SourceStatus:
        """Its row in the source table."""
        return SourceStatus(
            source_id=self.source_id,
            kind=self.kind,
            state=self.state,
            reason=self.reason,
            rate_bytes_per_s=self.rate.at(now_us),
            received_bytes=self.received_bytes,
            verified_bytes=self.verified_bytes,
            duplicate_bytes=self.duplicate_bytes,
            rejected_bytes=self.rejected_bytes,
            open_requests=len(self.requests),
            failures=self.failures,
            suspected=self.suspected,
            probation_until_us=self.probation_until_us,
        )
