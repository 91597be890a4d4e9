"""What of the published folder is served now: files by name, with their content's id once they have been hashed."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from distribute_io.coordinator.library_scan import FileStat, Found, Skipped
from distribute_io.ids import FileId


class Shelved(Struct, frozen=True):
    """One file of the folder as it is served."""

    found: Found
    file_id: FileId | None = None
    """None until it has been hashed."""
    payload_sha256: str | None = None


class Progress(Struct, frozen=True):
    """How far hashing is."""

    walked: bool
    """Whether the folder was walked once."""
    files: int
    files_ready: int
    size_bytes: int
    ready_bytes: int
    """Bytes of the files that are ready, and of those being hashed what was read so far."""
    skipped: tuple[Skipped, ...]


class Shelf:
    """Files by name and by content. Keeps its own counts, so that asking costs nothing on a folder of any size."""

    def __init__(self) -> None:
        self._files: dict[str, Shelved] = {}
        self._names: dict[FileId, set[str]] = {}
        self._waiting: dict[str, Shelved] = {}
        self._refused: dict[bytes, tuple[FileStat, Skipped]] = {}
        self.size_bytes = 0
        self.waiting_bytes = 0

    def __len__(self) -> int:
        return len(self._files)

    def get(self, name: str) -> Shelved | None:
        """The file that is published by `name`."""
        return self._files.get(name)

    def names_of(self, file_id: FileId) -> tuple[str, ...]:
        """The names by which a content is published."""
        return tuple(sorted(self._names.get(file_id, ())))

    def waiting(self) -> tuple[Shelved, ...]:
        """Files without an id, by name."""
        return tuple(shelved for _name, shelved in sorted(self._waiting.items()))

    @property
    def waiting_files(self) -> int:
        """How many files have no id."""
        return len(self._waiting)

    def put(self, shelved: Shelved) -> None:
        """Serve a file, in place of what had its name."""
        name = shelved.found.name
        self.remove(name)
        self._files[name] = shelved
        self.size_bytes += shelved.found.stat.size_bytes
        if shelved.file_id is not None:
            self._names.setdefault(shelved.file_id, set()).add(name)
        else:
            self._waiting[name] = shelved
            self.waiting_bytes += shelved.found.stat.size_bytes

    def remove(self, name: str) -> None:
        """Serve a name no more."""
        shelved = self._files.pop(name, None)
        if shelved is None:
            return
        self.size_bytes -= shelved.found.stat.size_bytes
        if shelved.file_id is None:
            del self._waiting[name]
            self.waiting_bytes -= shelved.found.stat.size_bytes
            return
        names = self._names[shelved.file_id]
        names.discard(name)
        if not names:
            del self._names[shelved.file_id]

    def keep_only(self, names: Iterable[str]) -> None:
        """Remove all but `names`."""
        kept = set(names)
        for name in [name for name in self._files if name not in kept]:
            self.remove(name)

    # --- what is not served although it is there ---

    def refuse(self, found: Found, reason: str) -> None:
        """Do not serve a file as long as it stays as it is."""
        self.remove(found.name)
        self._refused[found.path] = (found.stat, Skipped(found.name, reason))

    def is_refused(self, found: Found) -> bool:
        """Whether a file was refused and has not changed since."""
        refused = self._refused.get(found.path)
        return refused is not None and refused[0] == found.stat

    def forget_refusals(self, files: tuple[Found, ...]) -> None:
        """Forget the refusals of files that are no longer there, or have changed."""
        there = {found.path for found in files if self.is_refused(found)}
        self._refused = {path: refused for path, refused in self._refused.items() if path in there}

    def refused_paths(self) -> frozenset[bytes]:
        """The paths of what is refused."""
        return frozenset(self._refused)

    def refusals(self) -> tuple[Skipped, ...]:
        """What is refused, and why."""
        return tuple(skipped for _stat, skipped in self._refused.values())
