"""A donor as a source of a download: between the scheduler's byte ranges, which may span segments, and the peer
protocol, which asks for parts of one segment at a time.

Rules:

1. A range is asked for segment by segment, at most `AHEAD` segments ahead of the one that is coming.
2. Bytes are copied into the part's own buffer as they come and are at once *processed*, which opens the donor's window;
   with a rate limit they are processed later. So no more waits than the parts that were asked for.
3. Progress is told in order. A part that is a whole segment is verified and written in a helper thread.
4. Stalls are the scheduler's business: it cancels, and asks elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor
from typing import Final, Protocol

from distribute_io.core import peer_taker
from distribute_io.core.peer_taker import PeerTaker, TakerAction, TakerConfig
from distribute_io.core.runs import Runs
from distribute_io.download.mirror import SegmentWriter
from distribute_io.download.ranges import OpenRange, RangeSink
from distribute_io.download.rate_limit import RateLimit
from distribute_io.errors import CODES, IntegrityError, SourceError, StoreError
from distribute_io.ids import SegmentIndex
from distribute_io.manifest.segments import verify_segment
from distribute_io.transport.peer_link import PeerLink, Proofs
from distribute_io.wire.frames import Frame, ReceiptFrame
from distribute_io.wire.proofs import receipt_mac

AHEAD: Final = 4
"""Segments asked for ahead: 8 gained nothing over 4 (measurements)."""

_REPORT_EVERY_S: Final = 0.05


class PeerSourceEvents(Protocol):
    """What a peer source tells the pool."""

    def on_holdings(self, holdings: Runs) -> None:
        """The donor proved itself and told what it holds, or holds something else now."""
        ...

    def on_greeted(self) -> None:
        """The donor proved itself. Bytes may come from now on."""
        ...

    def on_source_closed(self, code: str) -> None:
        """The connection is over. Comes once."""
        ...

    def on_accused(self) -> None:
        """The donor sent wrong bytes."""
        ...


class _Part:
    """One segment's share of a range."""

    __slots__ = ("buffer", "complete", "end_byte", "index", "part_id", "segment_start", "start_byte", "whole")

    def __init__(self, index: SegmentIndex, start_byte: int, end_byte: int, segment: tuple[int, int]) -> None:
        self.index = index
        self.start_byte = start_byte
        self.end_byte = end_byte
        self.segment_start = segment[0]
        self.whole = (start_byte, end_byte) == segment
        self.buffer = memoryview(bytearray(end_byte - segment[0]))
        self.part_id = 0
        self.complete = False


class _Range:
    __slots__ = ("ask_byte", "parts", "reported_at", "request")

    def __init__(self, request: OpenRange) -> None:
        self.request = request
        self.ask_byte = request.start_byte
        self.parts: list[_Part] = []
        self.reported_at = 0.0


class PeerSource:
    """A connected donor. The link's events are passed on by whoever owns the link."""

    def __init__(
        self,
        link: PeerLink,
        proofs: Proofs,
        *,
        receipt_secret: bytes,
        writer: SegmentWriter,
        sink: RangeSink,
        helper: Executor,
        limit: RateLimit | None,
        events: PeerSourceEvents,
    ) -> None:
        self._link = link
        self._receipt_secret = receipt_secret
        self._match_id = proofs.match_id
        self._writer = writer
        self._sink = sink
        self._helper = helper
        self._limit = limit
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._taker = PeerTaker(
            TakerConfig(match_id=proofs.match_id, own_proof=proofs.own_proof, peer_proof=proofs.peer_proof)
        )
        self._ranges: dict[int, _Range] = {}
        self._parts: dict[int, tuple[_Range, _Part]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    @property
    def open_ranges(self) -> int:
        """Ranges that the scheduler asked for and that have not ended."""
        return len(self._ranges)

    @property
    def round_trip_ms(self) -> int | None:
        """The shortest round trip to the donor so far; None before it told what it holds, which is when it is known."""
        return self._taker.round_trip_us // 1_000 or None

    # --- the link ---

    def opened(self) -> None:
        """The channel is open."""
        self._perform(self._taker.opened(_now_us()))

    def frame(self, frame: Frame) -> None:
        """The donor sent a frame."""
        self._perform(self._taker.receive(frame, _now_us()))

    def link_closed(self, code: str) -> None:
        """The connection is gone."""
        self._end(code)

    # --- Source ---

    def start(self, request: OpenRange) -> None:
        """Begin to fetch."""
        opened = self._ranges[request.request_id] = _Range(request)
        self._ask(opened)

    def shorten(self, request: OpenRange) -> None:
        """Parts beyond the new end are not wanted; one that spans it ends when enough of it came."""
        opened = self._ranges.get(request.request_id)
        if opened is None:
            return
        for part in [each for each in opened.parts if each.start_byte >= request.end_byte]:
            self._drop_part(opened, part)
        self._report(opened)

    def cancel(self, request: OpenRange) -> None:
        """Stop fetching."""
        opened = self._ranges.pop(request.request_id, None)
        if opened is not None:
            for part in list(opened.parts):
                self._drop_part(opened, part)

    def verified(self, size_bytes: int) -> None:
        """So many bytes of this donor were right: it gets a receipt now and then."""
        self._perform(self._taker.verified(size_bytes, _now_us()))

    def accuse(self) -> None:
        """This donor sent wrong bytes."""
        self._events.on_accused()

    def close(self) -> None:
        """Say goodbye, with a last receipt."""
        self._perform(self._taker.leave())

    # ---

    def _ask(self, opened: _Range) -> None:
        """Ask for the next parts of a range, as far ahead as is allowed."""
        request = opened.request
        size = self._writer.segment_size_bytes
        while (
            opened.ask_byte < request.end_byte
            and len(opened.parts) < AHEAD
            and self._taker.requests_free
            and not self._over
        ):
            index = SegmentIndex(opened.ask_byte // size)
            segment = (index * size, min((index + 1) * size, self._writer.size_bytes))
            part = _Part(index, opened.ask_byte, min(segment[1], request.end_byte), segment)
            part.part_id, actions = self._taker.request(
                self._writer.digest(index),
                part.start_byte - part.segment_start,
                part.end_byte - part.start_byte,
                _now_us(),
            )
            opened.parts.append(part)
            self._parts[part.part_id] = (opened, part)
            opened.ask_byte = part.end_byte
            self._perform(actions)

    def _drop_part(self, opened: _Range, part: _Part) -> None:
        opened.parts.remove(part)
        self._parts.pop(part.part_id, None)
        if not part.complete:
            self._perform(self._taker.cancel(part.part_id, _now_us()))

    def _perform(self, actions: list[TakerAction]) -> None:
        for action in actions:
            match action:
                case peer_taker.Deliver(part_id, offset, payload):
                    self._deliver(part_id, offset, payload)
                case peer_taker.Send(frame):
                    self._link.send(frame)
                case peer_taker.Completed(part_id):
                    self._complete(part_id)
                case peer_taker.Holdings(runs):
                    self._events.on_holdings(tuple((start, start + count) for start, count in runs))
                case peer_taker.SignReceipt(bytes_total):
                    mac = receipt_mac(self._receipt_secret, match_id=self._match_id, bytes_total=bytes_total)
                    self._link.send(ReceiptFrame(bytes_total, mac))
                case peer_taker.Refused(part_id, code):
                    self._refused(part_id, code)
                case peer_taker.Close(code):
                    self._end(code)
                case peer_taker.Greeted():
                    self._events.on_greeted()
        self._rearm()

    def _deliver(self, part_id: int, offset: int, payload: memoryview) -> None:
        asked = self._parts.get(part_id)
        if asked is not None:
            opened, part = asked
            part.buffer[offset : offset + len(payload)] = payload
            now = time.monotonic()
            if opened.parts[0] is part and now - opened.reported_at >= _REPORT_EVERY_S:
                opened.reported_at = now
                self._report(opened)
        delay_s = 0.0 if self._limit is None else self._limit.reserve(len(payload))
        if delay_s > 0:
            self._loop.call_later(delay_s, self._processed, len(payload))
        else:
            self._processed(len(payload))

    def _processed(self, size_bytes: int) -> None:
        self._perform(self._taker.processed(size_bytes, _now_us()))

    def _complete(self, part_id: int) -> None:
        opened, part = self._parts.pop(part_id, (None, None))
        if opened is None or part is None:
            return
        part.complete = True
        self._report(opened)
        if self._ranges.get(opened.request.request_id) is opened:
            self._ask(opened)

    def _report(self, opened: _Range) -> None:
        """Tell how far the range is, in order; settle the parts that are complete."""
        request = opened.request
        while opened.parts and not request.cancelled.is_set():
            part = opened.parts[0]
            if not part.complete:
                offset = self._taker.contiguous_end(part.part_id)
                position = part.segment_start + (offset or 0)
                if position > part.start_byte:
                    self._sink.on_progress(request, position, part.buffer)
                break
            opened.parts.pop(0)
            self._sink.on_progress(request, part.end_byte, part.buffer)
            if part.whole:
                self._settle(request, part)
        self._finish_if_done(opened)

    def _finish_if_done(self, opened: _Range) -> None:
        """The driver has closed a request whose end was reached; what is left of it here is dropped."""
        first = opened.parts[0] if opened.parts else None
        reached = opened.ask_byte if first is None else first.start_byte
        if first is not None and not first.complete:
            offset = self._taker.contiguous_end(first.part_id)
            reached = max(reached, first.segment_start + (offset or 0))
        if reached >= opened.request.end_byte and self._ranges.pop(opened.request.request_id, None) is not None:
            for part in list(opened.parts):
                self._drop_part(opened, part)

    def _settle(self, request: OpenRange, part: _Part) -> None:
        settled = self._loop.run_in_executor(self._helper, self._verify_and_write, part)
        settled.add_done_callback(lambda done: self._settled(request, part, done))

    def _verify_and_write(self, part: _Part) -> bool:
        """In a helper thread."""
        try:
            segment = verify_segment(part.buffer, self._writer.digest(part.index))
        except IntegrityError:
            return False
        self._writer.write(part.index, segment)
        return True

    def _settled(self, request: OpenRange, part: _Part, done: asyncio.Future[bool]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, StoreError):
            self._sink.on_store_failed(error)
        elif error is not None:
            raise error
        else:
            self._sink.on_whole_segment(request, part.index, right=done.result())

    def _refused(self, part_id: int, code: str) -> None:
        opened, refused = self._parts.pop(part_id, (None, None))
        if opened is None or refused is None:
            return
        opened.parts.remove(refused)
        self._ranges.pop(opened.request.request_id, None)
        for part in list(opened.parts):
            self._drop_part(opened, part)
        if code not in CODES["source"]:
            raise LookupError(f"a refusal's code {code} is not of the source family")
        self._sink.on_failed(opened.request, SourceError(code, f"the donor refused: {CODES['source'][code]}"))

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline_us = None if self._over else self._taker.next_deadline_us()
        if deadline_us is not None:
            delay_s = max(0, deadline_us - _now_us()) / 1_000_000
            self._timer = self._loop.call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._perform(self._taker.tick(_now_us()))

    def _end(self, code: str) -> None:
        if self._over:
            return
        self._over = True
        self._ranges.clear()
        self._parts.clear()
        self._rearm()
        self._link.close()
        self._events.on_source_closed(code)


def _now_us() -> int:
    return time.monotonic_ns() // 1000
