"""Random downloads: a list of small numbers, made by Hypothesis, played as events that could really happen (and some
that could not: late, doubled and unknown ones)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import strategies as st

from distribute_io.core.scheduler import messages as m
from distribute_io.core.scheduler.scheduler import Scheduler
from distribute_io.ids import SourceId

SEGMENT = 131_072


class Move(NamedTuple):
    """One random choice: what happens, to whom, how much, and how long after the last."""

    what: int
    whom: int
    amount: int
    wait_us: int


configs = st.builds(
    m.SchedulerConfig,
    size_bytes=st.one_of(st.integers(0, 4 * SEGMENT), st.integers(16 * SEGMENT, 40 * SEGMENT)),
    segment_size_bytes=st.just(SEGMENT),
    missing=st.sampled_from([None, None, ((0, 3), (5, 6), (9, 30))]),
    policy=st.sampled_from(["balanced", "fast", "spare-mirrors"]),
    max_host_requests=st.integers(1, 4),
    max_in_flight_bytes=st.sampled_from([1, 2, 3, 12, 16]).map(lambda count: count * SEGMENT),
    in_order=st.sampled_from([False, False, True]),
    max_open_requests=st.sampled_from([1, 4, 16]),
    first_request_bytes=st.sampled_from([1, SEGMENT, 3 * SEGMENT]),
)
waits = st.sampled_from(
    [0, 0, 1, 700, 3_000, 20_000, 20_001, 60_000, 100_000, 150_000, 300_000, 700_000, 2_000_000, 2_500_000, 9_000_000]
)
amounts = st.one_of(st.integers(0, SEGMENT), st.integers(1, 12).map(lambda count: count * 16_384))
moves = st.lists(
    st.builds(Move, st.integers(0, 59), st.integers(0, 63), amounts, waits),
    min_size=30,
    max_size=150,
)


@dataclass
class _Open:
    start: int
    end: int
    received: int = 0


class RandomDownload:
    """Plays moves against a scheduler.

    Args:
        config: the scheduler's settings.
        check: called after every event.
    """

    def __init__(self, config: m.SchedulerConfig, check: Callable[[Scheduler], None] | None = None) -> None:
        self.scheduler = Scheduler(config, 0)
        self.events: list[tuple[int, m.Event]] = []
        self.answers: list[tuple[tuple[m.Action, ...], int | None]] = []
        self.last: m.Action | None = None
        self._config = config
        self._check = check
        self._now_us = 0
        self._open: dict[int, _Open] = {}
        self._known: list[SourceId] = []
        self._filled: dict[int, list[tuple[int, int]]] = {}
        self._verified: set[int] = set()
        self._digested: set[int] = set()

    def play(self, random_moves: list[Move]) -> None:
        """Play all moves, after two mirrors came."""
        for name in ("s0", "s1"):
            self._known.append(SourceId(name))
            self.tell(m.SourceAdded(source_id=SourceId(name), kind="mirror"))
        for move in random_moves:
            self._now_us += move.wait_us
            self._play(move)

    def deliver_all(self) -> None:
        """An honest and steady end: one more mirror, and everything that is asked for comes and is right."""
        self.tell(m.Resumed())
        self.tell(m.SourceAdded(source_id=SourceId("at-last"), kind="mirror", slots=4))
        for _ in range(2_000):
            if self.last is not None:
                return
            self._now_us += 50_000
            for request_id in list(self._open):
                self._deliver(request_id, SEGMENT)
            for index in self._complete():
                self._judge(index, right=True)
            self.tell(m.DeadlineReached())
        raise AssertionError("the download does not end")

    def tell(self, event: m.Event) -> None:
        """Hand one event in and perform what comes of it."""
        actions = self.scheduler.handle(event, self._now_us)
        self.events.append((self._now_us, event))
        self.answers.append((actions, self.scheduler.next_deadline_us()))
        for action in actions:
            assert self.last is None, "an action after the last one"
            match action:
                case m.StartRequest():
                    assert action.request_id not in self._open
                    self._open[action.request_id] = _Open(action.start_byte, action.end_byte)
                case m.ShortenRequest():
                    assert action.end_byte < self._open[action.request_id].end
                    self._open[action.request_id].end = action.end_byte
                case m.CancelRequest():
                    self._open.pop(action.request_id, None)
                case m.DiscardBytes():
                    self._forget(action.start_byte, action.end_byte)
                case m.DigestParts():
                    self._digested.add(action.segment_index)
                case m.Complete() | m.Fail():
                    self.last = action
                case _:
                    pass
        if self._check is not None and self.last is None:
            self._check(self.scheduler)

    def _play(self, move: Move) -> None:
        segments = -(-self._config.size_bytes // SEGMENT)
        whom = self._known[move.whom % len(self._known)] if self._known else SourceId("nobody")
        match move.what:
            case 0 | 1 | 2 | 3:
                self._add(move, segments)
            case 4:
                self.tell(m.HoldingsChanged(source_id=whom, holdings=_holdings(move.amount, segments)))
            case 5 if move.amount % 3 == 0:
                self.tell(m.SourceRemoved(source_id=whom))
                self._open = {i: o for i, o in self._open.items() if self._is_open(i)}
            case 6 | 7 | 8 if self._open:
                self._fail(move)
            case 9:
                self.tell(m.Paused())
            case 10 | 11:
                self.tell(m.Resumed())
            case 12 | 13:
                self.tell(m.DeadlineReached())
            case 14:
                self._filled.pop(move.whom, None)
                self._verified.add(move.whom)
                self.tell(m.SegmentVerified(segment_index=move.whom))
            case 15:
                index = move.whom % max(1, segments)
                if index not in self._complete():
                    self._filled.pop(index, None)
                    self.tell(m.SegmentRejected(segment_index=index))
            case 16:
                self._open.pop(move.whom, None)
                self.tell(m.RequestFinished(request_id=move.whom))
            case 17:
                self.tell(m.BytesReceived(request_id=1_000 + move.whom, received_bytes=move.amount))
            case 18 | 19 | 20:
                for index in self._complete()[:1]:
                    self._judge(index, right=move.amount % 3 > 0, wrong=whom if move.amount % 2 else None)
            case 21 | 22 | 23 | 24 | 25:
                for index in self._complete():
                    self._judge(index, right=True)
            case 26 | 27 | 28:
                for index in [index for index in self._complete() if self._is_mixed(index)][:1]:
                    self._judge(index, right=False)
            case _ if self._open:
                self._deliver(list(self._open)[move.whom % len(self._open)], move.amount)
            case _:
                self.tell(m.DeadlineReached())

    def _add(self, move: Move, segments: int) -> None:
        kind: m.SourceKind = "peer" if move.what > 1 else "mirror"
        holdings = _holdings(move.amount, segments) if kind == "peer" else None
        source_id = SourceId(f"s{move.whom % 8}")
        self._known.append(source_id)
        host = f"h{move.amount % 2}" if kind == "mirror" and move.amount % 3 else None
        self.tell(m.SourceAdded(source_id=source_id, kind=kind, holdings=holdings, slots=1 + move.whom % 3, host=host))

    def _fail(self, move: Move) -> None:
        request_id = list(self._open)[move.whom % len(self._open)]
        del self._open[request_id]
        retry_after_us = move.amount * 100 if move.amount % 2 else None
        self.tell(
            m.RequestFailed(
                request_id=request_id,
                reason=("mirror_status", "mirror_busy", "not_held")[move.amount % 3],
                permanent=move.what == 6 and move.amount % 4 == 0,
                retry_after_us=retry_after_us,
            )
        )

    def _deliver(self, request_id: int, amount: int) -> None:
        request = self._open.get(request_id)
        if request is None:
            return
        before = request.start + request.received
        request.received += self._fill(before, min(before + amount, request.end))
        ended = request.start + request.received == request.end
        self.tell(m.BytesReceived(request_id=request_id, received_bytes=request.received))
        late = amount % 4 == 1  # the end of a request may be told after its segments' verdicts
        if ended and not late and self._open.pop(request_id, None) is not None:
            self.tell(m.RequestFinished(request_id=request_id))

    def _is_open(self, request_id: int) -> bool:
        return request_id in self.scheduler._ledger.requests

    def _is_mixed(self, index: int) -> bool:
        return len(self.scheduler._ledger.partials[index].senders()) > 1

    def _fill(self, start: int, end: int) -> int:
        """Put bytes into memory as far as there is room; returns how many."""
        reached = start
        while reached < end:
            index = reached // SEGMENT
            stop = min(end, (index + 1) * SEGMENT)
            if index not in self._verified:
                if index not in self._filled and len(self._filled) >= self._config.max_in_flight_bytes // SEGMENT:
                    break
                self._filled.setdefault(index, []).append((reached, stop))
            reached = stop
        return reached - start

    def _forget(self, start: int, end: int) -> None:
        kept = []
        for low, high in self._filled.get(start // SEGMENT, ()):
            kept += [(low, min(high, start)), (max(low, end), high)]
        self._filled[start // SEGMENT] = [(low, high) for low, high in kept if low < high]
        if not self._filled[start // SEGMENT]:
            del self._filled[start // SEGMENT]

    def _complete(self) -> list[int]:
        complete = []
        for index, spans in sorted(self._filled.items()):
            reached = index * SEGMENT
            for low, high in sorted(spans):
                if low <= reached:
                    reached = max(reached, high)
            if reached == min(self._config.size_bytes, (index + 1) * SEGMENT):
                complete.append(index)
        return complete

    def _judge(self, index: int, *, right: bool, wrong: SourceId | None = None) -> None:
        if not right:
            self.tell(m.SegmentRejected(segment_index=index))
            del self._filled[index]
            return
        del self._filled[index]
        self._verified.add(index)
        self.tell(m.SegmentVerified(segment_index=index))
        if index in self._digested:
            self._digested.discard(index)
            named = () if wrong is None else (wrong,)
            self.tell(m.PartsCompared(segment_index=index, wrong_source_ids=named))


def _holdings(seed: int, segments: int) -> tuple[tuple[int, int], ...] | None:
    """Some runs that depend on a number only."""
    if seed % 5 == 0:
        return None
    runs = []
    place = seed % 4
    while place < segments:
        length = 1 + (seed + place) % 5
        runs.append((place, min(segments, place + length)))
        place += length + 1 + seed % 7
    return tuple(runs)
