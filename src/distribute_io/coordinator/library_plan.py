"""What to do after a walk over the folder: pure comparison of what is there with what is known.

Rules:

1. A file that is as it was when it was hashed is ready: nothing is read again.
2. A file is hashed only when it stands still: its size, time and inode are those of the look before, at least
   `settle_ns` ago, or its time of change lies that far back. Until then it is looked at again.
3. Small files come first, so that a folder with one huge file is nearly complete after seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from distribute_io.coordinator.library_scan import FileStat, Found
from distribute_io.stores.catalogue import LibraryRecord


class Look(Struct, frozen=True):
    """A file's status, and since when it has been so."""

    stat: FileStat
    since_ns: int


class LibraryPlan(Struct, frozen=True):
    """What a walk leads to."""

    ready: tuple[tuple[Found, LibraryRecord], ...]
    """As they were when they were hashed."""
    hash_now: tuple[Found, ...]
    """New or changed, and standing still; small ones first."""
    look_again: tuple[Found, ...]
    """New or changed, perhaps still being written."""
    gone: tuple[LibraryRecord, ...]
    """Known, and no longer there."""
    looks: Mapping[bytes, Look]
    """To be given to the next plan."""


def compare(
    files: tuple[Found, ...],
    known: Mapping[bytes, LibraryRecord],
    looks: Mapping[bytes, Look],
    *,
    now_ns: int,
    settle_ns: int,
) -> LibraryPlan:
    """Compare a walk with what is known.

    Args:
        files: what is there.
        known: what was hashed, by path.
        looks: the `looks` of the plan before.
        now_ns: the present, nanoseconds since 1970.
        settle_ns: rule 2.
    """
    ready: list[tuple[Found, LibraryRecord]] = []
    hash_now: list[Found] = []
    look_again: list[Found] = []
    next_looks: dict[bytes, Look] = {}
    for found in files:
        record = known.get(found.path)
        if record is not None and found.stat == FileStat(record.size_bytes, record.mtime_ns, record.inode):
            ready.append((found, record))
            continue
        before = looks.get(found.path)
        since_ns = before.since_ns if before is not None and before.stat == found.stat else now_ns
        next_looks[found.path] = Look(found.stat, since_ns)
        if settle_ns <= max(now_ns - since_ns, now_ns - found.stat.mtime_ns):
            hash_now.append(found)
        else:
            look_again.append(found)
    present = {found.path for found in files}
    return LibraryPlan(
        ready=tuple(ready),
        hash_now=tuple(sorted(hash_now, key=lambda found: (found.stat.size_bytes, found.path))),
        look_again=tuple(look_again),
        gone=tuple(record for path, record in known.items() if path not in present),
        looks=next_looks,
    )
