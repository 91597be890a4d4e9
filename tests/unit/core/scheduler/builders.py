"""Short ways to make the parts of a scheduler in a wanted state."""

from __future__ import annotations

from collections.abc import Sequence

from distribute_io.core.scheduler import messages as m
from distribute_io.core.scheduler.choice import Outlook
from distribute_io.core.scheduler.ledger import Ledger
from distribute_io.core.scheduler.requests import Request
from distribute_io.core.scheduler.sources import Source
from distribute_io.ids import SourceId

SEGMENT = 1 << 20
BLOCK = 65_536


class Stage:
    """A ledger, its sources, and what they look like at a time."""

    def __init__(self, segments: int, *, policy: m.Policy = "balanced", memory_segments: int = 32) -> None:
        self.config = m.SchedulerConfig(
            size_bytes=segments * SEGMENT,
            segment_size_bytes=SEGMENT,
            policy=policy,
            max_in_flight_bytes=memory_segments * SEGMENT,
        )
        self.ledger = Ledger(self.config)
        self.sources: list[Source] = []
        self.now_us = 10_000_000
        self.held_up_us = 0

    def source(
        self,
        *,
        rate: int | None = None,
        kind: m.SourceKind = "mirror",
        holdings: Sequence[tuple[int, int]] | None = None,
        slots: int = 2,
        latency_us: int = 0,
    ) -> Source:
        """A ready source; with a rate, it has delivered before."""
        source = Source(SourceId(f"s{len(self.sources)}"), len(self.sources), kind, slots)
        source.hold(holdings)
        source.rate.first_byte_came(latency_us)
        if rate is not None:
            source.rate.bytes_came(0, self.now_us - 100_000)
            source.rate.bytes_came(-(-rate // 10), self.now_us)
            source.received_bytes = rate
            source.finished_in_a_row = 1
        self.sources.append(source)
        return source

    def request(self, source: Source, start: int, end: int, *, received: int = 0, age_us: int = 5_000_000) -> Request:
        """An open request that has come so far."""
        request = Request(len(self.ledger.requests) + 1, source, start, end, self.now_us - age_us)
        request.last_byte_us = self.now_us
        self.ledger.start(request)
        self.ledger.receive(request, received)
        return request

    def outlook(self) -> Outlook:
        """What a choice looks at now."""
        return Outlook(self.config, self.ledger, self.sources, self.now_us, started_us=0, held_up_us=self.held_up_us)
