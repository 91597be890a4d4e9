"""What the driver of a download and its sources tell each other about one open request.

Rules:

1. A source fills buffers of its own, one for each segment that a request touches: two sources never write into the same
   memory, so bytes cannot change after they were hashed.
2. What a source reports comes on the loop, in order. The driver ignores what it has cancelled.
3. Whoever delivered a whole segment verifies and writes it itself (threads do this in parallel) and reports the
   outcome; segments of mixed origin are put together by the driver.
"""

from __future__ import annotations

import threading
from typing import Protocol

from distribute_io.errors import SourceError, StoreError
from distribute_io.ids import SegmentIndex


class OpenRange:
    """One request: `[start_byte, end_byte)` of the file. `end_byte` may shrink, and `cancelled` may become true.

    Both are read by the source's thread without a lock: a plain attribute is enough, as an old value only costs a few
    bytes that are thrown away.
    """

    __slots__ = ("cancelled", "end_byte", "request_id", "start_byte")

    def __init__(self, request_id: int, start_byte: int, end_byte: int) -> None:
        self.request_id = request_id
        self.start_byte = start_byte
        self.end_byte = end_byte
        self.cancelled = threading.Event()


class RangeSink(Protocol):
    """What a source reports to the driver, on the loop."""

    def on_progress(self, request: OpenRange, position_byte: int, buffer: memoryview) -> None:
        """Everything from the request's start to `position_byte` has come.

        `buffer` is that of the segment which holds the byte before `position_byte`; it is the driver's to read until
        the segment is verified. Reported at least once for each segment, at its (or the request's) end.
        """
        ...

    def on_whole_segment(self, request: OpenRange, index: SegmentIndex, *, right: bool) -> None:
        """The request delivered all of this segment. `right`: its digest fits, and it is written."""
        ...

    def on_failed(self, request: OpenRange, error: SourceError) -> None:
        """The request ended before its end."""
        ...

    def on_store_failed(self, error: StoreError) -> None:
        """Our own disk failed: the download cannot go on."""
        ...


class Source(Protocol):
    """One mirror or one peer, as the driver sees it. All methods are for the loop, and none of them waits."""

    def start(self, request: OpenRange) -> None:
        """Begin to fetch."""
        ...

    def shorten(self, request: OpenRange) -> None:
        """The request's `end_byte` has shrunk."""
        ...

    def cancel(self, request: OpenRange) -> None:
        """Stop fetching; nothing more is reported of the request."""
        ...

    def verified(self, size_bytes: int) -> None:
        """So many bytes that this source sent were found right."""
        ...

    def accuse(self) -> None:
        """This source sent wrong bytes. `close` follows."""
        ...

    def close(self) -> None:
        """End it, and all requests with it. What it holds (threads, sockets) is let go soon after."""
        ...
