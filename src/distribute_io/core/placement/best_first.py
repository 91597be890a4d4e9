"""Rows in the order of what a copy is worth at one donor, while its load grows.

Rules:

1. A row's value is its worth times a share that falls with the donor's load (`curves.marginal_share`): what the same
   file asks of it at once, and what all ask of it on average. Loads only grow, so a value once found never rises.
2. Files of which the donor has nothing suffer alike from its average load: their best rows keep one order, found once.
   The others wait in a heap by a value that may be out of date, and are looked at again only when they come to its top.
3. Within a file rows come by worth, equal ones in their own order.

So a pick costs a few microseconds however many rows there are; to look at all of them at each pick costs 20 and more.
"""

from __future__ import annotations

import heapq

import numpy as np

from distribute_io.core.placement.curves import marginal_share_of_one
from distribute_io.core.placement.rows import Floats, Ints


class BestFirst:
    """Caller's duties: ask for the `best`; `take` it or `drop` it; ask again."""

    def __init__(
        self, files: Ints, worth: Floats, *, loads: tuple[Floats, float], adds: tuple[Floats, Floats], sharpness: float
    ) -> None:
        """Sort what can be sorted once.

        Args:
            files: of each row, ascending.
            worth: of each row, on an idle donor.
            loads: the donor's before anything is taken: at once by file, and on average.
            adds: what each row, whole, adds to the two.
            sharpness: of the share that a busy donor serves.
        """
        self._share_of = marginal_share_of_one(sharpness)
        order = np.lexsort((-worth, files))
        starts: Ints = np.flatnonzero(np.diff(files, prepend=-1))
        heads = worth[order[starts]]
        self._places: list[int] = order.tolist()
        """Of the rows, file by file, the best of each first."""
        self._worth: list[float] = worth[order].tolist()
        self._at_once_adds: list[float] = adds[0][order].tolist()
        self._average_adds: list[float] = adds[1][order].tolist()
        self._ends: list[int] = [*starts[1:].tolist(), len(order)]
        """Of each group: the rows of one file, by their order here."""
        at_once = loads[0][files[starts]]
        self._at_once: list[float] = at_once.tolist()
        self._on_average = loads[1]
        idle = np.flatnonzero(at_once <= 0.0)
        idle = idle[np.argsort(-heads[idle], kind="stable")][::-1]
        self._idle: list[tuple[float, int, int]] = list(
            zip(heads[idle].tolist(), starts[idle].tolist(), idle.tolist(), strict=True)
        )
        """Worth, row and group of each best row of a group without load, the best last."""
        self._heap: list[tuple[float, int, int]] = []
        """The best row of each other group: negative value as it was last found, row, group. Rows in the order here."""
        for group in np.flatnonzero(at_once > 0.0).tolist():
            heapq.heappush(self._heap, self._entry(int(starts[group]), group))
        self._group = -1
        """Of the row that is the best; -1: it is the last of the idle ones."""

    def best(self) -> tuple[int, float] | None:
        """The place of the best row, and its value with the load of now; None when there is none left."""
        heap, share_of, on_average = self._heap, self._share_of, self._on_average
        idle = self._idle[-1][0] * share_of(on_average) if self._idle else -1.0
        while heap and -heap[0][0] > idle:
            known, row, group = heap[0]
            value = self._worth[row] * share_of(self._at_once[group] + on_average)
            if value < -known:
                heapq.heapreplace(heap, (-value, row, group))
            if heap[0][1] == row and value > idle:
                self._group = group
                return self._places[row], value
        if not self._idle:
            return None
        self._group = -1
        return self._places[self._idle[-1][1]], idle

    def take(self, share: float = 1.0) -> None:
        """The donor gets the row that `best` named, or a share of it."""
        _key, row, group = self._heap[0] if self._group >= 0 else self._idle[-1]
        self._at_once[group] += self._at_once_adds[row] * share
        self._on_average += self._average_adds[row] * share
        self.drop()

    def drop(self) -> None:
        """The row that `best` named is done with."""
        if self._group < 0:
            _worth, row, group = self._idle.pop()
            if row + 1 < self._ends[group]:
                heapq.heappush(self._heap, self._entry(row + 1, group))
            return
        _key, row, group = self._heap[0]
        if row + 1 < self._ends[group]:
            heapq.heapreplace(self._heap, self._entry(row + 1, group))
        else:
            heapq.heappop(self._heap)

    def _entry(self, row: int, group: int) -> tuple[float, int, int]:
        return -self._worth[row] * self._share_of(self._at_once[group] + self._on_average), row, group
