"""A download in virtual time: the production scheduler over simulated sources, with every rule of it checked.

A source is a token bucket with a latency and a list of faults, all data. The driver is the smallest correct one: it
performs the actions, keeps who sent what, verifies complete segments after a while, and holds the sources up when its
memory is full. Time advances in small steps. Every event with what came of it is recorded: that is a trace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from distribute_io.core.scheduler import messages as m
from distribute_io.core.scheduler.scheduler import Scheduler
from distribute_io.ids import SegmentRange, SourceId

MIB = 1 << 20


@dataclass
class SimulatedSource:
    """One source. Times are in microseconds from the start of the download."""

    name: str
    rate_bytes_per_s: int
    kind: m.SourceKind = "mirror"
    latency_us: int = 20_000
    holdings: tuple[SegmentRange, ...] | None = None
    slots: int = 2
    joins_us: int = 0
    leaves_us: int | None = None
    """From then on the driver reports `SourceRemoved`."""
    down: tuple[tuple[int, int], ...] = ()
    """While down, open requests break and new ones are refused."""
    silent: tuple[tuple[int, int], ...] = ()
    """While silent, no byte comes and nothing breaks."""
    rates: tuple[tuple[int, int], ...] = ()
    """From this time on, this rate."""
    breaks_after_bytes: int | None = None
    """Every request breaks after so many bytes."""
    busy_until_us: int = 0
    """Until then it answers 503 with `Retry-After`."""
    host: str | None = None
    connections_max: int | None = None
    """It answers 503 to a request beyond so many open ones."""
    refuses: bool = False
    """It answers every request with a permanent failure."""
    lies: Callable[[int], bool] = field(default=lambda index: False)
    """Does it send wrong bytes for segment `index`?"""

    def rate_at(self, now_us: int) -> int:
        rate = self.rate_bytes_per_s
        for start_us, changed in self.rates:
            if now_us >= start_us:
                rate = changed
        return rate


@dataclass
class _OpenRequest:
    action: m.StartRequest
    end: int
    first_byte_us: int
    received: int = 0

    @property
    def position(self) -> int:
        return self.action.start_byte + self.received


class Step(msgspec.Struct, frozen=True, rename="camel"):
    """One event of a trace, and what the scheduler answered."""

    now_us: int
    event: m.Event
    actions: tuple[m.Action, ...]
    deadline_us: int | None


@dataclass
class Outcome:
    """How a simulated download ended."""

    last: m.Complete | m.Fail | None
    seconds: float
    size_bytes: int
    actions: list[tuple[int, m.Action]]
    sources: dict[str, m.SourceStatus]
    requests: dict[str, int]
    """Requests started per source."""
    segments_in_memory_max: int
    steps: list[Step]

    @property
    def rate_bytes_per_s(self) -> float:
        return self.size_bytes / self.seconds

    @property
    def duplicate_bytes(self) -> int:
        return sum(status.duplicate_bytes for status in self.sources.values())

    @property
    def rejected_bytes(self) -> int:
        return sum(status.rejected_bytes for status in self.sources.values())

    @property
    def banned(self) -> set[str]:
        return {name for name, status in self.sources.items() if status.state == "banned"}


class SimulatedDownload:
    """Runs one download to its end.

    Args:
        config: the scheduler's settings.
        sources: who delivers, and how badly.
        verify_us: from the last byte of a segment to its verdict.
        compares: does the driver compare the parts of rejected segments?
        step_us: how far time goes at once.
        sink_blocked: with `in_order`, when the sink takes nothing.
    """

    def __init__(
        self,
        config: m.SchedulerConfig,
        sources: list[SimulatedSource],
        *,
        verify_us: int = 10_000,
        compares: bool = True,
        step_us: int = 5_000,
        sink_blocked: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self._config = config
        self._scheduler = Scheduler(config, 0)
        self._sources = {SourceId(source.name): source for source in sources}
        self._verify_us = verify_us
        self._compares = compares
        self._step_us = step_us
        self._sink_blocked = sink_blocked
        self._now_us = 0
        self._steps: list[Step] = []
        self._requests: dict[int, _OpenRequest] = {}
        self._tokens = dict.fromkeys(self._sources, 0)
        self._memory: dict[int, list[tuple[int, int, SourceId]]] = {}
        self._verdicts: list[tuple[int, int]] = []
        self._kept_parts: dict[int, tuple[m.Part, ...]] = {}
        self._joined: set[SourceId] = set()
        self._left: set[SourceId] = set()
        self._last: m.Complete | m.Fail | None = None
        self._actions: list[tuple[int, m.Action]] = []
        self._delivered: set[int] = set()
        self._started: dict[str, int] = {}
        self._in_memory_max = 0

    def run(self, *, limit_us: int = 600_000_000, pauses: tuple[tuple[int, int], ...] = ()) -> Outcome:
        """Run until the scheduler says that it is over, at most `limit_us` of virtual time."""
        edges: list[tuple[int, m.Event]] = []
        for start_us, end_us in pauses:
            edges += [(start_us, m.Paused()), (end_us, m.Resumed())]
        while self._last is None and self._now_us <= limit_us:
            while edges and edges[0][0] <= self._now_us:
                self._tell(edges.pop(0)[1])
            self._come_and_go()
            self._move_bytes()
            self._judge()
            deadline_us = self._scheduler.next_deadline_us()
            if deadline_us is not None and deadline_us <= self._now_us:
                self._tell(m.DeadlineReached())
                again_us = self._scheduler.next_deadline_us()
                assert again_us is None or again_us > self._now_us, "a deadline in the past would spin the driver"
            self._now_us += self._step_us
        if isinstance(self._last, m.Complete):
            segments = -(-self._config.size_bytes // self._config.segment_size_bytes)
            missing = ((0, segments),) if self._config.missing is None else self._config.missing
            assert self._delivered == {index for first, end in missing for index in range(first, end)}
        return Outcome(
            last=self._last,
            seconds=self._now_us / 1e6,
            size_bytes=self._config.size_bytes,
            actions=self._actions,
            sources={status.source_id: status for status in self._scheduler.sources()},
            requests=self._started,
            segments_in_memory_max=self._in_memory_max,
            steps=self._steps,
        )

    # What happens in one step

    def _come_and_go(self) -> None:
        for source_id, source in self._sources.items():
            if source_id not in self._joined and self._now_us >= source.joins_us:
                self._joined.add(source_id)
                self._tell(
                    m.SourceAdded(
                        source_id=source_id,
                        kind=source.kind,
                        holdings=source.holdings,
                        slots=source.slots,
                        host=source.host,
                    )
                )
            if source.leaves_us is not None and self._now_us >= source.leaves_us and source_id not in self._left:
                self._left.add(source_id)
                for request_id in self._open_of(source_id):
                    del self._requests[request_id]
                self._tell(m.SourceRemoved(source_id=source_id))

    def _move_bytes(self) -> None:
        for source_id, source in self._sources.items():
            if _during(source.down, self._now_us):
                for request_id in self._open_of(source_id):
                    self._fail(request_id, "mirror_unreachable")
                continue
            self._tokens[source_id] += source.rate_at(self._now_us) * self._step_us
            if _during(source.silent, self._now_us):
                self._tokens[source_id] = 0
                continue
            flowing = [i for i in self._open_of(source_id) if self._requests[i].first_byte_us <= self._now_us]
            if not flowing:
                self._tokens[source_id] = min(self._tokens[source_id], source.rate_at(self._now_us) * self._step_us)
            for place, request_id in enumerate(flowing):
                share = self._tokens[source_id] // 1_000_000 // (len(flowing) - place)
                self._tokens[source_id] -= 1_000_000 * self._deliver(source, request_id, share)

    def _deliver(self, source: SimulatedSource, request_id: int, share: int) -> int:
        request = self._requests.get(request_id)
        if request is None:
            return 0
        if source.refuses:
            self._fail(request_id, "mirror_ignores_range", permanent=True)
            return 0
        if self._now_us < source.busy_until_us:
            self._fail(request_id, "mirror_busy", retry_after_us=source.busy_until_us - self._now_us)
            return 0
        if source.connections_max is not None and request.received == 0:
            earlier = [i for i in self._open_of(request.action.source_id) if i < request_id]
            if len(earlier) >= source.connections_max:
                self._fail(request_id, "mirror_busy")
                return 0
        target = min(request.position + share, request.end)
        if source.breaks_after_bytes is not None:
            target = min(target, request.action.start_byte + source.breaks_after_bytes)
        start = request.position
        reached = start
        while reached < target:
            index = reached // self._config.segment_size_bytes
            stop = min(target, (index + 1) * self._config.segment_size_bytes)
            if not self._put(index, reached, stop, request.action.source_id):
                break
            reached = stop
        if reached > start:
            request.received += reached - start
            self._tell(m.BytesReceived(request_id=request_id, received_bytes=request.received))
            self._schedule_verdicts()
        if self._requests.get(request_id) is request:
            if request.position >= request.end:
                del self._requests[request_id]
                self._tell(m.RequestFinished(request_id=request_id))
            elif source.breaks_after_bytes is not None and request.received >= source.breaks_after_bytes:
                self._fail(request_id, "mirror_unreachable")
        return reached - start

    def _put(self, index: int, start: int, stop: int, source_id: SourceId) -> bool:
        """Keep bytes that are not there yet. Returns False if memory is full."""
        if index in self._delivered:
            return True
        if index not in self._memory:
            if len(self._memory) >= self._config.max_in_flight_bytes // self._config.segment_size_bytes:
                return False
            self._memory[index] = []
            self._in_memory_max = max(self._in_memory_max, len(self._memory))
        parts = self._memory[index]
        for low, high, _ in sorted(parts):
            if low >= stop:
                break
            if start < low:
                parts.append((start, low, source_id))
            start = max(start, high)
        if start < stop:
            parts.append((start, stop, source_id))
        return True

    def _schedule_verdicts(self) -> None:
        waiting = {index for _, index in self._verdicts}
        for index, parts in self._memory.items():
            length = min(self._config.size_bytes, (index + 1) * self._config.segment_size_bytes)
            length -= index * self._config.segment_size_bytes
            if index not in waiting and sum(high - low for low, high, _ in parts) == length:
                self._verdicts.append((self._now_us + self._verify_us, index))

    def _may_leave(self, index: int) -> bool:
        """With `in_order`: has all before it left, and is the sink willing?"""
        if not self._config.in_order:
            return True
        blocked = _during(self._sink_blocked, self._now_us)
        return not blocked and all(before in self._delivered for before in range(index))

    def _judge(self) -> None:
        for due_us, index in sorted(self._verdicts, key=lambda verdict: verdict[1]):
            if due_us > self._now_us:
                continue
            wrong = {who for _, _, who in self._memory[index] if self._sources[who].lies(index)}
            if not wrong and not self._may_leave(index):
                continue
            self._verdicts.remove((due_us, index))
            if wrong:
                self._tell(m.SegmentRejected(segment_index=index))
                self._memory.pop(index, None)
                continue
            del self._memory[index]
            self._delivered.add(index)
            self._tell(m.SegmentVerified(segment_index=index))
            kept = self._kept_parts.pop(index, ())
            if kept and self._compares:
                liars = {part.source_id for part in kept if self._sources[part.source_id].lies(index)}
                self._tell(m.PartsCompared(segment_index=index, wrong_source_ids=tuple(sorted(liars))))

    # The driver

    def _open_of(self, source_id: SourceId) -> list[int]:
        return [i for i, request in self._requests.items() if request.action.source_id == source_id]

    def _fail(
        self, request_id: int, reason: str, *, permanent: bool = False, retry_after_us: int | None = None
    ) -> None:
        if self._requests.pop(request_id, None) is not None:
            self._tell(
                m.RequestFailed(
                    request_id=request_id, reason=reason, permanent=permanent, retry_after_us=retry_after_us
                )
            )

    def _tell(self, event: m.Event) -> None:
        assert self._last is None or not isinstance(event, m.BytesReceived)
        actions = self._scheduler.handle(event, self._now_us)
        self._steps.append(Step(self._now_us, event, actions, self._scheduler.next_deadline_us()))
        for action in actions:
            assert self._last is None, "an action after the last one"
            self._actions.append((self._now_us, action))
            self._perform(action)
        self._check()

    def _perform(self, action: m.Action) -> None:
        match action:
            case m.StartRequest():
                source = self._sources[action.source_id]
                assert 0 <= action.start_byte < action.end_byte <= self._config.size_bytes
                assert action.start_byte % 65_536 == 0
                assert action.end_byte % 65_536 == 0 or action.end_byte == self._config.size_bytes
                assert action.source_id not in self._left
                assert len(self._open_of(action.source_id)) < source.slots
                first_byte_us = self._now_us + source.latency_us
                self._requests[action.request_id] = _OpenRequest(action, action.end_byte, first_byte_us)
                self._started[source.name] = self._started.get(source.name, 0) + 1
            case m.ShortenRequest():
                request = self._requests[action.request_id]
                assert request.position < action.end_byte < request.end
                request.end = action.end_byte
            case m.CancelRequest():
                # A request that has just been reported as finished or failed may be named; it is gone already.
                self._requests.pop(action.request_id, None)
            case m.DiscardBytes():
                index = action.start_byte // self._config.segment_size_bytes
                self._drop(index, action.start_byte, action.end_byte)
            case m.DigestParts():
                assert {(p.start_byte, p.end_byte, p.source_id) for p in action.parts} == set(
                    _joined(self._memory[action.segment_index])
                )
                self._kept_parts[action.segment_index] = action.parts
            case m.Complete() | m.Fail():
                assert not self._requests, "requests outlive the download"
                self._last = action
            case m.BanSource() | m.ExcludeSource() | m.ProbateSource():
                pass

    def _drop(self, index: int, start: int, end: int) -> None:
        kept = []
        for low, high, who in self._memory[index]:
            if low < min(high, start):
                kept.append((low, min(high, start), who))
            if max(low, end) < high:
                kept.append((max(low, end), high, who))
        if kept:
            self._memory[index] = kept
        else:
            del self._memory[index]

    def _check(self) -> None:
        """No byte is fetched twice but by a hedge; memory is bounded."""
        segment = self._config.segment_size_bytes
        spans = sorted((request.position, request.end) for request in self._requests.values())
        for (_, first_end), (second_start, second_end) in pairwise(spans):
            if second_start < min(first_end, second_end):
                assert min(first_end, second_end) - second_start <= segment, "an overlap longer than a hedge"
        assert len(self._memory) <= self._config.max_in_flight_bytes // segment


def _during(spans: tuple[tuple[int, int], ...], now_us: int) -> bool:
    return any(start_us <= now_us < end_us for start_us, end_us in spans)


def _joined(parts: list[tuple[int, int, SourceId]]) -> list[tuple[int, int, SourceId]]:
    joined: list[tuple[int, int, SourceId]] = []
    for low, high, who in sorted(parts):
        if joined and joined[-1][1] == low and joined[-1][2] == who:
            joined[-1] = (joined[-1][0], high, who)
        else:
            joined.append((low, high, who))
    return joined
