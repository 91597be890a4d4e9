"""A donor's segments on disk, never more than the limit.

    DATA_DIR/lock                                  one process at a time (flock)
    DATA_DIR/segments/FILE_ID/INDEX-DIGEST         one segment; the folder is the index

Rules:

1. Everything under DATA_DIR counts: each file in whole blocks, each folder, and a reserve for the small files. Room is
   taken before a byte is written and given back after the file is gone, so the sum on disk is never above the limit.
2. A segment is written to a temporary name in the same folder, synced, and renamed: after a crash a name without `.new`
   is a segment that was written whole. What is left over is erased at the start.
3. A digest is checked again before a segment is served for the first time after a start. Wrong ones are erased.
4. Only a `VerifiedSegment` gets in.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import threading
from pathlib import Path
from typing import Final

from distribute_io.core import runs as run_sets
from distribute_io.core.runs import Runs
from distribute_io.errors import StoreError
from distribute_io.ids import FileId, SegmentDigest, SegmentIndex
from distribute_io.manifest.segments import VerifiedSegment
from distribute_io.runtime.disk import stored, write_durably
from distribute_io.wire.limits import SEGMENT_BYTES_MAX

BLOCK_BYTES: Final = 4096
"""Files take whole blocks on the file systems that are in use."""

RESERVE_BYTES: Final = 131_072
"""For the folder itself, the lock, and the day's figures with their temporary file."""

_FILE_ID: Final = re.compile(r"[0-9a-f]{64}")
_SEGMENT: Final = re.compile(r"(\d{1,10})-([0-9a-f]{64})")


def usable_bytes(limit_bytes: int) -> int:
    """How many bytes of segments fit under a limit, as the coordinator is told: rather too few than too many.

    >>> usable_bytes(16_000_000) // 2**20
    15
    """
    return max(0, limit_bytes - RESERVE_BYTES - limit_bytes // 256)


class SegmentStore:
    """The segments of one donor. Methods may be called from any thread.

    Caller's duties: `open` first, `close` last.
    """

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self._folder = folder
        self._segments = folder / "segments"
        self._limit_bytes = limit_bytes
        self._lock = threading.RLock()
        self._used_bytes = RESERVE_BYTES
        self._held: dict[FileId, dict[SegmentIndex, tuple[SegmentDigest, int]]] = {}
        # Segments of one file may be equal: a disk image has many that are all zeros.
        self._by_digest: dict[FileId, dict[SegmentDigest, list[SegmentIndex]]] = {}
        self._folders: set[FileId] = set()
        self._writing: FileId | None = None
        self._checked: set[tuple[FileId, SegmentIndex]] = set()
        self._changed: set[FileId] = set()
        self._lock_fd = -1

    def open(self) -> None:
        """Take the folder and read what is in it. What is above the limit is erased.

        Raises:
            StoreError: `store_in_use`, `store_unreadable`.
        """
        with stored(self._folder):
            self._segments.mkdir(parents=True, exist_ok=True)
            self._lock_fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StoreError("store_in_use", f"another donor uses {self._folder}") from error
            self._scan()
        self.shrink(self._limit_bytes, ())

    def close(self) -> None:
        """Let the folder go."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    @property
    def used_bytes(self) -> int:
        """What everything under the folder takes at most."""
        with self._lock:
            return self._used_bytes

    @property
    def held_bytes(self) -> int:
        """Bytes of segments."""
        with self._lock:
            return sum(size for held in self._held.values() for _, size in held.values())

    def files(self) -> list[FileId]:
        """The files of which something is held."""
        with self._lock:
            return sorted(self._held)

    def holdings(self, file_id: FileId) -> Runs:
        """The segments of a file that are held."""
        with self._lock:
            return run_sets.of_indices(self._held.get(file_id, {}))

    def take_changed(self) -> set[FileId]:
        """The files of which other segments are held than when this was asked last, for whatever reason."""
        with self._lock:
            changed, self._changed = self._changed, set()
            return changed

    def size_of(self, file_id: FileId, digest: SegmentDigest) -> int | None:
        """Size of a segment that is held of this file; None when it is not."""
        with self._lock:
            index = self._index_of(file_id, digest)
            return None if index is None else self._held[file_id][index][1]

    def has_room_for(self, file_id: FileId, size_bytes: int) -> bool:
        """Whether a segment of this size could be put."""
        with self._lock:
            return self._used_bytes + self._cost(file_id, size_bytes) <= self._limit_bytes

    def put(self, file_id: FileId, index: SegmentIndex, segment: VerifiedSegment) -> bool:
        """Keep a segment durably. False when the limit does not allow it. Blocks; only one thread may put at a time.

        Raises:
            StoreError: `disk_full`, `store_unreadable`.
        """
        size_bytes = len(segment.data)
        with self._lock:
            if index in self._held.get(file_id, {}):
                return True
            cost_bytes = self._cost(file_id, size_bytes)
            if self._used_bytes + cost_bytes > self._limit_bytes:
                return False
            self._used_bytes += cost_bytes  # rule 1; the writing below may take a while, and must not stop the others
            self._folders.add(file_id)
            self._writing = file_id  # whoever erases the file's last segment meanwhile leaves the folder
        path = self._path(file_id, index, segment.digest)
        try:
            with stored(path):
                path.parent.mkdir(exist_ok=True)
                write_durably(path, segment.data)
        except BaseException:
            with self._lock:
                self._writing = None
                self._used_bytes -= _blocks_bytes(size_bytes)
                self._drop_folder_if_empty(file_id)
            raise
        with self._lock:
            self._writing = None
            self._remember(file_id, index, segment.digest, size_bytes)
            self._checked.add((file_id, index))
        return True

    def is_checked(self, file_id: FileId, digest: SegmentDigest) -> bool:
        """Whether the segment was hashed since the start, so that reading it is quick."""
        with self._lock:
            index = self._index_of(file_id, digest)
            return index is not None and (file_id, index) in self._checked

    def read(self, file_id: FileId, digest: SegmentDigest, offset: int, length: int) -> bytes | None:
        """Bytes of a segment that is held; None when it is not, or turned out to be spoilt. Blocks."""
        with self._lock:
            index = self._index_of(file_id, digest)
            if index is None:
                return None
            path = self._path(file_id, index, digest)
            is_checked = (file_id, index) in self._checked
        try:
            data = _read(path, offset, length) if is_checked else self._read_checked(path, digest, offset, length)
        except OSError:
            data = None
        if data is None:
            self.erase(file_id, ((index, index + 1),))
            return None
        with self._lock:
            self._checked.add((file_id, index))
        return data

    def erase(self, file_id: FileId, segments: Runs) -> None:
        """Give these segments up. The room is free after."""
        with self._lock:
            for index in [each for each in self._held.get(file_id, {}) if run_sets.contains(segments, each)]:
                self._erase_one(file_id, index)

    def erase_file(self, file_id: FileId) -> None:
        """Give a whole file up."""
        self.erase(file_id, ((0, 2**32),))

    def erase_all(self, *, and_files: tuple[str, ...] = ()) -> None:
        """Give everything up, and the folder with it unless somebody else's files are in it.

        Args:
            and_files: names of the owner's own files in the folder, which go too.
        """
        for file_id in self.files():
            self.erase_file(file_id)
        with stored(self._folder):
            shutil.rmtree(self._segments, ignore_errors=False)
            for name in (*and_files, "lock"):
                for path in (self._folder / name, self._folder / f"{name}.new"):
                    path.unlink(missing_ok=True)
            if not any(self._folder.iterdir()):
                self._folder.rmdir()

    def shrink(self, limit_bytes: int, order: tuple[tuple[FileId, Runs], ...]) -> bool:
        """Set the limit, and erase until it is kept: first what `order` does not name, then `order` from its end.

        Args:
            limit_bytes: the new limit.
            order: what is wanted, most valuable first.

        Returns:
            Whether anything was erased.
        """
        with self._lock:
            self._limit_bytes = limit_bytes
            victims = self._least_valuable_first(order)
            erased = False
            while self._used_bytes > limit_bytes and victims:
                self._erase_one(*victims.pop())
                erased = True
            return erased

    def make_room(self, size_bytes: int, file_id: FileId, order: tuple[tuple[FileId, Runs], ...]) -> bool:
        """Erase what `order` does not name, as far as a segment of this size needs it. False if that is not enough."""
        with self._lock:
            wanted = dict(order)
            while not self.has_room_for(file_id, size_bytes):
                victim = next(
                    (
                        (held_id, index)
                        for held_id in sorted(self._held)
                        for index in sorted(self._held[held_id])
                        if not run_sets.contains(wanted.get(held_id, run_sets.EMPTY), index)
                    ),
                    None,
                )
                if victim is None:
                    return False
                self._erase_one(*victim)
            return True

    # ---

    def _least_valuable_first(self, order: tuple[tuple[FileId, Runs], ...]) -> list[tuple[FileId, SegmentIndex]]:
        """All that is held, most valuable first, so that `pop` gives the next victim."""
        ranked: list[tuple[FileId, SegmentIndex]] = []
        for file_id, segments in order:
            held = self._held.get(file_id, {})
            ranked += [(file_id, index) for index in sorted(held) if run_sets.contains(segments, index)]
        named = set(ranked)
        rest = [(file_id, index) for file_id in sorted(self._held) for index in sorted(self._held[file_id])]
        return ranked + [each for each in rest if each not in named]

    def _cost(self, file_id: FileId, size_bytes: int) -> int:
        return (0 if file_id in self._folders else BLOCK_BYTES) + _blocks_bytes(size_bytes)

    def _index_of(self, file_id: FileId, digest: SegmentDigest) -> SegmentIndex | None:
        """One of the segments with this digest."""
        equal = self._by_digest.get(file_id, {}).get(digest)
        return equal[0] if equal else None

    def _remember(self, file_id: FileId, index: SegmentIndex, digest: SegmentDigest, size_bytes: int) -> None:
        self._changed.add(file_id)
        self._held.setdefault(file_id, {})[index] = (digest, size_bytes)
        self._by_digest.setdefault(file_id, {}).setdefault(digest, []).append(index)

    def _path(self, file_id: FileId, index: SegmentIndex, digest: SegmentDigest) -> Path:
        return self._segments / file_id / f"{index}-{digest.hex()}"

    def _read_checked(self, path: Path, digest: SegmentDigest, offset: int, length: int) -> bytes | None:
        data = path.read_bytes()
        return data[offset : offset + length] if hashlib.sha256(data).digest() == digest else None

    def _erase_one(self, file_id: FileId, index: SegmentIndex) -> None:
        self._changed.add(file_id)
        digest, size_bytes = self._held[file_id].pop(index)
        equal = self._by_digest[file_id][digest]
        equal.remove(index)
        if not equal:
            del self._by_digest[file_id][digest]
        if not self._held[file_id]:
            del self._held[file_id], self._by_digest[file_id]
        self._checked.discard((file_id, index))
        path = self._path(file_id, index, digest)
        with stored(path):
            path.unlink(missing_ok=True)
        self._used_bytes -= _blocks_bytes(size_bytes)
        self._drop_folder_if_empty(file_id)

    def _drop_folder_if_empty(self, file_id: FileId) -> None:
        if file_id in self._held or file_id == self._writing or file_id not in self._folders:
            return
        folder = self._segments / file_id
        with stored(folder), contextlib.suppress(FileNotFoundError):
            folder.rmdir()
        self._folders.discard(file_id)
        self._used_bytes -= BLOCK_BYTES

    def _scan(self) -> None:
        for folder in sorted(self._segments.iterdir()):
            if not _FILE_ID.fullmatch(folder.name) or not folder.is_dir():
                _remove(folder)
                continue
            file_id = FileId(folder.name)
            for path in sorted(folder.iterdir()):
                found = _SEGMENT.fullmatch(path.name)
                size_bytes = path.lstat().st_size
                if found is None or not path.is_file() or not 0 < size_bytes <= SEGMENT_BYTES_MAX:
                    _remove(path)
                    continue
                index, digest = SegmentIndex(int(found[1])), SegmentDigest(bytes.fromhex(found[2]))
                if index in self._held.get(file_id, {}):
                    _remove(path)
                    continue
                self._used_bytes += self._cost(file_id, size_bytes)
                self._folders.add(file_id)
                self._remember(file_id, index, digest, size_bytes)
            if file_id not in self._held:
                folder.rmdir()


def _blocks_bytes(size_bytes: int) -> int:
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES


def _read(path: Path, offset: int, length: int) -> bytes | None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.pread(fd, length, offset)
    finally:
        os.close(fd)
    return data if len(data) == length else None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
