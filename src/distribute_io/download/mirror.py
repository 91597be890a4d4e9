"""One mirror as a source: a few threads, each with a connection of its own.

Each connection has two threads: one reads into segment buffers, the other hashes and writes those that are whole,
while the next one fills. `recv_into`, SHA-256 and `pwrite` free the GIL, so they use two processors. A few buffers go
round: when all of them wait to be hashed, reading waits, and TCP slows the mirror down.
"""

from __future__ import annotations

import mmap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final, Protocol

from msgspec import Struct

from distribute_io.download.ranges import OpenRange, RangeSink
from distribute_io.download.rate_limit import RateLimit
from distribute_io.errors import IntegrityError, SourceError, StoreError
from distribute_io.ids import SegmentDigest, SegmentIndex
from distribute_io.manifest.segments import VerifiedSegment, verify_segment
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.http_source import HttpSource, RangeBody

_CHUNK_BYTES_START: Final = 16_384
_CHUNK_BYTES_MIN: Final = 4_096
_CHUNK_QUICK_S: Final = 0.02
_CHUNK_SLOW_S: Final = 0.1
_BUFFERS_MAX: Final = 6
"""Segment buffers of one connection: one fills, one is hashed, some wait for the whole file's digest."""

_REPORT_EVERY_S: Final = 0.1
"""Progress within a segment is told this often: enough for a stall clock of 2 s and a lively display."""


class SegmentWriter(Protocol):
    """What a mirror needs of the file that is being downloaded. Used from many threads."""

    @property
    def segment_size_bytes(self) -> int:
        """Size of every segment but the last."""
        ...

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        ...

    def digest(self, index: SegmentIndex) -> SegmentDigest:
        """The SHA-256 that the segment must have."""
        ...

    def write(self, index: SegmentIndex, segment: VerifiedSegment) -> None:
        """Write it. Raises `StoreError`."""
        ...

    def written(self, index: SegmentIndex, view: memoryview, release: Callable[[], None]) -> None:
        """The segment is written, and its bytes are still in memory: they may be of use until `release` is called."""
        ...


Post = Callable[[Callable[[], None]], None]
"""Runs a function on the loop, after those posted before it; callable from any thread."""


class MirrorParts(Struct, frozen=True, kw_only=True):
    """What a mirror and its threads share."""

    url: str
    writer: SegmentWriter
    sink: RangeSink
    post: Post
    policy: HttpPolicy
    limit: RateLimit | None


class MirrorSource:
    """A mirror with up to `connections_max` connections, made as they are needed."""

    def __init__(self, parts: MirrorParts, *, connections_max: int) -> None:
        self._parts = parts
        self._connections_max = connections_max
        self._waiting: SimpleQueue[OpenRange | None] = SimpleQueue()
        self._threads: list[_MirrorThread] = []
        self._unfinished = 0

    @property
    def last_modified_s(self) -> int | None:
        """When its file was last changed, by its own word; None when it does not say, or has not answered yet."""
        said = [thread.last_modified_s for thread in self._threads]
        return max((moment for moment in said if moment is not None), default=None)

    def start(self, request: OpenRange) -> None:
        """Give the request to an idle connection, or to a new one."""
        self._unfinished += 1
        if self._unfinished > len(self._threads) and len(self._threads) < self._connections_max:
            thread = _MirrorThread(self._parts, self._waiting, self._is_over)
            self._threads.append(thread)
            thread.start()
        self._waiting.put(request)

    def shorten(self, request: OpenRange) -> None:
        """The thread sees the new end before its next read."""

    def cancel(self, request: OpenRange) -> None:
        """Wake the thread that reads for this request, however long the mirror is silent."""
        request.cancelled.set()
        for thread in self._threads:
            thread.abort(request)

    def verified(self, size_bytes: int) -> None:
        """Mirrors get no receipts."""

    def accuse(self) -> None:
        """There is nobody to tell: the driver names banned mirrors."""

    def close(self) -> None:
        """End all threads; those that wait for the mirror are woken."""
        for thread in self._threads:
            thread.close()
        for _ in self._threads:
            self._waiting.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait until the threads have ended, so that none of them writes any more."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _is_over(self) -> None:
        self._unfinished -= 1


class _MirrorThread(threading.Thread):
    def __init__(self, parts: MirrorParts, waiting: SimpleQueue[OpenRange | None], on_over: Callable[[], None]) -> None:
        super().__init__(name="mirror", daemon=True)
        self._parts = parts
        self._writer = parts.writer
        self._waiting = waiting
        self._on_over = on_over
        self._source = self._new_source()
        self._current: OpenRange | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._helper = ThreadPoolExecutor(2, thread_name_prefix="settle")
        # Buffers that came back; None for one that somebody else kept.
        self._free: SimpleQueue[mmap.mmap | None] = SimpleQueue()
        self._buffers = 0
        self._chunk_bytes = _CHUNK_BYTES_START
        self.last_modified_s: int | None = None

    def abort(self, request: OpenRange) -> None:
        with self._lock:
            if self._current is request:
                self._source.abort()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._source.abort()

    def run(self) -> None:
        while (request := self._waiting.get()) is not None and not self._closed:
            with self._lock:
                self._current = request
            try:
                if not request.cancelled.is_set():
                    self._fetch(request)
            except SourceError as error:
                self._report_failure(request, error)
            with self._lock:
                self._current = None
                if request.cancelled.is_set() and not self._closed:
                    self._source.drop()
                    self._source = self._new_source()  # an aborted one is of no use any more
            self._parts.post(self._on_over)
        self._source.drop()
        self._helper.shutdown(wait=True, cancel_futures=True)

    def _new_source(self) -> HttpSource:
        return HttpSource(self._parts.url, size_bytes=self._writer.size_bytes, policy=self._parts.policy)

    def _fetch(self, request: OpenRange) -> None:
        body = self._source.open_range(request.start_byte, request.end_byte)
        self.last_modified_s = self._source.last_modified_s
        position = request.start_byte
        while position < request.end_byte and not request.cancelled.is_set():
            index = SegmentIndex(position // self._writer.segment_size_bytes)
            position = self._fetch_segment(request, body, index, position)
        if body.remaining:
            self._source.drop()

    def _fetch_segment(self, request: OpenRange, body: RangeBody, index: SegmentIndex, position: int) -> int:
        """Read the request's part of one segment, and settle it if it is whole. Returns the new position."""
        start = index * self._writer.segment_size_bytes
        end = min(start + self._writer.segment_size_bytes, self._writer.size_bytes)
        begin = position
        memory = self._take_buffer()
        buffer = memoryview(memory)[: end - start]
        reported_at = time.monotonic()
        while position < min(end, request.end_byte) and not request.cancelled.is_set():
            position += self._read(request, body, buffer[position - start : min(end, request.end_byte) - start])
            now = time.monotonic()
            if position < end and now - reported_at >= _REPORT_EVERY_S:
                reported_at = now
                self._post_progress(request, position, buffer)
        self._post_progress(request, position, buffer)
        if begin == start and position == end:
            self._helper.submit(self._settle, request, index, buffer, memory)
        else:
            self._free.put(None)  # the buffer is the driver's now, who puts mixed segments together
        return position

    def _read(self, request: OpenRange, body: RangeBody, room: memoryview) -> int:
        limit = self._parts.limit
        size_bytes = min(len(room), self._chunk_bytes)
        if limit is not None:
            size_bytes = min(size_bytes, limit.chunk_bytes_max)
            limit.wait(size_bytes, request.cancelled)
        began = time.monotonic()
        count = body.readinto(room[:size_bytes])
        took = time.monotonic() - began
        # Long reads cost least; short ones show progress, and let a request be shortened, in time.
        if took < _CHUNK_QUICK_S:
            self._chunk_bytes = min(2 * self._chunk_bytes, self._writer.segment_size_bytes)
        elif took > _CHUNK_SLOW_S:
            self._chunk_bytes = max(self._chunk_bytes // 2, _CHUNK_BYTES_MIN)
        return count

    def _settle(self, request: OpenRange, index: SegmentIndex, buffer: memoryview, memory: mmap.mmap) -> None:
        """In the helper thread."""
        try:
            segment = verify_segment(buffer, self._writer.digest(index))
            self._writer.write(index, segment)
        except IntegrityError:
            self._free.put(None)  # the driver may want to know whose bytes these were
            self._post_whole(request, index, right=False)
        except StoreError as error:
            self._free.put(None)
            self._post_store_failure(error)
        else:
            self._post_whole(request, index, right=True)
            self._writer.written(index, buffer, lambda: self._free.put(memory))

    def _take_buffer(self) -> mmap.mmap:
        if self._free.empty() and self._buffers < _BUFFERS_MAX:
            self._buffers += 1
            return self._new_buffer()
        return self._free.get() or self._new_buffer()

    def _new_buffer(self) -> mmap.mmap:
        # From mmap, as that begins at a page: into a bytearray, which does not, the kernel copies more slowly.
        return mmap.mmap(-1, min(self._writer.segment_size_bytes, self._writer.size_bytes))

    def _post_progress(self, request: OpenRange, position: int, buffer: memoryview) -> None:
        self._parts.post(lambda: self._parts.sink.on_progress(request, position, buffer))

    def _post_whole(self, request: OpenRange, index: SegmentIndex, *, right: bool) -> None:
        self._parts.post(lambda: self._parts.sink.on_whole_segment(request, index, right=right))

    def _report_failure(self, request: OpenRange, error: SourceError) -> None:
        self._parts.post(lambda: self._parts.sink.on_failed(request, error))

    def _post_store_failure(self, error: StoreError) -> None:
        self._parts.post(lambda: self._parts.sink.on_store_failed(error))
