"""One reading pass over a file: its SHA-256 and the SHA-256 of each segment, hashed while the next bytes are read.

- Each byte is read once, into a few buffers that are used again; memory does not grow with the file.
- The whole file's digest is sequential and has a thread of its own, the segments' digests have that of the caller.
  Whichever of the two comes first to a place of the file reads it, for both: so the one that is ahead does the reading,
  neither waits for a third, and two cores are busy to the end. `readinto` and `hashlib` free the GIL.
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from distribute_io.errors import DistributeError, ManifestError, StoreError, UsageError
from distribute_io.ids import FileId
from distribute_io.manifest.segments import segment_size_bytes

_BUFFER_BYTES: Final = 2**20
"""One buffer: large enough that handing it over costs nothing, small enough that the hashers find it in the cache."""

_BUFFERS: Final = 8
"""How far one hasher may be ahead of the other: what one does while the other is off the processor for a moment."""


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
    """Read a file once and return its digests. Blocks; uses one more thread, which ends before it returns.

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
    reader = _SharedReader(file, path, size_bytes)
    whole = _Spans(size_bytes)
    segments = _Spans(segment_bytes or segment_size_bytes(size_bytes))
    beside = threading.Thread(target=_hash_whole, args=(reader, whole), daemon=True)
    beside.start()
    try:
        done_bytes = 0
        for bytes_read in reader.stream(_SEGMENTS):
            segments.update(bytes_read)
            done_bytes += len(bytes_read)
            if on_progress is not None:
                on_progress(done_bytes)
            if is_cancelled is not None and is_cancelled():
                raise UsageError("cancelled", f"Reading {path} was cancelled.")
    except BaseException as error:
        reader.stop(error)
        raise
    finally:
        beside.join()
    reader.check()
    if not _identity(before) == _identity(os.fstat(file.fileno())) == _identity(path.stat()):
        raise _changed(path)
    sha256 = whole.finish() or hashlib.sha256().digest()
    return FileDigests(size_bytes=size_bytes, sha256=FileId(sha256.hex()), segments=segments.finish())


def _hash_whole(reader: _SharedReader, whole: _Spans) -> None:
    try:
        for bytes_read in reader.stream(_WHOLE):
            whole.update(bytes_read)
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for this one
        reader.stop(error)


def _changed(path: Path) -> DistributeError:
    return ManifestError("file_changed", f"{path} changed while it was read: try again when nobody writes to it.")


def _identity(status: os.stat_result) -> tuple[int, int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


_WHOLE: Final = 0
_SEGMENTS: Final = 1
"""The two who read the same stream."""


class _SharedReader:
    """The bytes of a file for two threads; each gets all of them, in order, and a place is read by who comes first.

    Args:
        file: open, at its start; nobody else reads it meanwhile.
        path: for the text of an error.
        size_bytes: what is read; less than that is an error.
    """

    def __init__(self, file: io.FileIO, path: Path, size_bytes: int) -> None:
        self._file: Final = file
        self._path: Final = path
        self._size_bytes: Final = size_bytes
        count = max(1, min(_BUFFERS, -(-size_bytes // _BUFFER_BYTES)))
        # From mmap, as that begins at a page: into a bytearray, which does not, the kernel copies more slowly.
        memory = memoryview(mmap.mmap(-1, count * _BUFFER_BYTES))
        self._ring: Final = [memory[start : start + _BUFFER_BYTES] for start in range(0, len(memory), _BUFFER_BYTES)]
        self._changed: Final = threading.Condition()
        self._filled_bytes: Final = [0] * count
        self._reads = 0
        self._read_bytes = 0
        self._is_reading = False
        self._positions: Final = [0, 0]
        """Which of the reads each of the two is at; the ring holds what lies between them."""
        self._failure: BaseException | None = None

    def stream(self, who: int) -> Iterator[memoryview]:
        """All bytes, a buffer at a time; each is valid until the next is asked for.

        Raises:
            ManifestError: `file_changed` if the file is shorter than it was.
            OSError: it cannot be read.
        """
        while True:
            number = self._positions[who]
            while (bytes_read := self._take_or_claim(number)) is None:
                self._read(number)
            if not bytes_read:
                return
            yield bytes_read
            with self._changed:
                self._positions[who] += 1
                self._changed.notify_all()

    def stop(self, failure: BaseException) -> None:
        """Ends both streams: this one failed."""
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    def check(self) -> None:
        """Raises what ended the other thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    def _take_or_claim(self, number: int) -> memoryview | None:
        """What was read of this place, nothing at the end; None if the caller has to read it now."""
        with self._changed:
            while True:
                if self._failure is not None:
                    return memoryview(b"")
                if number < self._reads:
                    place = number % len(self._ring)
                    return self._ring[place][: self._filled_bytes[place]]
                if self._read_bytes == self._size_bytes:
                    return memoryview(b"")
                if not self._is_reading and number - min(self._positions) < len(self._ring):
                    self._is_reading = True
                    return None
                self._changed.wait()

    def _read(self, number: int) -> None:
        place = number % len(self._ring)
        filled_bytes = self._file.readinto(self._ring[place][: self._size_bytes - self._read_bytes])
        if not filled_bytes:
            raise _changed(self._path)
        with self._changed:
            self._filled_bytes[place] = filled_bytes
            self._reads += 1
            self._read_bytes += filled_bytes
            self._is_reading = False
            self._changed.notify_all()


class _Spans:
    """Digests of consecutive spans of `span_bytes` of a stream; the last may be shorter."""

    def __init__(self, span_bytes: int) -> None:
        self._span_bytes: Final = span_bytes
        self._left_bytes = span_bytes
        self._digest = hashlib.sha256()
        self._digests = bytearray()

    def update(self, data: memoryview) -> None:
        """The next bytes of the stream."""
        start = 0
        while start < len(data):
            end = min(len(data), start + self._left_bytes)
            self._digest.update(data[start:end])
            self._left_bytes -= end - start
            start = end
            if self._left_bytes == 0:
                self._close()

    def finish(self) -> bytes:
        """32 bytes for each span, none for an empty stream."""
        if self._left_bytes < self._span_bytes:
            self._close()
        return bytes(self._digests)

    def _close(self) -> None:
        self._digests += self._digest.digest()
        self._digest, self._left_bytes = hashlib.sha256(), self._span_bytes
