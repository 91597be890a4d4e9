"""The driver of one download: performs what the scheduler decides, and tells it what happened.

All of it runs on one asyncio loop; threads of mirrors report through `post`. What it adds to the scheduler is the
memory in between: whose buffer holds which bytes of an unverified segment.

Rules:

1. Bytes count only by `on_progress`, in the order in which the scheduler hears of them: so both name the same source
   when a segment turns out to be wrong.
2. A segment that one request delivered whole is verified and written by that source's thread. One of mixed origin is
   put together from the sources' buffers, verified and written in a helper thread.
3. A segment is verified once; whatever else arrives for it is dropped. What is written was verified: see `PartFile`.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct, field

from distribute_io.core.mirror_answer import FailureRow
from distribute_io.core.runs import Runs
from distribute_io.core.scheduler import messages as m
from distribute_io.core.scheduler.scheduler import Scheduler
from distribute_io.core.segment_parts import Piece, SegmentParts
from distribute_io.download.bursts import Bursts
from distribute_io.download.ranges import OpenRange, Source
from distribute_io.download.segment_file import SegmentFile
from distribute_io.errors import DistributeError, IntegrityError, SourceError, StoreError
from distribute_io.ids import SegmentIndex, SourceId
from distribute_io.manifest.segments import segment_range, verify_segment


class _Assembly(Struct, eq=False):
    """One unverified segment of which bytes have come."""

    parts: SegmentParts
    buffers: dict[int, memoryview] = field(default_factory=dict)
    """By request; each begins at the segment's start."""
    joining: bool = False


class _Open(Struct, eq=False):
    request: OpenRange
    source_id: SourceId
    position_byte: int


_DEPARTED_MAX = 64
"""Peers that left of which a wrong segment may still come to light."""


class GaveUpError(Exception):
    """The scheduler gave up. The caller makes the error that people read, out of `action` and the source table."""

    def __init__(self, action: m.Fail) -> None:
        super().__init__(action.code)
        self.action = action


class Driver:
    """One round of a download: fetches the segments that `held` lacks.

    Caller's duties: construct it on the loop, `add_source` what there is (now or later), await `run`, then `close`.
    """

    def __init__(
        self,
        file: SegmentFile,
        *,
        config: m.SchedulerConfig,
        held: Runs,
        on_front: Callable[[int], None],
        on_dropped: Callable[[SourceId, str], None] = lambda _source_id, _code: None,
    ) -> None:
        self._file = file
        self._loop = asyncio.get_running_loop()
        self._scheduler = Scheduler(config, _now_us())
        self._on_front = on_front
        self._on_dropped = on_dropped
        self._on_kept: Callable[[], None] = lambda: None
        self._sources: dict[SourceId, Source] = {}
        self._departed: dict[SourceId, Source] = {}
        self._failures: dict[SourceId, FailureRow] = {}
        self._open: dict[int, _Open] = {}
        self._source_of: dict[int, SourceId] = {}
        self._assemblies: dict[int, _Assembly] = {}
        self._rejected: tuple[int, int, bytearray] | None = None
        self._accused: dict[int, list[tuple[m.Part, bytes]]] = {}
        self._segments = -(-file.size_bytes // file.segment_size_bytes) if file.size_bytes else 0
        self._verified = bytearray(self._segments)
        for start, end in held:
            self._verified[start:end] = b"\x01" * (end - start)
        self._front = 0
        self._received: dict[int, int] = {}
        self._settled: list[m.Event] = []
        self._events: deque[m.Event] = deque()
        self._handling = False
        self._bursts = Bursts(on_over=self._on_burst_over)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_us = 0
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._joiner = ThreadPoolExecutor(1, thread_name_prefix="join")
        self.segments_rejected = 0
        self.banned: dict[SourceId, str] = {}

    # --- for the owner ---

    async def run(self) -> None:
        """Fetch until everything is verified.

        Raises:
            GaveUpError: the scheduler gave up.
            StoreError: our own disk failed.
            DistributeError: what `fail` was told.
        """
        self._advance_front()
        self._rearm()
        await self._over

    def notify_kept(self, callback: Callable[[], None]) -> None:
        """Call this whenever a segment more was kept."""
        self._on_kept = callback

    def fail(self, error: DistributeError) -> None:
        """End the download: `run` raises this."""
        self._end(error)

    def add_source(
        self,
        source_id: SourceId,
        source: Source,
        *,
        kind: m.SourceKind,
        holdings: Runs | None,
        slots: int,
        host: str | None = None,
    ) -> None:
        """A source can be asked from now on. Sources of one `host` share its connections."""
        self._sources[source_id] = source
        self._failures[source_id] = FailureRow()
        self._feed(m.SourceAdded(source_id=source_id, kind=kind, holdings=holdings, slots=slots, host=host))

    def change_holdings(self, source_id: SourceId, holdings: Runs) -> None:
        """A peer said what it holds now."""
        if source_id in self._sources:
            self._feed(m.HoldingsChanged(source_id=source_id, holdings=holdings))

    def remove_source(self, source_id: SourceId, reason: str) -> None:
        """A peer is gone; `reason` is a code of spec/errors.md."""
        source = self._sources.pop(source_id, None)
        if source is None:
            return
        self._departed[source_id] = source
        if len(self._departed) > _DEPARTED_MAX:
            del self._departed[next(iter(self._departed))]
        for request_id, opened in list(self._open.items()):
            if opened.source_id == source_id:
                opened.request.cancelled.set()
                del self._open[request_id]
        self._feed(m.SourceRemoved(source_id=source_id, reason=reason))

    def source_table(self) -> Sequence[m.SourceStatus]:
        """Who is asked, and what came of it."""
        return self._scheduler.sources()

    def is_verified(self, index: int) -> bool:
        """Whether a segment is there and right."""
        return self._verified[index] == 1

    @property
    def verified_segments(self) -> int:
        """How many segments are there and right."""
        return self._verified.count(1)

    def missing(self) -> Runs:
        """The segments that are still to come."""
        runs: list[tuple[int, int]] = []
        at = self._verified.find(0)
        while at >= 0:
            end = self._verified.find(1, at)
            end = self._segments if end < 0 else end
            runs.append((at, end))
            at = self._verified.find(0, end)
        return tuple(runs)

    def post(self, function: Callable[[], None]) -> None:
        """Run `function` on the loop, after those posted before it; callable from any thread."""
        self._bursts.post(function)

    def close(self) -> None:
        """End all sources. Threads may still be about to end: see `MirrorSource.join`."""
        if self._timer is not None:
            self._timer.cancel()
        for opened in self._open.values():
            opened.request.cancelled.set()
        self._open.clear()
        for source in list(self._sources.values()):  # closing a peer removes it from the table
            source.close()
        self._joiner.shutdown(wait=True, cancel_futures=True)

    # --- RangeSink ---

    def on_progress(self, request: OpenRange, position_byte: int, buffer: memoryview) -> None:
        """See `RangeSink`."""
        opened = self._open.get(request.request_id)
        if opened is None:
            return
        position = min(position_byte, request.end_byte)
        if position > opened.position_byte:
            self._failures[opened.source_id].delivered()
            self._credit(request.request_id, opened.position_byte, position, buffer)
            opened.position_byte = position
            self._received[request.request_id] = position - request.start_byte
            self._tell_after_burst()
        self._finish_if_done(opened)

    def on_whole_segment(self, request: OpenRange, index: SegmentIndex, *, right: bool) -> None:
        """See `RangeSink`."""
        if self._verified[index]:
            return
        if right:
            self._settle_right(index)
            return
        assembly = self._assemblies.get(index)
        # If others' bytes count for this segment, then it is judged by those: see `_join`.
        if assembly is not None and assembly.parts.sole_request_id == request.request_id:
            self._settle_wrong(index, assembly, None)

    def on_failed(self, request: OpenRange, error: SourceError) -> None:
        """See `RangeSink`."""
        opened = self._open.pop(request.request_id, None)
        if opened is not None:
            self._feed(
                m.RequestFailed(
                    request_id=request.request_id,
                    reason=error.code,
                    permanent=self._failures[opened.source_id].failed(error.code),
                    retry_after_us=error.retry_after_us,
                )
            )

    def on_store_failed(self, error: StoreError) -> None:
        """See `RangeSink`."""
        self._end(error)

    # --- segments ---

    def _credit(self, request_id: int, start_byte: int, end_byte: int, buffer: memoryview) -> None:
        """Note whose bytes these are. A stretch lies within one segment but for its first byte's: see `RangeSink`."""
        index = (end_byte - 1) // self._file.segment_size_bytes
        if self._verified[index]:
            return
        segment_start, segment_end = segment_range(self._file.size_bytes, SegmentIndex(index))
        assembly = self._assemblies.get(index)
        if assembly is None:
            assembly = self._assemblies[index] = _Assembly(SegmentParts(segment_start, segment_end))
        assembly.buffers[request_id] = buffer
        assembly.parts.add(max(start_byte, segment_start), end_byte, request_id=request_id)
        if assembly.parts.complete and assembly.parts.sole_request_id is None:
            self._join(index, assembly)

    def _join(self, index: int, assembly: _Assembly) -> None:
        if assembly.joining:
            return
        assembly.joining = True
        pieces = assembly.parts.pieces
        buffers = dict(assembly.buffers)
        joined = self._loop.run_in_executor(self._joiner, self._join_and_write, SegmentIndex(index), pieces, buffers)
        joined.add_done_callback(lambda done: self._joined(index, assembly, done))

    def _join_and_write(
        self, index: SegmentIndex, pieces: Sequence[Piece], buffers: dict[int, memoryview]
    ) -> bytearray | None:
        """In the helper thread. Returns the bytes if they are wrong, None if they were right and are written."""
        start, end = segment_range(self._file.size_bytes, index)
        whole = bytearray(end - start)
        for piece in pieces:
            span = slice(piece.start_byte - start, piece.end_byte - start)
            whole[span] = buffers[piece.request_id][span]
        try:
            segment = verify_segment(whole, self._file.digest(index))
        except IntegrityError:
            return whole
        self._file.write(index, segment)
        return None

    def _joined(self, index: int, assembly: _Assembly, done: asyncio.Future[bytearray | None]) -> None:
        if done.cancelled() or self._over.done():
            return
        error = done.exception()
        if error is not None:
            self._end(error)
        elif self._verified[index] or self._assemblies.get(index) is not assembly:
            return
        elif (wrong := done.result()) is None:
            self._settle_right(SegmentIndex(index))
        else:
            self._settle_wrong(SegmentIndex(index), assembly, wrong)

    def _settle_right(self, index: SegmentIndex) -> None:
        self._file.when_kept(index, lambda: self._settle_kept(index))

    def _settle_kept(self, index: SegmentIndex) -> None:
        if self._verified[index]:
            return
        self._verified[index] = 1
        self._on_kept()
        assembly = self._assemblies.pop(index, None)
        if assembly is not None:
            self._thank(assembly.parts.pieces)
        self._advance_front()
        self._settled.append(m.SegmentVerified(segment_index=index))
        accused = self._accused.pop(index, None)
        if accused is not None:
            self._settled.append(m.PartsCompared(segment_index=index, wrong_source_ids=self._liars(accused)))
        self._tell_after_burst()

    def _thank(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            source = self._sources.get(self._source_of[piece.request_id])
            if source is not None:
                source.verified(piece.end_byte - piece.start_byte)

    def _settle_wrong(self, index: SegmentIndex, assembly: _Assembly, joined: bytearray | None) -> None:
        self.segments_rejected += 1
        del self._assemblies[index]
        if joined is not None:
            start, _ = segment_range(self._file.size_bytes, index)
            # The scheduler may ask by `DigestParts` who sent what; the bytes are gone after this.
            self._rejected = (index, start, joined)
        self._feed(m.SegmentRejected(segment_index=index))

    def _liars(self, accused: list[tuple[m.Part, bytes]]) -> tuple[SourceId, ...]:
        """Whose part of the rejected bytes differs from the right ones, which are in the file now."""
        wrong: set[SourceId] = set()
        for part, digest in accused:
            right = bytearray(part.end_byte - part.start_byte)
            self._file.read(part.start_byte, memoryview(right))
            if hashlib.sha256(right).digest() != digest:
                wrong.add(part.source_id)
        return tuple(sorted(wrong))

    def _advance_front(self) -> None:
        if self._front < self._segments and self._verified[self._front]:
            front = self._verified.find(0, self._front)
            self._front = self._segments if front < 0 else front
        self._on_front(min(self._front * self._file.segment_size_bytes, self._file.size_bytes))

    # --- the scheduler ---

    def _feed(self, event: m.Event) -> None:
        """Tell the scheduler, after what the burst brought before it."""
        self._gather()
        self._events.append(event)
        self._handle_events()

    def _tell_after_burst(self) -> None:
        """Tell the scheduler how far the requests are, in a burst of posts at its end: then once for each request."""
        if not self._bursts.running:
            self._gather()
            self._handle_events()

    def _gather(self) -> None:
        received, self._received = self._received, {}
        settled, self._settled = self._settled, []
        for request_id, received_bytes in received.items():
            self._events.append(m.BytesReceived(request_id=request_id, received_bytes=received_bytes))
        self._events += settled  # a segment is settled after its bytes have come, never before

    def _handle_events(self) -> None:
        """Do what the scheduler says to all that it was not told yet; what happens meanwhile waits its turn."""
        if self._handling or self._over.done():
            return
        self._handling = True
        try:
            while self._events and not self._over.done():
                for action in self._scheduler.handle(self._events.popleft(), _now_us()):
                    self._perform(action)
        finally:
            self._handling = False
        if not self._bursts.running:
            self._rearm()

    def _perform(self, action: m.Action) -> None:
        match action:
            case m.StartRequest():
                self._start(action)
            case m.ShortenRequest(request_id=request_id, end_byte=end_byte):
                self._shorten(request_id, end_byte)
            case m.CancelRequest(request_id=request_id):
                self._cancel(request_id)
            case m.DiscardBytes(start_byte=start, end_byte=end):
                assembly = self._assemblies.get(start // self._file.segment_size_bytes)
                if assembly is not None:
                    assembly.parts.discard(start, end)
            case m.DigestParts(segment_index=index, parts=parts):
                self._keep_digests(index, parts)
            case m.BanSource(source_id=source_id, reason=reason):
                self.banned[source_id] = reason
                liar = self._sources.get(source_id) or self._departed.get(source_id)
                if liar is not None:
                    liar.accuse()
                self._drop_source(source_id)
                self._on_dropped(source_id, reason)
            case m.ExcludeSource(source_id=source_id, reason=reason):
                self._drop_source(source_id)
                self._on_dropped(source_id, reason)
            case m.ProbateSource():
                pass  # for the display only, which reads the source table
            case m.Complete():
                self._end(None)
            case m.Fail():
                self._end(GaveUpError(action))

    def _start(self, action: m.StartRequest) -> None:
        request = OpenRange(action.request_id, action.start_byte, action.end_byte)
        self._open[action.request_id] = _Open(request, action.source_id, action.start_byte)
        self._source_of[action.request_id] = action.source_id
        self._sources[action.source_id].start(request)

    def _shorten(self, request_id: int, end_byte: int) -> None:
        opened = self._open.get(request_id)
        if opened is None:
            return
        opened.request.end_byte = end_byte
        self._sources[opened.source_id].shorten(opened.request)
        self._finish_if_done(opened)

    def _cancel(self, request_id: int) -> None:
        opened = self._open.pop(request_id, None)
        if opened is not None:
            opened.request.cancelled.set()
            self._sources[opened.source_id].cancel(opened.request)

    def _finish_if_done(self, opened: _Open) -> None:
        request = opened.request
        if opened.position_byte >= request.end_byte and self._open.pop(request.request_id, None) is not None:
            self._feed(m.RequestFinished(request_id=request.request_id))

    def _keep_digests(self, index: int, parts: Sequence[m.Part]) -> None:
        # Without the right bytes to compare with, rule S13 finds the liar by whole segments.
        if self._rejected is None or self._rejected[0] != index or not self._file.is_readable:
            return
        _, start, wrong = self._rejected
        view = memoryview(wrong)
        self._accused[index] = [
            (part, hashlib.sha256(view[part.start_byte - start : part.end_byte - start]).digest()) for part in parts
        ]
        self._rejected = None

    def _drop_source(self, source_id: SourceId) -> None:
        source = self._sources.pop(source_id, None)
        if source is not None:
            for request_id in [key for key, opened in self._open.items() if opened.source_id == source_id]:
                self._open.pop(request_id).request.cancelled.set()
            source.close()

    def _rearm(self) -> None:
        """See to it that a timer goes off at the scheduler's deadline, or before: then it is set again."""
        deadline_us = None if self._over.done() else self._scheduler.next_deadline_us()
        if deadline_us is None or (self._timer is not None and self._timer_us <= deadline_us):
            return  # deadlines mostly move on with each event: a timer for each of them would only be cancelled
        if self._timer is not None:
            self._timer.cancel()
        self._timer_us = deadline_us
        delay_s = max(0, deadline_us - _now_us()) / 1_000_000
        self._timer = self._loop.call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        deadline_us = self._scheduler.next_deadline_us()
        if deadline_us is not None and _now_us() >= deadline_us:
            self._feed(m.DeadlineReached())
        else:
            self._rearm()

    def _end(self, error: BaseException | None) -> None:
        if self._over.done():
            return
        self._bursts.close()
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    def _on_burst_over(self) -> None:
        self._tell_after_burst()
        self._rearm()


def _now_us() -> int:
    return time.monotonic_ns() // 1000
