"""How fast downloads go, and so how long a request waits for donors.

Rules:

1. A request for a file waits for donors for half of what its download takes, as downloads go here: with donors' part in
   it. A donor that cannot send its part within that time is busy (`curves.py`).
2. A download takes its size over the typical rate: the median of the last `KEPT` downloads that were seen from their
   beginning to their end. While they are fewer than `FIRST`, downloads at `FIRST_BYTES_PER_S` stand for the others:
   the rate of the base scenario of `dio simulate`. Small files that came quickly took some round trips: their rate is
   the least that the line gives, so they count where that is no less than the median.
3. No wait is shorter than `WAIT_MIN_S` or longer than `WAIT_MAX_S`: rates are what downloaders say of themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from distribute_io.core.placement.curves import Floats

FIRST_BYTES_PER_S: Final = 1_750_000.0
FIRST: Final = 15
KEPT: Final = 255
COUNTED_BYTES_MIN: Final = 4 << 20
COUNTED_S_MIN: Final = 5.0
"""What took so long was slow because of the line, however small it is."""

WAIT_MIN_S: Final = 4.5
"""The shortest that was simulated (`many-small`); a downloader asks for more donors after some seconds, no sooner."""

RATE_MIN: Final = 1_000.0
"""Bytes per second: nobody's line is slower, whatever is said of it."""

WAIT_MAX_S: Final = 3_600.0
"""Half of `Policy.horizon_s`: nothing is expected further ahead."""


class Downlinks:
    """Rates of the last downloads. Caller's duties: tell each that was `seen` as a whole."""

    def __init__(self, rates: Sequence[float] = ()) -> None:
        """Begin with `rates` (bytes per second, the oldest first), as they were kept."""
        self._rates: deque[float] = deque(rates, maxlen=KEPT)
        self._typical: float | None = None

    def seen(self, size_bytes: int, took_s: float) -> None:
        """A download of this size took so long."""
        if size_bytes <= 0:
            return
        rate = size_bytes / max(took_s, 1e-3)
        if size_bytes < COUNTED_BYTES_MIN and took_s < COUNTED_S_MIN and rate < self.typical_bytes_per_s:
            return
        self._rates.append(rate)
        self._typical = None

    @property
    def rates(self) -> list[float]:
        """To be kept over a restart, in bytes per second, the oldest first."""
        return list(self._rates)

    @property
    def typical_bytes_per_s(self) -> float:
        """The median of rule 2."""
        if self._typical is None:
            self._typical = median([*self._rates, *[FIRST_BYTES_PER_S] * max(0, FIRST - len(self._rates))])
        return self._typical


def waits_s(file_bytes: NDArray[np.int64], down_bytes_per_s: float) -> Floats:
    """How long a request for each of some files waits for donors (rules 1 and 3).

    Args:
        file_bytes: sizes.
        down_bytes_per_s: the typical rate.
    """
    return np.asarray(
        np.clip(file_bytes / max(down_bytes_per_s, RATE_MIN) / 2.0, WAIT_MIN_S, WAIT_MAX_S), dtype=np.float64
    )
