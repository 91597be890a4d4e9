"""Where every byte of the file stands, and which request fetches it (S1 to S4, S8).

A byte of a missing segment is in exactly one state: **open** (nobody fetches it), **fetched** (ahead of the position of
an open request, or of two if one hedges the other), or **there** (received, its segment not yet verified). The ledger
moves bytes between these states and answers questions; it decides nothing.

Segments that were rejected when several sources had sent them are **solo** (S13): open only as a whole, and apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from distribute_io.core.scheduler.intervals import Interval, IntervalSet
from distribute_io.core.scheduler.messages import SchedulerConfig
from distribute_io.core.scheduler.partial import PartialSegment, SentPart
from distribute_io.core.scheduler.requests import Request
from distribute_io.core.scheduler.sources import Source
from distribute_io.core.scheduler.tuning import ALIGN_BYTES
from distribute_io.ids import SourceId


class Received(NamedTuple):
    """What a `BytesReceived` brought."""

    fresh_bytes: int
    duplicate_bytes: int


class Ledger:
    """The state of every byte.

    Args:
        config: sizes and missing segments.
    """

    def __init__(self, config: SchedulerConfig) -> None:
        self.size_bytes = config.size_bytes
        self.segment_size_bytes = config.segment_size_bytes
        self.segments = -(-config.size_bytes // config.segment_size_bytes)
        self.missing = IntervalSet(((0, self.segments),) if config.missing is None and self.segments else ())
        if config.missing is not None:
            for first, end in config.missing:
                self.missing.add(max(0, first), min(end, self.segments))
        self.open = IntervalSet((self.start_of(first), self.end_of(end - 1)) for first, end in self.missing)
        self._segments_in_memory_max = config.max_in_flight_bytes // config.segment_size_bytes
        self._in_order = config.in_order
        self.partials: dict[int, PartialSegment] = {}
        self.requests: dict[int, Request] = {}
        self.solo: dict[int, frozenset[SourceId]] = {}
        """Solo segments and who had sent them when they were rejected."""
        self.solo_open: set[int] = set()
        self._fragments: set[int] = set()
        """Segments of which a part may be open: every cut inside a segment is noted here."""

    # Places

    def start_of(self, index: int) -> int:
        return index * self.segment_size_bytes

    def end_of(self, index: int) -> int:
        return min(self.size_bytes, (index + 1) * self.segment_size_bytes)

    def segment_at(self, byte: int) -> int:
        return byte // self.segment_size_bytes

    def segments_of(self, start: int, end: int) -> Interval:
        """The segments that `[start, end)` touches."""
        return start // self.segment_size_bytes, -(-end // self.segment_size_bytes)

    # Questions

    @property
    def unfetched_bytes(self) -> int:
        """Open bytes, those of solo segments too."""
        return self.open.total + sum(self.end_of(index) - self.start_of(index) for index in self.solo_open)

    @property
    def left_bytes(self) -> int:
        """Bytes that still have to come: open, or ahead of a request (hedges counted once)."""
        fetched = sum(
            request.remaining_bytes
            for request in self.requests.values()
            if request.rival is None or request.rival.request_id > request.request_id
        )
        return self.unfetched_bytes + fetched

    @property
    def window_end(self) -> int:
        """The first segment that may not be asked for yet (S17)."""
        for front, _ in self.missing if self._in_order else ():
            return min(self.segments, front + self._segments_in_memory_max)
        return self.segments

    @property
    def window_left_bytes(self) -> int:
        """What of `left_bytes` lies in the window: all of it, unless segments leave in order (S17)."""
        end = self.window_end
        if end == self.segments:
            return self.left_bytes
        return self.left_bytes - sum(high - low for low, high in self.open.within(self.start_of(end), self.size_bytes))

    def is_sink_awaited(self) -> bool:
        """Is all there that may be asked for, so that only the sink can move the window (S17)?"""
        if not self._in_order or self.requests:
            return False
        for front, _ in self.missing:
            partial = self.partials.get(front)
            return partial is not None and partial.missing_bytes == 0
        return False

    def pinned(self) -> set[int]:
        """The segments that occupy memory: partly or wholly there, or being entered by an open request (S4)."""
        pinned = set(self.partials)
        for request in self.requests.values():
            pinned.add(self.current_segment(request))
        return pinned

    def has_room(self, index: int) -> bool:
        """Is there memory for filling segment `index` (S4)?"""
        pinned = self.pinned()
        return index in pinned or len(pinned) < self._segments_in_memory_max

    def is_memory_full(self) -> bool:
        """Is no memory left for a segment that has none yet (S4)?"""
        return len(self.pinned()) >= self._segments_in_memory_max

    def is_awaiting(self) -> bool:
        """Is any segment wholly there and not yet verified?"""
        return any(partial.missing_bytes == 0 for partial in self.partials.values())

    def is_held_up(self) -> bool:
        """Does our own checking hold the sources up (S4)?"""
        return self.is_awaiting() and self.is_memory_full()

    def current_segment(self, request: Request) -> int:
        """The segment that a request fills now."""
        return self.segment_at(min(request.position, request.end - 1))

    def may_mix(self, request: Request) -> bool:
        """May another source deliver a part of the segment that this request fills (S13)?"""
        return not request.source.suspected and self.current_segment(request) not in self.solo

    def is_there(self, start: int, end: int) -> bool:
        """Are all bytes of `[start, end)`, which lie in one segment, received?"""
        partial = self.partials.get(self.segment_at(start))
        return partial is not None and not partial.gaps(start, end)

    def is_fetched(self, start: int, end: int) -> bool:
        """Does any open request still have to deliver any of `[start, end)`?"""
        return any(max(request.position, start) < min(request.end, end) for request in self.requests.values())

    def fragments(self) -> Iterator[Interval]:
        """The open runs inside segments that are not open as a whole, ascending."""
        for index in sorted(self._fragments):
            start, end = self.start_of(index), self.end_of(index)
            runs = list(self.open.within(start, end))
            if not runs or runs[0] == (start, end):
                self._fragments.discard(index)
            else:
                yield from runs

    def whole_run(self, first: int, end: int) -> Interval | None:
        """The first run of wholly open segments among `[first, end)` and in the window, as segments."""
        end = min(end, self.window_end)
        if first >= end:
            return None
        for low, high in self.open.within(self.start_of(first), self.end_of(end - 1)):
            run_first = -(-low // self.segment_size_bytes)
            run_end = end if high == self.end_of(end - 1) else high // self.segment_size_bytes
            if run_first < run_end:
                return run_first, run_end
        return None

    # Changes

    def start(self, request: Request) -> None:
        """A request opens; its bytes are not open any more."""
        self.requests[request.request_id] = request
        request.source.requests.append(request)
        first, end = self.segments_of(request.start, request.end)
        if end - first == 1:
            self.solo_open.discard(first)
        self._close_bytes(request.start, request.end)

    def shorten(self, request: Request, end: int) -> None:
        """A request gives up what is behind `end`, which becomes open."""
        old_end, request.end = request.end, end
        self.release(end, old_end)

    def receive(self, request: Request, received_bytes: int) -> Received:
        """A request has come to `received_bytes` from its start; earlier figures and surplus do not count."""
        target = min(request.start + received_bytes, request.end)
        fresh = duplicate = 0
        while request.position < target:
            index = self.segment_at(request.position)
            stop = min(target, self.end_of(index))
            count = stop - request.position
            added = 0
            if self.missing.holds(index, index + 1):
                partial = self.partials.get(index)
                if partial is None:
                    partial = self.partials[index] = PartialSegment(self.start_of(index), self.end_of(index))
                added = partial.add(request.position, stop, request.source)
                self._close_bytes(request.position, stop)
            fresh += added
            duplicate += count - added
            request.position = stop
        return Received(fresh, duplicate)

    def finish(self, request: Request) -> None:
        """A request is over; what it did not deliver becomes open, unless its rival fetches it."""
        del self.requests[request.request_id]
        request.source.requests.remove(request)
        if request.rival is not None:
            request.rival.rival = None
            request.rival = None
        self.release(request.position, request.end)

    def release(self, start: int, end: int) -> None:
        """Make open what of `[start, end)` is missing, not there and not fetched by any request."""
        if start >= end:
            return
        freed = IntervalSet()
        for first, stop in self.missing.within(*self.segments_of(start, end)):
            freed.add(max(start, self.start_of(first)), min(end, self.end_of(stop - 1)))
        for partial in self.partials.values():
            if partial.start < end and start < partial.end:
                for part in partial.parts:
                    freed.remove(part.start, part.end)
        for request in self.requests.values():
            freed.remove(request.position, request.end)
        for index in sorted(self.solo):
            low, high = self.start_of(index), self.end_of(index)
            if low < end and start < high:
                freed.remove(low, high)
                if index not in self.partials and not self.is_fetched(low, high):
                    self.solo_open.add(index)
        for low, high in freed:
            self.open.add(low, high)
            self._note_cut(low)
            self._note_cut(high)

    def drop(self, start: int, end: int, source: Source | None) -> list[SentPart]:
        """Forget what is there in `[start, end)`, which lies in one segment, from `source` (None: anybody)."""
        index = self.segment_at(start)
        partial = self.partials.get(index)
        if partial is None:
            return []
        dropped = partial.drop(start, end, source)
        if not partial.parts:
            del self.partials[index]
        for part in dropped:
            self.release(part.start, part.end)
        return dropped

    def verify(self, index: int) -> tuple[SentPart, ...]:
        """A segment is verified: it is not missing any more. Returns who sent what."""
        partial = self.partials.pop(index, None)
        self.missing.remove(index, index + 1)
        self.solo.pop(index, None)
        self.solo_open.discard(index)
        self._fragments.discard(index)
        self.open.remove(self.start_of(index), self.end_of(index))
        return () if partial is None else partial.parts

    def reject(self, index: int, *, solo: bool) -> tuple[SentPart, ...]:
        """A segment is rejected: all of it is open again, as a solo segment if so wanted. Returns who sent what."""
        partial = self.partials.pop(index, None)
        parts = () if partial is None else partial.parts
        if solo:
            self.solo[index] = frozenset(part.source.source_id for part in parts)
        self.release(self.start_of(index), self.end_of(index))
        return parts

    def _close_bytes(self, start: int, end: int) -> None:
        self.open.remove(start, end)
        self._note_cut(start)
        self._note_cut(end)

    def _note_cut(self, byte: int) -> None:
        if byte % self.segment_size_bytes and byte != self.size_bytes:
            self._fragments.add(self.segment_at(byte))


def align_down(byte: int) -> int:
    """The last place at or before `byte` where a range may begin (S2)."""
    return byte - byte % ALIGN_BYTES


def align_up(byte: int) -> int:
    """The first place at or after `byte` where a range may begin (S2)."""
    return -(-byte // ALIGN_BYTES) * ALIGN_BYTES
