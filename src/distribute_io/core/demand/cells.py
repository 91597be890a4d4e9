"""Counts for each pair of file and region, as columns: bounded, and quick with hundreds of thousands of them.

Rules:

1. A cell has a slow and a fast count of requests, and what of them was lost to mirrors (with the fast half-life). Each
   is as it was when it was last looked at, and fades from there.
2. Files and regions have numbers; a number is used again when nothing of its file is left.
3. Room is made when fifteen sixteenths are taken, by who looks after the book; when all are, by the request that needs
   one. A sixteenth is chosen, those asked the least, and forgotten one by one as room is needed; who is asked for
   meanwhile stays. So no request waits for more than the choice (`bench demand_book`).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from distribute_io.ids import FileId

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REGIONS_MAX: Final = 256
_ROOM_FIRST: Final = 1_024
_FORGOTTEN_PARTS: Final = 16
_AT_ONCE: Final = 8_192
"""Cells that are written down before others have their turn."""
_FORGOTTEN_AT_ONCE: Final = 1_024


class Cell(NamedTuple):
    """One of them."""

    file_id: FileId
    region: int
    slow: float
    fast: float
    lost: float
    at_us: int


class Columns(NamedTuple):
    """All cells at a moment, in no order."""

    file: Ints
    """Numbers."""
    region: Ints
    slow: Floats
    fast: Floats
    lost: Floats


class FileNumbers:
    """A number for each file of which anything is known, and when it was published."""

    def __init__(self) -> None:
        self._numbers: dict[FileId, int] = {}
        self._uses: list[int] = []
        self._free: list[int] = []
        self._published_us = array("q")
        self.names: list[FileId] = []
        """By number; that of one that is free means nothing."""

    def __len__(self) -> int:
        return len(self.names)

    def get(self, file_id: FileId) -> int | None:
        """A file's number, if it has one."""
        return self._numbers.get(file_id)

    def use(self, file_id: FileId) -> int:
        """A file's number, for one more thing that is known of it."""
        number = self._numbers.get(file_id)
        if number is None:
            if self._free:
                number = self._free.pop()
                self.names[number] = file_id
            else:
                number = len(self.names)
                self.names.append(file_id)
                self._uses.append(0)
                self._published_us.append(0)
            self._numbers[file_id] = number
        self._uses[number] += 1
        return number

    def publish(self, file_id: FileId, at_us: int) -> None:
        """A file is published: one thing that is known of it, until `unpublish`."""
        self._published_us[self.use(file_id)] = at_us

    def unpublish(self, file_id: FileId) -> None:
        """It is so no more, or that is forgotten."""
        number = self._numbers[file_id]
        self._published_us[number] = 0
        self.leave(number)

    def published_us(self) -> Ints:
        """When each was, by number; 0: not known."""
        return np.array(self._published_us, dtype=np.int64)

    def leave(self, number: int) -> None:
        """One thing less is known of it."""
        self._uses[number] -= 1
        if not self._uses[number]:
            del self._numbers[self.names[number]]
            self._free.append(number)


class Cells:
    """Caller's duties: `fade` a cell before it is counted up, `fade_all` before they are read."""

    def __init__(self, files: FileNumbers, *, cells_max: int, slow_s: float, fast_s: float) -> None:
        """Keep the parts.

        Args:
            files: numbers, which others use too.
            cells_max: at most so many are kept.
            slow_s: mean life of the slow count.
            fast_s: of the fast one.
        """
        self._files, self._cells_max, self._slow_s, self._fast_s = files, cells_max, slow_s, fast_s
        self._slots: dict[int, int] = {}
        """By number of the file times `REGIONS_MAX` and number of the region."""
        self._free: list[int] = []
        self._least: dict[int, None] = {}
        """Keys of those that are forgotten next."""
        room = min(cells_max, _ROOM_FIRST)
        self._key = np.zeros(room, dtype=np.int64)
        self._at_us = np.zeros(room, dtype=np.int64)
        self.slow, self.fast, self.lost = np.zeros(room), np.zeros(room), np.zeros(room)

    def __len__(self) -> int:
        return len(self._slots)

    def slot(self, file_id: FileId, region: int, now_us: int) -> int:
        """Where the cell of a file and a region is; an empty one if it is new."""
        number = self._files.get(file_id)
        if number is not None:
            slot = self._slots.get(number * REGIONS_MAX + region)
            if slot is not None:
                self._least.pop(number * REGIONS_MAX + region, None)
                return slot
        if len(self._slots) >= self._cells_max:
            if not self._least:
                self._choose_least(now_us)
            self._forget(next(iter(self._least)))
        key = self._files.use(file_id) * REGIONS_MAX + region
        if self._free:
            slot = self._free.pop()
        else:
            slot = len(self._slots)
            if slot >= len(self._key):
                self._grow()
        self._slots[key] = slot
        self._key[slot] = key
        self.slow[slot] = self.fast[slot] = self.lost[slot] = 0.0
        self._at_us[slot] = now_us
        return slot

    def fade(self, slot: int, now_us: int) -> None:
        """Bring one cell up to now."""
        before_us = int(self._at_us[slot])
        if now_us <= before_us:
            return
        gone_s = (now_us - before_us) / 1e6
        fast = math.exp(-gone_s / self._fast_s)
        self.slow[slot] *= math.exp(-gone_s / self._slow_s)
        self.fast[slot] *= fast
        self.lost[slot] *= fast
        self._at_us[slot] = now_us

    def fade_all(self, now_us: int) -> Columns:
        """Bring all cells up to now, and give a copy of them."""
        slots = np.fromiter(self._slots.values(), dtype=np.int64, count=len(self._slots))
        gone_s = np.maximum(0, now_us - self._at_us[slots]) / 1e6
        fading = np.exp(-gone_s / self._fast_s)
        slow = self.slow[slots] * np.exp(-gone_s / self._slow_s)
        fast, lost = self.fast[slots] * fading, self.lost[slots] * fading
        self.slow[slots], self.fast[slots], self.lost[slots] = slow, fast, lost
        self._at_us[slots] = np.maximum(self._at_us[slots], now_us)
        key = self._key[slots]
        return Columns(key // REGIONS_MAX, key % REGIONS_MAX, slow, fast, lost)

    def make_room(self, now_us: int) -> Iterator[None]:
        """Forget the least asked if it is time (rule 3); others may have their turn between the steps."""
        if len(self._slots) <= self._cells_max - self._cells_max // _FORGOTTEN_PARTS:
            return
        self._choose_least(now_us)
        while self._least:
            yield
            for key in list(islice(self._least, _FORGOTTEN_AT_ONCE)):
                self._forget(key)

    def put(self, cell: Cell) -> None:
        """Take over a cell that was kept."""
        slot = self.slot(cell.file_id, cell.region, cell.at_us)
        self.slow[slot], self.fast[slot], self.lost[slot] = cell.slow, cell.fast, cell.lost
        self._at_us[slot] = cell.at_us

    def drop(self, file_id: FileId) -> None:
        """Forget a file's cells."""
        number = self._files.get(file_id)
        if number is None:
            return
        for key in range(number * REGIONS_MAX, (number + 1) * REGIONS_MAX):
            if key in self._slots:
                self._forget(key)

    def told(self) -> Iterator[list[Cell]]:
        """The cells, some thousands at a time, so that others may have their turn between; each is as it is then."""
        known = list(self._slots)
        names = self._files.names
        for start in range(0, len(known), _AT_ONCE):
            keys = [key for key in known[start : start + _AT_ONCE] if key in self._slots]
            slots = np.array([self._slots[key] for key in keys], dtype=np.int64)
            columns = (column[slots].tolist() for column in (self.slow, self.fast, self.lost, self._at_us))
            yield [
                Cell(names[key // REGIONS_MAX], key % REGIONS_MAX, slow, fast, lost, at_us)
                for key, slow, fast, lost, at_us in zip(keys, *columns, strict=True)
            ]

    def _forget(self, key: int) -> None:
        slot = self._slots.pop(key)
        self._key[slot] = -1
        self._free.append(slot)
        self._least.pop(key, None)
        self._files.leave(key // REGIONS_MAX)

    def _choose_least(self, now_us: int) -> None:
        """Rule 3. Slots are looked at in their own order: to walk the table of names takes as long as all the rest."""
        used = len(self._slots) + len(self._free)
        slow = self.slow[:used] * np.exp(np.minimum(0, self._at_us[:used] - now_us) / (1e6 * self._slow_s))
        slow[self._key[:used] < 0] = np.inf
        few = max(1, len(self._slots) // _FORGOTTEN_PARTS)
        self._least = dict.fromkeys(self._key[np.argpartition(slow, few - 1)[:few]].tolist())

    def _grow(self) -> None:
        more = min(len(self._key), self._cells_max - len(self._key))
        self.slow, self.fast, self.lost = (
            np.concatenate((column, np.zeros(more))) for column in (self.slow, self.fast, self.lost)
        )
        self._key, self._at_us = (
            np.concatenate((column, np.zeros(more, dtype=np.int64))) for column in (self._key, self._at_us)
        )
