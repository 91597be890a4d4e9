"""The highest version of each file that this user was given before, so that nobody can serve an old one as new.

Rules (spec/manifest.md section 7):

1. Remembered per pinned key, cause and name, and only there: without a pin nobody knows whose version it is.
2. An older version than the highest is refused; the same one is not.
3. It is a memory and no store: if its file cannot be read or written, downloads go on, and the caller is told. The
   entries that changed last are kept when there are too many.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from distribute_io.manifest.model import VerifiedManifest
from distribute_io.manifest.payload import check_version

_ENTRIES_MAX: Final = 10_000
"""Some 2 MB; a mirror operator who fetches more different files than that keeps the newest."""


def default_path() -> Path:
    """Where the memory of a user lies (XDG base directories: state that may be lost)."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "distribute-io" / "versions.json"


class VersionMemory:
    """A file that names versions. Two programs at once may lose an entry to each other, which is a pity and no harm."""

    def __init__(self, path: Path, *, warn: Callable[[str], None]) -> None:
        self._path: Final = path
        self._warn: Final = warn

    def check(self, verified: VerifiedManifest) -> None:
        """Refuse what is older than was seen before, and remember it otherwise. Blocks.

        Raises:
            IntegrityError: `manifest_rollback`.
        """
        if not verified.pinned:
            return
        manifest, versions = verified.manifest, self._read()
        entries = [f"{key} {manifest.cause} {manifest.name}" for key in verified.signed_by]
        for entry in entries:
            check_version(manifest, seen=versions.get(entry))
        if any(versions.get(entry) != manifest.version for entry in entries):
            others = {entry: version for entry, version in versions.items() if entry not in entries}
            self._write(others | dict.fromkeys(entries, manifest.version))

    def _read(self) -> dict[str, int]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            self._warn(f"the memory of versions {self._path} cannot be read: {error}")
            return {}

    def _write(self, versions: dict[str, int]) -> None:
        newest = dict(list(versions.items())[-_ENTRIES_MAX:])
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.write_bytes(msgspec.json.encode(newest))
            part.replace(self._path)
        except OSError as error:
            self._warn(f"the memory of versions {self._path} cannot be written: {error.strerror}")
