"""The catalogue as rows: each row is one run of one file that is placed as a whole.

Rules:

1. A file of at most `Policy.small_file_bytes` has a row for each segment; a larger one has a row for each
   `Policy.run_bytes`, aligned, the last one shorter.
2. Rows of a file are neighbours, files are in the order given. A donor's runs become rows with the share of each row's
   bytes that they cover, so a run that was cut, or kept from a download, counts for what it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from distribute_io.core.placement.model import FileView, Policy
from distribute_io.core.runs import Runs
from distribute_io.ids import FileId

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int32]


class Rows:
    """All rows of some files. Immutable once made."""

    def __init__(self, files: Sequence[FileView], policy: Policy) -> None:
        self.files = tuple(file for file in files if file.segments > 0)
        self.place: dict[FileId, int] = {file.file_id: place for place, file in enumerate(self.files)}
        steps = [run_segments(file, policy) for file in self.files]
        self.step = np.array(steps, dtype=np.int64)
        counts = np.array(
            [-(-file.segments // step) for file, step in zip(self.files, steps, strict=True)], dtype=np.int64
        )
        self.first: Ints = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
        """First row of each file, and the number of rows at the end."""
        self.file: Ints = np.repeat(np.arange(len(self.files), dtype=np.int64), counts)
        within = np.arange(self.count, dtype=np.int64) - self.first[self.file]
        self.start: Ints = within * self.step[self.file]
        self.segments: Ints = np.array([file.segments for file in self.files], dtype=np.int64)
        """Of each file, as are the next two."""
        self.segment_bytes: Ints = np.array([file.segment_size_bytes for file in self.files], dtype=np.int64)
        self.file_bytes: Ints = np.array([file.size_bytes for file in self.files], dtype=np.int64)
        self.end: Ints = np.minimum(self.start + self.step[self.file], self.segments[self.file])
        segment_bytes = self.segment_bytes[self.file]
        self.size_bytes: Ints = (
            np.minimum(self.end * segment_bytes, self.file_bytes[self.file]) - self.start * segment_bytes
        )

        self.run: Ints = self.first[self.file] * 2 + within * self.step[self.file] // self._run_steps(policy)
        """A number for each row that its neighbours within `Policy.run_bytes` share."""

    def _run_steps(self, policy: Policy) -> Ints:
        segments = [max(1, policy.run_bytes // file.segment_size_bytes) for file in self.files]
        return np.array(segments, dtype=np.int64)[self.file]

    @property
    def count(self) -> int:
        """How many rows there are."""
        return int(self.first[-1])

    def of_runs(self, place: int, runs: Runs) -> tuple[list[int], list[float]]:
        """The rows that some runs of the file at `place` cover, and the share of each that is covered."""
        file, step, base = self.files[place], int(self.step[place]), int(self.first[place])
        segments, unit = file.segments, file.segment_size_bytes
        rows: list[int] = []
        shares: list[float] = []
        for start, end in runs:
            end = min(end, segments)
            at = start
            while at < end:
                row = at // step
                stop = min((row + 1) * step, end)
                size_bytes = min((row + 1) * step * unit, file.size_bytes) - row * step * unit
                share = (min(stop * unit, file.size_bytes) - at * unit) / size_bytes
                if rows and rows[-1] == base + row:
                    shares[-1] += share
                else:
                    rows.append(base + row)
                    shares.append(share)
                at = stop
        return rows, shares

    def range_of(self, row: int) -> tuple[int, int]:
        """The segments of a row."""
        return int(self.start[row]), int(self.end[row])


def run_segments(file: FileView, policy: Policy) -> int:
    """Segments of one row (rule 1)."""
    return max(1, policy.run_bytes // file.segment_size_bytes) if is_large(file, policy) else 1


def is_large(file: FileView, policy: Policy) -> bool:
    """Whether it is placed in runs."""
    return file.size_bytes > policy.small_file_bytes


def begins_of(numbers: Ints | Numbers) -> Flags:
    """Which of some numbers differ from the one before them; a third of the time that `numpy.diff` takes."""
    begins = np.ones(len(numbers), dtype=np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=begins[1:])
    return begins
