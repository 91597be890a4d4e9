"""One reading pass over a file: its SHA-256 and the SHA-256 of each segment, hashed while the next bytes are read.

- Each byte is read once, into a few buffers that are used again; memory does not grow with the file.
- The whole file's digest is sequential and has a thread of its own, the segments' digests have another, and the thread
  of the caller reads. `readinto` and `hashlib` free the GIL, so the three run at once.
- A file that changes while it is read yields an error, never digests of a mixture.
- Files are read and not mapped: a mapped file that somebody truncates would end the process (SIGBUS).

Imports neither msgspec nor cryptography, so that a program can begin to read before it loads them.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple

from distribute_io.errors import DistributeError, ManifestError, StoreError, UsageError
from distribute_io.ids import FileId
from distribute_io.manifest.segments import segment_size_bytes

_BUFFER_BYTES: Final = 2**20
"""One buffer: large enough that handing it over costs nothing, small enough that the hashers find it in the cache."""

_BUFFERS: Final = 8
"""Buffers in flight: a hasher that is off the processor for a moment does not stop the others."""


class FileDigests(NamedTuple):
    """What one reading pass over a file yields."""

    size_bytes: int
    sha256: FileId
    segments: bytes
    """The segment list: 32 raw bytes for each segment."""


def hash_file(
    path: Path,
    *,
    segment_bytes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> FileDigests:
    """Read a file once and return its digests. Blocks; uses two threads of its own, which end before it returns.

    Args:
        path: a regular file; symbolic links are followed.
        segment_bytes: None for the size that follows from the file's; otherwise that of the manifest that the file is
            compared with, as a file that was cut might have another.
        on_progress: called in this thread with the bytes read so far, about once per MiB.
        is_cancelled: asked in this thread about once per MiB.

    Raises:
        UsageError: `file_not_found`, `not_a_file`, or `cancelled` when `is_cancelled` said so.
        ManifestError: `file_changed` if it was written to, cut, or replaced in the meantime; `manifest_bad_size`.
        StoreError: `store_unreadable` for any other failure to read.
    """
    try:
        with io.FileIO(path, "rb", opener=_open_without_waiting) as file:
            return _hash_open_file(file, path, segment_bytes, on_progress, is_cancelled)
    except FileNotFoundError as error:
        raise UsageError("file_not_found", f"{path} is not there.") from error
    except IsADirectoryError as error:
        raise UsageError("not_a_file", f"{path} is a folder; name the files in it.") from error
    except OSError as error:
        raise StoreError("store_unreadable", f"{path} cannot be read: {error.strerror}.") from error


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a named pipe would otherwise wait for somebody who writes to it, for ever.
    return os.open(path, flags | os.O_NONBLOCK)


def _hash_open_file(
    file: io.FileIO,
    path: Path,
    segment_bytes: int | None,
    on_progress: Callable[[int], None] | None,
    is_cancelled: Callable[[], bool] | None,
) -> FileDigests:
    before = os.fstat(file.fileno())
    if not stat.S_ISREG(before.st_mode):
        raise UsageError("not_a_file", f"{path} is no regular file.")
    size_bytes = before.st_size
    ring = _Ring(min(_BUFFERS, -(-size_bytes // _BUFFER_BYTES)))
    whole = _Hasher(ring, span_bytes=size_bytes)
    segments = _Hasher(ring, span_bytes=segment_bytes or segment_size_bytes(size_bytes))
    hashers = (whole, segments)
    for hasher in hashers:
        hasher.start()
    try:
        done_bytes = 0
        while done_bytes < size_bytes:
            if is_cancelled is not None and is_cancelled():
                raise UsageError("cancelled", f"Reading {path} was cancelled.")
            buffer = ring.take()
            filled_bytes = file.readinto(buffer.view[: size_bytes - done_bytes])
            if not filled_bytes:
                raise _changed(path)
            buffer.readers_left = len(hashers)
            for hasher in hashers:
                hasher.inbox.put((buffer, filled_bytes))
            done_bytes += filled_bytes
            if on_progress is not None:
                on_progress(done_bytes)
    finally:
        for hasher in hashers:
            hasher.inbox.put(None)
        for hasher in hashers:
            hasher.join()
    if not _identity(before) == _identity(os.fstat(file.fileno())) == _identity(path.stat()):
        raise _changed(path)
    sha256 = whole.digests or hashlib.sha256().digest()
    return FileDigests(size_bytes=size_bytes, sha256=FileId(sha256.hex()), segments=bytes(segments.digests))


def _changed(path: Path) -> DistributeError:
    return ManifestError("file_changed", f"{path} changed while it was read: try again when nobody writes to it.")


def _identity(status: os.stat_result) -> tuple[int, int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class _Buffer:
    """Memory that the reader fills and each hasher reads once."""

    __slots__ = ("readers_left", "view")

    def __init__(self, view: memoryview) -> None:
        self.view: Final = view
        self.readers_left = 0


class _Ring:
    """The buffers; one is free when all hashers have read it."""

    def __init__(self, count: int) -> None:
        self._free: SimpleQueue[_Buffer] = SimpleQueue()
        self._lock = threading.Lock()
        # From mmap, as that begins at a page: into a bytearray, which does not, the kernel copies more slowly.
        memory = memoryview(mmap.mmap(-1, max(count, 1) * _BUFFER_BYTES))
        for start in range(0, count * _BUFFER_BYTES, _BUFFER_BYTES):
            self._free.put(_Buffer(memory[start : start + _BUFFER_BYTES]))

    def take(self) -> _Buffer:
        return self._free.get()

    def give_back(self, buffer: _Buffer) -> None:
        with self._lock:
            buffer.readers_left -= 1
            is_free = buffer.readers_left == 0
        if is_free:
            self._free.put(buffer)


class _Hasher(threading.Thread):
    """Digests of consecutive spans of what is put into `inbox`; None ends it."""

    def __init__(self, ring: _Ring, *, span_bytes: int) -> None:
        super().__init__(daemon=True)
        self.inbox: SimpleQueue[tuple[_Buffer, int] | None] = SimpleQueue()
        self.digests = bytearray()
        self._ring: Final = ring
        self._span_bytes: Final = span_bytes

    def run(self) -> None:
        digest = hashlib.sha256()
        left_bytes = self._span_bytes
        while (item := self.inbox.get()) is not None:
            buffer, filled_bytes = item
            start = 0
            while start < filled_bytes:
                end = min(filled_bytes, start + left_bytes)
                digest.update(buffer.view[start:end])
                left_bytes -= end - start
                start = end
                if left_bytes == 0:
                    self.digests += digest.digest()
                    digest, left_bytes = hashlib.sha256(), self._span_bytes
            self._ring.give_back(buffer)
        if left_bytes < self._span_bytes:
            self.digests += digest.digest()
