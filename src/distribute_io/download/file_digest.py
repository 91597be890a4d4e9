"""The whole file's SHA-256, computed in a thread of its own while the download goes on.

SHA-256 is sequential and segments come out of order, so the thread follows the contiguous front: it reads what is
written before it, while that is still in the page cache. It also covers what an earlier run left on disk.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Final

from distribute_io.download.part_file import PartFile
from distribute_io.errors import StoreError
from distribute_io.ids import FileId

_SPAN_BYTES: Final = 1_048_576
"""One read: small enough to stay in the processor's cache between the copy and the hash."""


class FileDigest:
    """Follows the front of one part file. Caller's duties: `advance` as the front moves, then `result` or `stop`."""

    def __init__(self, part: PartFile, size_bytes: int) -> None:
        self._part = part
        self._size_bytes = size_bytes
        self._front = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._digest = hashlib.sha256()
        self._failure: StoreError | None = None
        self._thread = threading.Thread(target=self._follow, name="file-digest", daemon=True)
        self._thread.start()

    def advance(self, front_bytes: int) -> None:
        """Everything before `front_bytes` is written."""
        with self._changed:
            self._front = max(self._front, front_bytes)
            self._changed.notify()

    def result(self) -> FileId:
        """Wait until the whole file is hashed. The front must have reached the end.

        Raises:
            StoreError: the part file cannot be read.
        """
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return FileId(self._digest.hexdigest())

    def stop(self) -> None:
        """Give up; returns when the thread has ended."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _follow(self) -> None:
        buffer = memoryview(bytearray(min(_SPAN_BYTES, max(self._size_bytes, 1))))
        at = 0
        try:
            while at < self._size_bytes:
                with self._changed:
                    while self._front <= at and not self._stopped:
                        self._changed.wait()
                    if self._stopped:
                        return
                    front = self._front
                while at < front and not self._stopped:
                    view = buffer[: min(len(buffer), front - at)]
                    self._part.read(at, view)
                    self._digest.update(view)
                    at += len(view)
        except StoreError as error:
            self._failure = error
