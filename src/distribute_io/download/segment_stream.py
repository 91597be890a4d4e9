"""Verified segments on their way to a pipe, in order: `dio get -o -`.

Rules:

1. Bytes leave in the file's order, and only as verified segments. What came early waits in memory; the scheduler's
   window bounds how much that is (spec/scheduler.md S17), since a segment counts only when it has left.
2. One thread writes, so a reader that is slow holds up nobody but itself.
3. The whole file's SHA-256 is computed on the way out. A reader that goes away early ends the download without an
   error message, as it ends other programs of a pipeline.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from typing import Final

from distribute_io.errors import DistributeError, StoreError, UsageError
from distribute_io.ids import FileId, SegmentIndex
from distribute_io.manifest.segments import VerifiedSegment

Post = Callable[[Callable[[], None]], None]


class SegmentStream:
    """A `SegmentStore` that writes to a descriptor. Caller's duties: `attach` before anything comes, then `result`.

    Args:
        fd: where to write; stays open.
        segments: how many the file has.
    """

    is_readable = False

    def __init__(self, fd: int, segments: int) -> None:
        self._fd: Final = fd
        self._segments: Final = segments
        self._waiting: dict[int, bytes] = {}
        self._then: dict[int, Callable[[], None]] = {}
        self._left = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._digest = hashlib.sha256()
        self._failure: DistributeError | None = None
        self._post: Post | None = None
        # A daemon: it may hang in a pipe that nobody reads, and must not keep an interrupted program alive.
        self._thread = threading.Thread(target=self._write_out, name="stream", daemon=True)

    def attach(self, post: Post) -> None:
        """Begin; `post` runs a function on the loop."""
        self._post = post
        self._thread.start()

    def write(self, index: SegmentIndex, segment: VerifiedSegment) -> None:
        """Take a copy, which leaves when all before it have left."""
        with self._changed:
            if index >= self._left:
                self._waiting.setdefault(index, bytes(segment.data))
                self._changed.notify_all()

    def read(self, start_byte: int, view: memoryview) -> None:
        """What has left cannot be read again."""
        raise StoreError("store_unreadable", "a pipe cannot be read back")

    def when_kept(self, index: SegmentIndex, then: Callable[[], None]) -> None:
        """Run `then` when the segment has left."""
        with self._changed:
            if index >= self._left:
                self._then[index] = then
                return
        then()

    def failure(self) -> DistributeError | None:
        """What the writing thread met."""
        return self._failure

    def result(self) -> FileId:
        """The SHA-256 of everything, when all has left."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return FileId(self._digest.hexdigest())

    def stop(self) -> None:
        """Write no more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _write_out(self) -> None:
        try:
            while (segment := self._next()) is not None:
                self._digest.update(segment)
                view = memoryview(segment)
                while view:
                    view = view[os.write(self._fd, view) :]
                self._has_left()
        except BrokenPipeError:
            self._failure = UsageError("cancelled", "nobody reads the output any more")
        except OSError as error:
            code = "disk_full" if error.errno == errno.ENOSPC else "store_unreadable"
            self._failure = StoreError(code, f"the output cannot be written: {error.strerror}")

    def _next(self) -> bytes | None:
        with self._changed:
            while self._left not in self._waiting and self._left < self._segments and not self._stopped:
                self._changed.wait()
            return None if self._stopped else self._waiting.get(self._left)

    def _has_left(self) -> None:
        with self._changed:
            del self._waiting[self._left]
            then = self._then.pop(self._left, None)
            self._left += 1
        if then is not None and self._post is not None:
            self._post(then)
