"""The whole file's SHA-256, computed in a thread of its own while the download goes on.

SHA-256 is sequential and segments come out of order, so the thread follows the contiguous front. Bytes that are still
in memory when their turn comes are taken from there; others are read back from the part file, as a rule out of the page
cache. That covers what an earlier run left on disk as well.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

from distribute_io.download.part_file import PartFile
from distribute_io.errors import StoreError
from distribute_io.ids import FileId

_SPAN_BYTES: Final = 1_048_576
"""One read: small enough to stay in the processor's cache between the copy and the hash."""

_OFFERS_MAX: Final = 4
"""Segments that wait in memory for their turn."""

_AHEAD_BYTES_MAX: Final = 16 * 2**20
"""An offer further ahead than this would keep its memory for long; it is read back when its turn comes."""


class _Offer(NamedTuple):
    start: int
    view: memoryview
    release: Callable[[], None]


class FileDigest:
    """Follows the front of one part file. Caller's duties: `advance` as the front moves, then `result` or `stop`."""

    def __init__(self, part: PartFile, size_bytes: int) -> None:
        self._part = part
        self._size_bytes = size_bytes
        self._front = 0
        self._offers: dict[int, _Offer] = {}
        # Where the stretch ends that is being hashed now.
        self._taken = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._digest = hashlib.sha256()
        self._failure: StoreError | None = None
        self._thread = threading.Thread(target=self._follow, name="file-digest", daemon=True)
        self._thread.start()

    def advance(self, front_bytes: int) -> None:
        """Everything before `front_bytes` is verified and written."""
        with self._changed:
            if front_bytes > self._front:
                self._front = front_bytes
                self._changed.notify_all()

    def offer(self, start: int, view: memoryview, release: Callable[[], None]) -> None:
        """A verified and written segment that begins at `start` is still in memory. From any thread.

        `release` is called when the memory is not needed: at once, or after it was hashed, from the digest's thread.
        """
        with self._changed:
            # Where the digest is only a little behind, waiting is cheaper than reading back: it catches up meanwhile.
            while len(self._offers) >= _OFFERS_MAX and self._is_next(start) and not self._stopped:
                self._changed.wait()
            is_near = self._taken <= start <= self._taken + _AHEAD_BYTES_MAX
            has_room = len(self._offers) < _OFFERS_MAX or start == self._taken
            is_taken = is_near and has_room and start not in self._offers and not self._stopped
            if is_taken:
                self._offers[start] = _Offer(start, view, release)
                self._changed.notify_all()
        if not is_taken:
            release()

    def _is_next(self, start: int) -> bool:
        """Whether the digest gets to `start` by offers alone: then whoever waits here is waited for by nobody."""
        at = self._taken
        while at in self._offers:
            at += len(self._offers[at].view)
        return at == start > self._taken

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
            self._changed.notify_all()
        self._thread.join()
        for offer in self._offers.values():
            offer.release()
        self._offers.clear()

    def _follow(self) -> None:
        buffer = memoryview(bytearray(min(_SPAN_BYTES, max(self._size_bytes, 1))))
        at = 0
        try:
            while at < self._size_bytes:
                work = self._next_work(at)
                if work is None:
                    return
                if isinstance(work, _Offer):
                    self._digest.update(work.view)
                    at += len(work.view)
                    work.release()
                else:
                    view = buffer[: work - at]
                    self._part.read(at, view)
                    self._digest.update(view)
                    at = work
        except StoreError as error:
            self._failure = error

    def _next_work(self, at: int) -> _Offer | int | None:
        """Wait for what follows `at`: an offer, the end of a stretch to read, or None to stop."""
        with self._changed:
            while not self._stopped:
                offer = self._offers.pop(at, None)
                if offer is not None:
                    self._taken = at + len(offer.view)
                    self._changed.notify_all()
                    return offer
                if self._front > at:
                    self._taken = min([self._front, at + _SPAN_BYTES, *self._offers])
                    return self._taken
                self._changed.wait()
            return None
