"""What lies under the published folder: one walk over it, and the names by which its files are published.

Rules, as a publisher would expect them (docs/operating.md):

1. Regular files are published by their path below the folder, so equal base names in two subfolders are two files.
2. Names that begin with a dot are left out, files and folders alike, and so is the data directory if it lies inside.
3. A symbolic link is followed while it stays inside the folder; one that leaves it, or leads in a circle, is left out.
4. A name that is not UTF-8 is published with each bad byte as `%XX`. A name that a manifest may not carry
   (`manifest/names.py`) is left out, and so is one that another file already has.
5. What is left out is reported with its path and the reason, never silently, but for rule 2.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from distribute_io.errors import ManifestError
from distribute_io.manifest.names import check_name

FILES_MAX: Final = 1_000_000
"""Files of one folder; each takes about 400 bytes of memory here and a row in the catalogue."""

DEPTH_MAX: Final = 64
"""Folders inside folders; deeper is a loop of mounts or a mistake."""

SKIPPED_TOLD_MAX: Final = 1_000
"""Reports of what was left out that are kept; more of them help nobody."""


class FileStat(Struct, frozen=True):
    """By what a change is seen without reading the file."""

    size_bytes: int
    mtime_ns: int
    inode: int


class Found(Struct, frozen=True):
    """A file to publish."""

    path: bytes
    """Below the folder, as the file system spells it."""
    name: str
    """As it is published, folders separated by `/`."""
    stat: FileStat


class Skipped(Struct, frozen=True):
    """Something that is not published, and why."""

    path: str
    """For people: bytes that are not UTF-8 are shown as `%XX`."""
    reason: str


class Scan(Struct, frozen=True):
    """The outcome of one walk, files in the order of their names."""

    files: tuple[Found, ...]
    skipped: tuple[Skipped, ...]


def stat_of(status: os.stat_result) -> FileStat:
    """What is compared of a file's status."""
    return FileStat(status.st_size, status.st_mtime_ns, status.st_ino)


def shown(path: bytes) -> str:
    """A path as text: bytes that are not UTF-8 become `%XX` (rule 4).

    >>> shown(b"caf\\xe9.iso")
    'caf%E9.iso'
    """
    try:
        return path.decode()
    except UnicodeDecodeError:
        text = path.decode(errors="surrogateescape")
        return "".join(f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in text)


def scan(folder: Path, *, leave_out: Path | None = None) -> Scan:
    """Walk over `folder`. Blocks; call it in a thread.

    Args:
        folder: the published folder.
        leave_out: the data directory.

    Raises:
        OSError: when the folder itself cannot be read.
    """
    walk = _Walk(folder, leave_out)
    found: list[Found] = []
    names: set[str] = set()
    for path, status in sorted(walk.files(), key=lambda item: item[0]):
        if len(found) >= FILES_MAX:
            walk.skip(path, f"the folder has more than {FILES_MAX} files")
            break
        name = shown(path)
        try:
            check_name(name)
        except ManifestError as error:
            walk.skip(path, error.message)
            continue
        if name in names:
            walk.skip(path, "another file is published by this name")
            continue
        names.add(name)
        found.append(Found(path, name, stat_of(status)))
    return Scan(tuple(found), tuple(walk.skipped))


class _Walk:
    def __init__(self, folder: Path, leave_out: Path | None) -> None:
        self._root = os.path.realpath(os.fsencode(folder))
        self._leave_out = os.path.realpath(os.fsencode(leave_out)) if leave_out is not None else None
        self.skipped: list[Skipped] = []

    def skip(self, path: bytes, reason: str) -> None:
        if len(self.skipped) < SKIPPED_TOLD_MAX:
            self.skipped.append(Skipped(shown(path), reason))

    def files(self) -> Iterator[tuple[bytes, os.stat_result]]:
        # The root's own failure is the caller's to handle; that of a subfolder only leaves the subfolder out.
        with os.scandir(self._root) as entries:
            yield from self._entries(list(entries), b"", (self._root,))

    def _entries(
        self, entries: list[os.DirEntry[bytes]], below: bytes, parents: tuple[bytes, ...]
    ) -> Iterator[tuple[bytes, os.stat_result]]:
        for entry in entries:
            if entry.name.startswith(b"."):
                continue
            path = below + entry.name
            try:
                yield from self._entry(entry, path, parents)
            except OSError as error:
                self.skip(path, _reason(error))

    def _entry(
        self, entry: os.DirEntry[bytes], path: bytes, parents: tuple[bytes, ...]
    ) -> Iterator[tuple[bytes, os.stat_result]]:
        real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
        if real != entry.path and not _is_below(real, self._root):
            self.skip(path, "the symbolic link leaves the folder")
            return
        status = entry.stat()
        if stat.S_ISDIR(status.st_mode):
            if self._leave_out is not None and os.path.realpath(real) == self._leave_out:
                return
            if os.path.realpath(real) in parents:
                self.skip(path, "the symbolic link leads in a circle")
            elif len(parents) > DEPTH_MAX:
                self.skip(path, f"it lies more than {DEPTH_MAX} folders deep")
            else:
                with os.scandir(entry.path) as entries:
                    inside = list(entries)
                yield from self._entries(inside, path + b"/", (*parents, os.path.realpath(real)))
        elif stat.S_ISREG(status.st_mode):
            yield path, status
        else:
            self.skip(path, "it is no regular file")


def _is_below(path: bytes, root: bytes) -> bool:
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the symbolic link leads nowhere, or the file vanished"
    return f"it cannot be read: {error.strerror or type(error).__name__}"
