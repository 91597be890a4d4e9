"""How often each file is asked for, and from where, out of the counts: all files at once.

The rules are those of `book.py`, 1 to 4. Rates are downloads per second.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from distribute_io.core.demand.cells import Columns, Floats, Ints

RISE_REQUESTS_MIN: Final = 3.0
FILES_AT_ONCE: Final = 64
"""With 30 regions a millisecond or two."""
_FILES_PER_STEP: Final = 32_768
"""Files whose rates are reckoned before others have their turn: some milliseconds."""


class Beliefs(NamedTuple):
    """What the estimate is made with."""

    prior_requests: float
    fast_s: float
    """Mean life of the fast count."""
    rise_sigmas: float
    loss_weight: float


class Watched(NamedTuple):
    """The files, by number."""

    known: NDArray[np.bool_]
    """Whether anything is known of it; a number may be free."""
    watched_s: Floats
    """Seconds that each one's slow count stands for."""
    average_per_s: float
    """Downloads per second of a file of this catalogue."""


class Estimate:
    """The rates of all files at a moment, and the regions' shares of each, some files at a time.

    Caller's duties: take all `steps` before anything is read.
    """

    def __init__(self, files: Watched, cells: Columns, usual: Floats, beliefs: Beliefs) -> None:
        """Keep the counts.

        Args:
            files: those of all cells are among them.
            cells: brought up to now.
            usual: each region's share of all that is asked, by its number.
            beliefs: how.
        """
        self.known, self._usual, count = files.known, usual, len(files.known)
        self._cells, self._beliefs = cells, beliefs
        self._ends: Ints = np.concatenate(
            (np.zeros(1, dtype=np.int64), np.cumsum(np.bincount(cells.file, minlength=count)))
        )
        """Of each file's cells, in the order of files."""
        self._span_s: Floats = files.watched_s + beliefs.prior_requests / files.average_per_s
        self._prior_per_s: Floats = beliefs.prior_requests / self._span_s
        """What every region has of a file of which nothing is known."""
        self._region: Ints = np.zeros(0, dtype=np.int64)
        self._cell_per_s: Floats = np.zeros(len(cells.file))
        self.per_s: Floats = np.zeros(count)
        """Of each file."""

    def steps(self) -> Iterator[None]:
        """Reckon, so much at a time that others may have their turn between."""
        order = _in_order(self._cells.file)
        self._region = self._cells.region[order]
        yield
        for start in range(0, len(self.known), _FILES_PER_STEP):
            end = min(start + _FILES_PER_STEP, len(self.known))
            self._reckon(start, end, order[int(self._ends[start]) : int(self._ends[end])])
            yield

    def _reckon(self, start: int, end: int, cells: Ints) -> None:
        """The rates of the files with these numbers, and of their cells."""
        usual, count, at = self._usual, end - start, slice(int(self._ends[start]), int(self._ends[end]))
        slow, fast, lost = self._cells.slow[cells], self._cells.fast[cells], self._cells.lost[cells]
        file, span_s, prior_per_s = (
            self._cells.file[cells] - start,
            self._span_s[start:end],
            self._prior_per_s[start:end],
        )
        usual_of_cell = usual[self._region[at]] * prior_per_s[file]
        of_cell = usual_of_cell + slow / span_s[file]
        foretold = of_cell * self._beliefs.fast_s
        off = np.bincount(file, (fast - foretold) ** 2 / (np.maximum(foretold, 1.0) / 2.0), count)
        cell_per_s = _believed(of_cell, fast, self._beliefs)

        slow_sum, fast_sum = (np.bincount(file, column, count).astype(np.float64) for column in (slow, fast))
        slow_per_s = (slow_sum + self._beliefs.prior_requests) / span_s
        believed = _believed(slow_per_s, fast_sum, self._beliefs)
        counts = np.diff(self._ends[start : end + 1])
        crowd = (believed != slow_per_s) | (off > moved_at(counts, self._beliefs.rise_sigmas))
        sums = prior_per_s * usual.sum() + np.bincount(file, cell_per_s - usual_of_cell, count)
        per_s = np.where(crowd, believed, np.where(sums > 0.0, sums, slow_per_s))
        # Where a crowd is, its cells alone say where.
        alone = crowd & (fast_sum > 0.0)
        cell_per_s = np.where(alone[file], fast, cell_per_s)
        prior_per_s = np.where(alone, 0.0, prior_per_s)
        # What fell through raises the rate there (rule 3).
        lost_share = np.where(fast > 0.0, np.minimum(1.0, lost / np.maximum(fast, 1e-300)), 0.0)
        raised = cell_per_s * self._beliefs.loss_weight * lost_share
        rest = cell_per_s - usual[self._region[at]] * prior_per_s[file]
        total = prior_per_s * usual.sum() + np.bincount(file, rest, count)
        self.per_s[start:end] = per_s * (1.0 + np.bincount(file, raised, count) / np.maximum(total, 1e-300))
        self._cell_per_s[at] = cell_per_s + raised
        self._prior_per_s[start:end] = prior_per_s

    def cells_of(self, file: int) -> int:
        """How many cells a file has."""
        return int(self._ends[file + 1] - self._ends[file])

    def shares(self, files: Ints) -> Floats:
        """The regions' shares of some files, a row for each; each row's sum is 1."""
        rows = self._prior_per_s[files][:, None] * self._usual
        counts = self._ends[files + 1] - self._ends[files]
        row = np.repeat(np.arange(len(files)), counts)
        begins = np.repeat(self._ends[files] - (np.cumsum(counts) - counts), counts)
        cell = begins + np.arange(len(row))
        rows[row, self._region[cell]] = self._cell_per_s[cell]
        sums = rows.sum(axis=1, keepdims=True)
        return np.asarray(np.where(sums > 0.0, rows / np.maximum(sums, 1e-300), self._usual))

    def shares_of(self, files: Ints) -> Iterator[tuple[Ints, Floats]]:
        """The same of many files, so many at a time that others may have their turn between."""
        for start in range(0, len(files), FILES_AT_ONCE):
            some = files[start : start + FILES_AT_ONCE]
            yield some, self.shares(some)


def _in_order(file: Ints) -> Ints:
    """What brings the cells of a file together, else as they were: two sorts by 16 bits take a fifth of one by 64.
    Numbers have 32 bits at most: there are no more files than cells and published ones."""
    order = np.argsort((file & 0xFFFF).astype(np.uint16), kind="stable")
    return order[np.argsort((file[order] >> 16).astype(np.uint16), kind="stable")]


def _believed(slow_per_s: Floats, fast: Floats, beliefs: Beliefs) -> Floats:
    """Rule 2: the fast rate where it is significantly another one, else the slow."""
    foretold = slow_per_s * beliefs.fast_s
    # A fading count of a Poisson stream has half its mean as variance.
    noise = beliefs.rise_sigmas * np.sqrt(np.maximum(foretold, 1.0) / 2.0)
    rises = (fast - foretold > noise) & (fast >= RISE_REQUESTS_MIN)
    return np.where(rises | (foretold - fast > noise), fast / beliefs.fast_s, slow_per_s)


def moved_at(cells: Ints, sigmas: float) -> Floats:
    """The sum of squared deviations, in variances, from which on a file's cells have changed together.

    By chance alone it has about a chi-square distribution of as many degrees as there are cells, whose tail ends
    `n + s sqrt(2 n) + s^2` above (Laurent and Massart 2000, lemma 1, s^2 = 2 x); one cell alone is held against `s`.
    """
    others = np.maximum(0, cells - 1)
    return others + sigmas * np.sqrt(2.0 * others) + sigmas * sigmas


def watched_s(since_us: Ints, now_us: int, slow_s: float) -> Floats:
    """Seconds of watching that a slow count stands for."""
    return np.asarray(slow_s * -np.expm1(-np.maximum(0, now_us - since_us) / 1e6 / slow_s))
