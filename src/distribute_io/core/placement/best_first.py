"""Rows in the order of what a copy is worth at one donor, while its load grows.

Rules:

1. A row's value is its worth times a share that falls with the donor's load (`curves.marginal_share`): what the same
   file asks of it at once, and what all ask of it on average. Loads only grow, so a value once found never rises.
2. Files of which the donor has nothing suffer alike from its average load: their best rows keep one order, found once.
   The others wait in a heap by a value that may be out of date, and are looked at again only when they come to its top.

So a pick costs a few microseconds however many rows there are; to look at all of them at each pick costs 20 and more.
"""

from __future__ import annotations

import heapq

import numpy as np

from distribute_io.core.placement.curves import marginal_share_of_one
from distribute_io.core.placement.rows import Floats, Ints


class BestFirst:
    """Caller's duties: ask for the `best`; `take` it or `drop` it; ask again."""

    def __init__(self, files: Ints, worth: Floats, at_once: Floats, sharpness: float) -> None:
        """Sort what can be sorted once.

        Args:
            files: of each row, neighbours together.
            worth: of each row, on an idle donor.
            at_once: the donor's load by file, before anything is taken.
            sharpness: of the share that a busy donor serves.
        """
        self._files, self._worth, self._sharpness = files, worth, sharpness
        self._starts: Ints = np.flatnonzero(np.diff(files, prepend=-1)) if len(files) else np.zeros(0, dtype=np.int64)
        loads = at_once[files[self._starts]]
        self._loads: list[float] = loads.tolist()
        """Of each file, by its place in `_starts`."""
        heads = np.maximum.reduceat(worth, self._starts) if len(files) else np.zeros(0)
        busy = loads > 0.0
        idle = np.flatnonzero(~busy)
        idle = idle[np.argsort(-heads[idle], kind="stable")]
        self._idle: list[tuple[int, float]] = list(zip(idle.tolist(), heads[idle].tolist(), strict=True))[::-1]
        """Files without load, the best last, each with the worth of its best row."""
        self._heap: list[tuple[float, int, int, float]] = []
        """Negative value as it was last found, row, file's place in `_starts`, worth."""
        self._rest: dict[int, list[tuple[int, float]]] = {}
        """Of each file that has load: its rows to come, the best last."""
        for group in np.flatnonzero(busy).tolist():
            self._rest[group] = self._rows_of(group)
            self._push(group)
        self._group = -1

    def best(self, on_average: float) -> tuple[int, float] | None:
        """The place of the best row, and its value with this average load; None when there is none left."""
        loads, sharpness = self._loads, self._sharpness
        share = marginal_share_of_one(on_average, sharpness)
        idle = self._idle[-1][1] * share if self._idle else -1.0
        heap, share_of, replace = self._heap, marginal_share_of_one, heapq.heapreplace
        while heap and -heap[0][0] > idle:
            known, place, group, worth = heap[0]
            value = worth * share_of(loads[group] + on_average, sharpness)
            if value < -known:
                replace(heap, (-value, place, group, worth))
            if heap[0][1] == place and value > idle:
                self._group = group
                return place, value
        if not self._idle:
            return None
        self._group = -1
        group = self._idle[-1][0]
        if group not in self._rest:
            self._rest[group] = self._rows_of(group)
        return self._rest[group][-1][0], idle

    def take(self, at_once: float) -> None:
        """The donor gets the row that `best` named; its load by that row's file is now this."""
        group = self._group if self._group >= 0 else self._idle[-1][0]
        self._loads[group] = at_once
        self.drop()

    def drop(self) -> None:
        """The row that `best` named is done with."""
        if self._group < 0:
            group, _worth = self._idle.pop()
            self._rest[group].pop()
        else:
            group = self._group
            heapq.heappop(self._heap)
        self._push(group)

    def _push(self, group: int) -> None:
        if self._rest[group]:
            place, worth = self._rest[group].pop()
            heapq.heappush(self._heap, (-worth, place, group, worth))

    def _rows_of(self, group: int) -> list[tuple[int, float]]:
        start = int(self._starts[group])
        end = int(self._starts[group + 1]) if group + 1 < len(self._starts) else len(self._files)
        worth = self._worth[start:end]
        order = np.argsort(-worth, kind="stable")[::-1]
        return list(zip((start + order).tolist(), worth[order].tolist(), strict=True))
