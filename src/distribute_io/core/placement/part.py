"""Some rows of a large board, as the planner of one donor sees them: its own rows, and those that it may be given.

Rules:

1. `Columns` are what is known of rows for all donors; they outlive a plan. A `Part` is a copy of some of them, by
   position, and what the donor's plan changed is written back.
2. What near donors hold belongs to one region; it is given beside the columns.
3. Of the networks only those are kept that hold so much of a row that one more copy might be too alike
   (`Policy.network_share_max`): for most rows there is none.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import overload

import numpy as np

from distribute_io.core.placement.model import FileView, Policy
from distribute_io.core.placement.readings import Held, Misses, Readings
from distribute_io.core.placement.rows import Floats, Ints


class Alike:
    """Copies of a row in one network, where they are so many that it matters (rule 3)."""

    def __init__(self, keys: Ints, counts: Ints, *, binds: bool) -> None:
        """Keep the pairs.

        Args:
            keys: `key_of` row and network, ascending.
            counts: copies of that row in that network.
            binds: whether there are networks enough for the cap to hold.
        """
        self._keys, self._counts, self._binds = keys, counts, binds
        self._added: dict[int, int] = {}

    def copies_of(self, rows: Ints, network: str) -> Ints:
        """Copies of some rows in a network, as far as they matter."""
        if not network or not self._binds:
            return np.zeros(len(rows), dtype=np.int64)
        keys = (rows << 32) | _number_of(network)
        counts = np.zeros(len(rows), dtype=np.int64)
        if len(self._keys):
            place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            counts = np.where(self._keys[place] == keys, self._counts[place], 0)
        if self._added:
            counts += np.fromiter(map(self._added.get, keys.tolist(), repeat(0)), dtype=np.int64, count=len(keys))
        return counts

    def add(self, rows: Iterable[int], network: str) -> None:
        """One more copy of each of these rows."""
        if network and self._binds:
            number, added = _number_of(network), self._added
            for row in rows:
                key = (row << 32) | number
                added[key] = added.get(key, 0) + 1

    def renumbered(self, rows: Ints) -> Alike:
        """The same for some rows (ascending), which are then numbered from 0 on; all known pairs are of these rows."""
        keys = (np.searchsorted(rows, self._keys >> 32) << 32) | (self._keys & 0xFFFF_FFFF)
        alike = Alike(keys, self._counts, binds=self._binds)
        for key, count in self._added.items():
            row = int(np.searchsorted(rows, key >> 32))
            if row < len(rows) and rows[row] == key >> 32:
                alike._added[(row << 32) | (key & 0xFFFF_FFFF)] = count
        return alike


def key_of(row: int, network: str) -> int:
    """A number for row and network together."""
    return (row << 32) | _number_of(network)


def _number_of(network: str) -> int:
    return zlib.crc32(network.encode())


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
    )

    def __init__(
        self,
        *,
        files: Sequence[FileView],
        fixed: tuple[Ints, Ints, Ints, Ints, Ints],
        copies: tuple[Floats, Floats, Floats, Floats],
        asked_per_s: Floats,
        alike: Alike,
    ) -> None:
        """Keep them.

        Args:
            files: that rows belong to.
            fixed: file, start, end, size in bytes, run of each row.
            copies: of each row: logarithm of a miss for open and for restricted downloaders, serving holders, copies.
            asked_per_s: requests by file.
            alike: the networks.
        """
        self.files = files
        self.file, self.start, self.end, self.size_bytes, self.run = fixed
        self.miss_open, self.miss_restricted, self.serving, self.copies = copies
        self.asked_per_s = asked_per_s
        self.alike = alike

    def part(self, positions: Ints) -> Columns:
        """A copy of some rows, with all files."""
        return Columns(
            files=self.files,
            fixed=(
                self.file[positions],
                self.start[positions],
                self.end[positions],
                self.size_bytes[positions],
                self.run[positions],
            ),
            copies=(
                self.miss_open[positions],
                self.miss_restricted[positions],
                self.serving[positions],
                self.copies[positions],
            ),
            asked_per_s=self.asked_per_s,
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
        file = columns.file[positions]
        begins = np.diff(file, prepend=-1) != 0
        self.places: Ints = file[begins]
        """Of the files, in the columns."""
        self.files: Sequence[FileView] = _Chosen(columns.files, self.places)
        self.file: Ints = np.cumsum(begins) - 1
        self.start: Ints = columns.start[positions]
        self.end: Ints = columns.end[positions]
        self.size_bytes: Ints = columns.size_bytes[positions]
        self.run: Ints = columns.run[positions]
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
        self.miss_open: Floats = columns.miss_open[positions].astype(np.float64)
        self.miss_restricted: Floats = columns.miss_restricted[positions].astype(np.float64)
        self.serving = columns.serving[positions].astype(np.float64)
        self.copies = columns.copies[positions].astype(np.float64)
        self.asked_per_s = columns.asked_per_s[self._rows.places]
        self.near_open = None if near is None else near[0].astype(np.float64)
        self.near_restricted = None if near is None else near[1].astype(np.float64)

    @property
    def rows(self) -> PartRows:
        """The rows."""
        return self._rows

    def misses(self, region: int) -> Misses:
        return Misses(self.miss_open, self.miss_restricted, self.near_open, self.near_restricted)

    def too_alike(self, held: Held) -> set[int]:
        own = self._columns.alike.copies_of(self.positions, held.network)
        alike = (own > 0) & (own + 1 > self.policy.network_share_max * (self.copies + 1))
        return set(np.flatnonzero(alike).tolist())

    def lift(self, held: Held) -> None:
        """Take a donor's copies off."""
        self._add(held, -1.0)

    def put(self, held: Held, rows: Ints, shares: Floats) -> None:
        """Put a donor on with these copies."""
        added = rows[~np.isin(rows, held.rows)] if len(held.rows) else rows
        self.reckon(held, rows, shares)
        self._add(held, 1.0)
        self._columns.alike.add(self.positions[added].tolist(), held.network)

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
