"""NAME.part: where verified segments go while a file is being downloaded, and how it becomes NAME.

Rules:

1. Only a `VerifiedSegment` is written, at its place, whole.
2. A segment is journalled as durable after its bytes were synced, so the journal never promises what a power cut can
   take. That happens about every second, or as often as the disk can, in a thread of its own: syncing must not hold up
   the download. Meanwhile the journal says that it was written: who takes the part file up hashes these and keeps what
   is right. So a killed process loses none, however long a sync takes.
3. NAME comes into being by one rename, after everything was synced; until then there is only NAME.part.
4. One process at a time: the part file is locked (flock).
5. Disk errors are `StoreError`s; what is journalled stays, so freeing room and starting again goes on where it ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from distribute_io.core import runs as run_sets
from distribute_io.core.runs import Runs
from distribute_io.download.journal import JournalHead, encode_head, encode_runs, encode_written, read_journal
from distribute_io.errors import StoreError, UsageError
from distribute_io.ids import SegmentIndex
from distribute_io.manifest.model import Manifest
from distribute_io.manifest.segments import SegmentList, VerifiedSegment, segment_count, segment_range
from distribute_io.runtime.disk import stored, sync_folder, write_all

SYNC_EVERY_S: Final = 1.0
"""What a power cut costs, in seconds of download, and the time of one sync."""

_HASHED_BYTES_MAX: Final = 2**30
"""Of what was written and not synced: hashing it takes a second before anything is fetched. The rest comes again."""


class PartFile:
    """The unfinished file at `target` + `.part`. Methods are safe to call from any thread.

    Caller's duties: `open`, then `write` from any thread, then either `finish` or `close`.
    """

    is_readable = True

    def __init__(self, target: Path, manifest: Manifest, segment_list: SegmentList) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._journal_path = target.with_name(target.name + ".part.journal")
        self._size_bytes = manifest.size_bytes
        self._segment_list = segment_list
        self._head = JournalHead(manifest.sha256, manifest.size_bytes, manifest.segments_sha256)
        self._lock = threading.Lock()
        self._idle = threading.Condition()
        self._users = 0
        self._written: list[int] = []
        self._stop = threading.Event()
        self._syncer: threading.Thread | None = None
        self._failure: StoreError | None = None
        self._fd = -1
        self._journal_fd = -1

    def open(self) -> Runs:
        """Make the part file, or take up one that is there. Returns the segments that it holds already.

        Raises:
            UsageError: `file_exists` when a part file is there that belongs to something else.
            StoreError: `disk_full`, `store_in_use` or `store_unreadable`.
        """
        try:
            with stored(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                self._take_lock()
                durable, written = self._resume()
                held = run_sets.union(durable, written)
                self._require_room(held)
                # Written anew at each start: one line for each run instead of one for each second of earlier attempts,
                # and a line that a crash tore is gone. Before the part file gets its size, so that a part file with a
                # size always has a journal.
                self._rewrite_journal(durable, written)
                self._written += _indices(written)
                os.ftruncate(self._fd, self._size_bytes)
        except BaseException:
            self._close_descriptors()
            raise
        self._syncer = threading.Thread(target=self._sync_now_and_then, name="journal", daemon=True)
        self._syncer.start()
        return held

    def write(self, index: SegmentIndex, segment: VerifiedSegment) -> None:
        """Write one segment at its place. Blocks; several threads may write at once.

        Raises:
            StoreError: `disk_full` or `store_unreadable`.
            ValueError: the segment is not the one of that index: a bug of the caller.
        """
        if segment.digest != self._segment_list[index]:
            raise ValueError(f"segment {index} has another digest")
        start, end = segment_range(self._size_bytes, index)
        view = memoryview(segment.data)
        with self._in_use(), stored(self.path):
            while start < end:
                start += os.pwrite(self._fd, view[len(view) - (end - start) :], start)
            with self._lock:
                self._written.append(index)
                write_all(self._journal_fd, encode_written(((index, index + 1),)))

    def read(self, start_byte: int, view: memoryview) -> None:
        """Fill `view` with the bytes from `start_byte` on, which must have been written."""
        with self._in_use(), stored(self.path):
            filled = 0
            while filled < len(view):
                count = os.preadv(self._fd, [view[filled:]], start_byte + filled)
                if count == 0:
                    raise StoreError("store_unreadable", f"{self.path} was cut short by another program")
                filled += count

    def when_kept(self, index: SegmentIndex, then: Callable[[], None]) -> None:
        """What is written is in the file, so at once."""
        then()

    def failure(self) -> StoreError | None:
        """What went wrong in the journal's thread, if anything did."""
        return self._failure

    def forget(self, indices: Runs) -> None:
        """Take segments back that turned out not to be on disk as they should: the journal is written anew.

        Only between rounds: nothing may be written meanwhile.
        """
        with stored(self.path):
            self._sync_written()
            with self._lock:
                current = self._read_own_journal()
                self._rewrite_journal(run_sets.difference(current, indices))

    def finish(self) -> None:
        """Sync, rename to the target, remove the journal. The part file is closed after."""
        self._stop_syncer()
        try:
            with stored(self.path):
                os.fsync(self._fd)
                self.path.rename(self.target)
                self._journal_path.unlink()
                sync_folder(self.target.parent)
        finally:
            self._close_descriptors()

    def close(self) -> None:
        """Stop for now: what was written is made durable and journalled, so that the next run goes on from here.

        Does nothing after `finish`.
        """
        self._stop_syncer()
        if self._fd < 0:
            return
        try:
            with stored(self.path):
                self._sync_written()
        finally:
            self._close_descriptors()

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        """Keeps the descriptor open while a thread uses it: a number that was closed may be another file's by then."""
        with self._idle:
            if self._fd < 0:
                raise StoreError("store_unreadable", f"{self.path} was closed")
            self._users += 1
        try:
            yield
        finally:
            with self._idle:
                self._users -= 1
                self._idle.notify_all()

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError("store_in_use", f"another download is writing {self.path}") from error

    def _resume(self) -> tuple[Runs, Runs]:
        """The segments that are durable, and those that were only written, as far as they are right."""
        size_on_disk = os.fstat(self._fd).st_size
        if size_on_disk == 0:
            return run_sets.EMPTY, run_sets.EMPTY
        try:
            data = self._journal_path.read_bytes()
        except FileNotFoundError:
            data = b""
        found = read_journal(data, segments=segment_count(self._size_bytes))
        if found is None or found.head != self._head or size_on_disk != self._size_bytes:
            raise UsageError(
                "file_exists",
                f"{self.path} is there already and does not belong to this version of the file; remove it, or choose "
                "another name with -o",
            )
        written = _indices(found.written)[: _HASHED_BYTES_MAX // self._segment_bytes()]
        return found.durable, run_sets.of_indices(index for index in written if self._is_right(index))

    def _is_right(self, index: int) -> bool:
        start, end = segment_range(self._size_bytes, SegmentIndex(index))
        return (
            hashlib.sha256(os.pread(self._fd, end - start, start)).digest() == self._segment_list[SegmentIndex(index)]
        )

    def _require_room(self, held: Runs) -> None:
        wanted = self._size_bytes - run_sets.size_bytes(
            held, file_bytes=self._size_bytes, segment_bytes=self._segment_bytes()
        )
        # Blocks that the part file has beyond the journalled segments are room as well.
        room = shutil.disk_usage(self.path.parent).free + os.fstat(self._fd).st_blocks * 512
        if wanted > room:
            raise StoreError("disk_full", f"{self.path.parent} has room for {room} bytes, and {wanted} more are needed")

    def _segment_bytes(self) -> int:
        return segment_range(self._size_bytes, SegmentIndex(0))[1] if self._size_bytes else 1

    def _rewrite_journal(self, durable: Runs, written: Runs = run_sets.EMPTY) -> None:
        temporary = self._journal_path.with_name(self._journal_path.name + ".new")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            write_all(fd, encode_head(self._head) + encode_runs(durable) + encode_written(written))
            os.fsync(fd)
            temporary.rename(self._journal_path)
            sync_folder(self._journal_path.parent)
        except BaseException:
            os.close(fd)
            raise
        if self._journal_fd >= 0:
            os.close(self._journal_fd)
        self._journal_fd = fd

    def _read_own_journal(self) -> Runs:
        found = read_journal(self._journal_path.read_bytes(), segments=segment_count(self._size_bytes))
        return found.durable if found else run_sets.EMPTY

    def _sync_now_and_then(self) -> None:
        while not self._stop.wait(SYNC_EVERY_S):
            try:
                with stored(self.path):
                    self._sync_written()
            except StoreError as error:
                self._failure = error
                return

    def _sync_written(self) -> None:
        with self._lock:
            written, self._written = self._written, []
        if not written:
            return
        os.fdatasync(self._fd)  # before the journal says so: rule 2
        write_all(self._journal_fd, encode_runs(run_sets.of_indices(written)))
        os.fdatasync(self._journal_fd)

    def _stop_syncer(self) -> None:
        self._stop.set()
        if self._syncer is not None:
            self._syncer.join()

    def _close_descriptors(self) -> None:
        with self._idle:
            fd, self._fd = self._fd, -1  # nobody begins to use it from here on
            self._idle.wait_for(lambda: self._users == 0)
        for each in (fd, self._journal_fd):
            if each >= 0:
                os.close(each)
        self._journal_fd = -1


def _indices(runs: Runs) -> list[int]:
    return [index for start, end in runs for index in range(start, end)]
