"""Rows in the order of what a copy is worth at one donor, while its load grows.

Rules:

1. A row's value is its worth times a share that falls with the donor's load (`curves.marginal_share`): what the same
   file asks of it at once, and what all ask of it on average. Loads only grow, so a value once found never rises.
2. Files of which the donor has nothing suffer alike from its average load: their best rows keep one order, found once.
   The others wait in a heap by a value that may be out of date, and are looked at again only when they come to its top
   and something was taken since they were looked at.
3. Within a file rows come by worth, equal ones in their own order.

So a pick costs a few microseconds however many rows there are; to look at all of them at each pick costs 20 and more.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator

import numpy as np

from distribute_io.core.placement.curves import marginal_share_of_one
from distribute_io.core.placement.rows import Floats, Ints, begins_of


def best_first(
    files: Ints, worth: Floats, *, loads: tuple[Floats, float], adds: tuple[Floats, Floats], sharpness: float
) -> Generator[tuple[int, float] | None, float]:
    """Name the best row that is left, again and again. A generator, since its names are local: half of a pick's time.

    Args:
        files: of each row, ascending.
        worth: of each row, on an idle donor.
        loads: the donor's before anything is taken: at once by file, and on average.
        adds: what each row, whole, adds to the two.
        sharpness: of the share that a busy donor serves.

    Yields:
        The place of the best row, and its value with the load of now; None when there is none left. To be sent: the
        share of the row that the donor gets, 0 where it is left out.
    """
    share_of, push, replace = marginal_share_of_one(sharpness), heapq.heappush, heapq.heapreplace
    # The rows, file by file, the best of each first; a group is the rows of one file.
    order = np.lexsort((-worth, files))
    starts: Ints = begins_of(files).nonzero()[0]
    heads = worth[order.take(starts)]
    places: list[int] = order.tolist()
    worths: list[float] = worth.take(order).tolist()
    at_once_adds: list[float] = adds[0].take(order).tolist()
    average_adds: list[float] = adds[1].take(order).tolist()
    ends: list[int] = [*starts[1:].tolist(), len(places)]
    begun = loads[0].take(files.take(starts))
    at_once: list[float] = begun.tolist()
    on_average = loads[1]
    # Worth, row and group of each best row of a group without load, the best last.
    groups = (begun <= 0.0).nonzero()[0]
    groups = groups[np.argsort(-heads[groups], kind="stable")][::-1]
    idle = list(zip(heads[groups].tolist(), starts[groups].tolist(), groups.tolist(), strict=True))
    idle_share, taken = share_of(on_average), 0
    # The best row of each other group: negative value as it was last found, row, group, and what was taken by then.
    heap: list[tuple[float, int, int, int]] = []
    for group in (begun > 0.0).nonzero()[0].tolist():
        row = int(starts[group])
        push(heap, (-worths[row] * share_of(at_once[group] + on_average), row, group, 0))
    while True:
        row, group, is_idle = -1, -1, True
        value = idle_value = idle[-1][0] * idle_share if idle else -1.0
        while heap and -heap[0][0] > idle_value:
            known, row, group, known_at = heap[0]
            value = -known
            if known_at != taken:
                value = worths[row] * share_of(at_once[group] + on_average)
                if value < -known:
                    replace(heap, (-value, row, group, taken))
            if heap[0][1] == row and value > idle_value:
                is_idle = False
                break
        if is_idle:
            if not idle:
                break
            _worth, row, group = idle.pop()
            value = idle_value
        share = yield places[row], value
        if share:
            at_once[group] += at_once_adds[row] * share
            on_average += average_adds[row] * share
            idle_share = share_of(on_average)
            taken += 1
        row += 1
        if row < ends[group]:
            entry = (-worths[row] * share_of(at_once[group] + on_average), row, group, taken)
            if is_idle:
                push(heap, entry)
            else:
                replace(heap, entry)
        elif not is_idle:
            heapq.heappop(heap)
    yield None
