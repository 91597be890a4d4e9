"""Some rows of a large board, as the planner of one donor sees them: its own rows, and those that it may be given.

Rules:

1. `Columns` are what is known of rows for all donors; they outlive a plan. A `Part` is a copy of some of them, by
   position, and what the donor's plan changed is written back.
2. What near donors hold belongs to one region; it is given beside the columns.
3. Of the networks, and of the providers, only those are kept that hold so much of a row that one more copy might be too
   alike (`groups.py`): for most rows there is none.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import overload

import numpy as np

from distribute_io.core.placement.groups import copies_max
from distribute_io.core.placement.model import FileView, Policy
from distribute_io.core.placement.readings import Held, Misses, Readings
from distribute_io.core.placement.rows import Flags, Floats, Ints, begins_of


class Alike:
    """Copies of a row in one group, of networks or of providers, where they are so many that it matters (rule 3)."""

    def __init__(
        self, keys: Ints, counts: Ints, *, binds: bool, shares: Mapping[int, float] | None = None, unknown: float = 0.0
    ) -> None:
        """Keep the pairs, those of a group side by side: a donor asks for its own only.

        Args:
            keys: `key_of` row and group, each once.
            counts: copies of that row in that group.
            binds: whether there are groups enough for the cap to hold.
            shares: of donors, that a group (by `number_of`) may hold whatever the cap.
            unknown: the same for a group that is not named.
        """
        self.shares, self.unknown = dict(shares or {}), unknown
        number = keys & 0xFFFF_FFFF
        order = np.lexsort((keys, number))
        self._number: Ints = number[order]
        self._row: Ints = keys[order] >> 32
        self._counts: Ints = counts[order]
        self._binds = binds
        self._added: dict[int, dict[int, int]] = {}
        """By group and row."""

    def too_alike(self, rows: Ints, copies: Floats, group: str, share_max: float) -> Flags | None:
        """Which of some rows (ascending) the group holds enough of, when there are so many copies; None: of none."""
        if not group or not self._binds or not len(rows):
            return None
        own = self.copies_of(rows, group)
        if not own.any():
            return None
        most = copies_max(copies + 1, share_max, self.shares.get(number_of(group), self.unknown))
        return np.asarray((own > 0) & (own + 1 > most))

    def copies_of(self, rows: Ints, group: str) -> Ints:
        """Copies of some rows (ascending) in a group, as far as they matter."""
        counts = np.zeros(len(rows), dtype=np.int64)
        if not group or not self._binds or not len(rows):
            return counts
        number = number_of(group)
        first, last = self._number.searchsorted(number, "left"), self._number.searchsorted(number, "right")
        if first < last:
            of_group = self._row[first:last]
            place = np.minimum(rows.searchsorted(of_group), len(rows) - 1)
            asked = rows[place] == of_group
            counts[place[asked]] = self._counts[first:last][asked]
        if (added := self._added.get(number)) is not None:
            counts += np.fromiter(map(added.get, rows.tolist(), repeat(0)), dtype=np.int64, count=len(rows))
        return counts

    def add(self, rows: Sequence[int], group: str) -> None:
        """One more copy of each of these rows."""
        if group and self._binds:
            added = self._added.setdefault(number_of(group), {})
            for row in rows:
                added[row] = added.get(row, 0) + 1

    def renumbered(self, rows: Ints) -> Alike:
        """The same for some rows (ascending), which are then numbered from 0 on; all known pairs are of these rows."""
        keys = (rows.searchsorted(self._row) << 32) | self._number
        alike = Alike(keys, self._counts, binds=self._binds, shares=self.shares, unknown=self.unknown)
        for number, added in self._added.items():
            known = np.array(list(added), dtype=np.int64)
            places = rows.searchsorted(known)
            listed = np.append(rows, -1)[places] == known
            counts = np.array(list(added.values()), dtype=np.int64)[listed].tolist()
            alike._added[number] = dict(zip(places[listed].tolist(), counts, strict=True))
        return alike


def key_of(row: int, group: str) -> int:
    """A number for row and group together."""
    return (row << 32) | number_of(group)


def number_of(group: str) -> int:
    """A number for a group; 0 for none."""
    return zlib.crc32(group.encode())


class Columns:
    """What is known of rows: fixed ones, and the copies of all donors."""

    __slots__ = (
        "alike",
        "asked_per_s",
        "copies",
        "end",
        "file",
        "files",
        "miss_open",
        "miss_restricted",
        "run",
        "serving",
        "size_bytes",
        "start",
        "wait_s",
    )

    def __init__(
        self,
        *,
        files: Sequence[FileView],
        fixed: tuple[Ints, Ints, Ints, Ints, Ints],
        copies: tuple[Floats, Floats, Floats, Floats],
        asked_per_s: Floats,
        wait_s: Floats,
        alike: tuple[Alike, Alike],
    ) -> None:
        """Keep them.

        Args:
            files: that rows belong to.
            fixed: file, start, end, size in bytes, run of each row.
            copies: of each row: logarithm of a miss for open and for restricted downloaders, serving holders, copies.
            asked_per_s: requests by file.
            wait_s: how long a request waits for donors, by file.
            alike: the networks, and the providers.
        """
        self.files = files
        self.file, self.start, self.end, self.size_bytes, self.run = fixed
        self.miss_open, self.miss_restricted, self.serving, self.copies = copies
        self.asked_per_s, self.wait_s = asked_per_s, wait_s
        self.alike = alike

    def part(self, positions: Ints) -> Columns:
        """A copy of some rows, with all files."""
        return Columns(
            files=self.files,
            fixed=(
                self.file.take(positions),
                self.start.take(positions),
                self.end.take(positions),
                self.size_bytes.take(positions),
                self.run.take(positions),
            ),
            copies=(
                self.miss_open.take(positions),
                self.miss_restricted.take(positions),
                self.serving.take(positions),
                self.copies.take(positions),
            ),
            asked_per_s=self.asked_per_s,
            wait_s=self.wait_s,
            alike=self.alike,
        )


class _Chosen(Sequence[FileView]):
    """Some files, by their places."""

    def __init__(self, files: Sequence[FileView], places: Ints) -> None:
        self._files, self.places = files, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> FileView: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[FileView]: ...
    def __getitem__(self, place: int | slice) -> FileView | Sequence[FileView]:
        if isinstance(place, slice):
            return _Chosen(self._files, self.places[place])
        return self._files[int(self.places[place])]


class PartRows:
    """The rows of a part, files numbered anew."""

    def __init__(self, columns: Columns, positions: Ints) -> None:
        # `take` needs a third of the time that an index does for so few.
        file = columns.file.take(positions)
        begins = begins_of(file)
        self.places: Ints = file[begins]
        """Of the files, in the columns."""
        self.files: Sequence[FileView] = _Chosen(columns.files, self.places)
        self.file: Ints = np.cumsum(begins) - 1
        self.start: Ints = columns.start.take(positions)
        self.end: Ints = columns.end.take(positions)
        self.size_bytes: Ints = columns.size_bytes.take(positions)
        self.run: Ints = columns.run.take(positions)
        self.count = len(positions)

    def range_of(self, row: int) -> tuple[int, int]:
        """The segments of a row."""
        return int(self.start[row]), int(self.end[row])


class Part(Readings):
    """Some rows (ascending positions). Caller's duties: `lift` a donor that is on the columns, `put` it, `commit`."""

    def __init__(self, columns: Columns, positions: Ints, near: tuple[Floats, Floats] | None, policy: Policy) -> None:
        """Copy the rows.

        Args:
            columns: from where.
            positions: which, ascending.
            near: the logarithms of a miss by those near, open and restricted, of these rows; None where far counts as
                much as near.
            policy: how to plan.
        """
        self.policy = policy
        self.positions = positions
        self._columns = columns
        self._rows = PartRows(columns, positions)
        self.miss_open: Floats = columns.miss_open.take(positions)
        self.miss_restricted: Floats = columns.miss_restricted.take(positions)
        self.serving = columns.serving.take(positions)
        self.copies = columns.copies.take(positions)
        self.asked_per_s = columns.asked_per_s.take(self._rows.places)
        self.wait_s = columns.wait_s.take(self._rows.places)
        self.near_open = None if near is None else near[0].copy()
        self.near_restricted = None if near is None else near[1].copy()

    @property
    def rows(self) -> PartRows:
        """The rows."""
        return self._rows

    def misses(self, region: int) -> Misses:
        return Misses(self.miss_open, self.miss_restricted, self.near_open, self.near_restricted)

    def too_alike(self, held: Held) -> set[int]:
        alike: set[int] = set()
        for kind, group in zip(self._columns.alike, held.groups, strict=True):
            which = kind.too_alike(self.positions, self.copies, group, self.policy.network_share_max)
            if which is not None:
                alike.update(np.flatnonzero(which).tolist())
        return alike

    def lift(self, held: Held) -> None:
        """Take a donor's copies off."""
        self._add(held, -1.0)

    def put(self, held: Held, rows: Ints, shares: Floats) -> None:
        """Put a donor on with these copies."""
        added = rows[~np.isin(rows, held.rows)] if len(held.rows) else rows
        self.reckon(held, rows, shares)
        self._add(held, 1.0)
        for kind, group in zip(self._columns.alike, held.groups, strict=True):
            kind.add(self.positions[added].tolist(), group)

    def commit(self) -> None:
        """Write what changed back to the columns; what is near is the caller's to take (`near_open`)."""
        columns, positions = self._columns, self.positions
        columns.miss_open[positions] = self.miss_open
        columns.miss_restricted[positions] = self.miss_restricted
        columns.serving[positions] = self.serving
        columns.copies[positions] = self.copies

    def _add(self, held: Held, sign: float) -> None:
        rows, log_miss = held.rows, sign * held.log_miss
        self.miss_open[rows] += log_miss
        if self.near_open is not None:
            self.near_open[rows] += log_miss
        if held.is_open:
            self.miss_restricted[rows] += log_miss
            if self.near_restricted is not None:
                self.near_restricted[rows] += log_miss
        self.serving[rows] += sign * held.serving
        self.copies[rows] += sign * held.shares
