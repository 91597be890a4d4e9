"""An assignment in messages that are not too large, as a donor is told it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from distribute_io.core import runs as sets
from distribute_io.core.runs import Runs
from distribute_io.stores.state import FileShape
from distribute_io.wire import limits
from distribute_io.wire.session import Assign, FileRuns

_RUNS_PER_MESSAGE_MAX: Final = limits.RUNS_MAX
"""4,096 of two numbers stay below the largest message."""


def messages(number: int, lease_ms: int, files: Sequence[tuple[FileShape, Runs]]) -> Iterator[Assign]:
    """The whole target of a donor; at least one message, as an empty target is one too.

    Args:
        number: of the assignment, growing by one per session.
        lease_ms: how long it stands.
        files: what to hold of each file.
    """
    parts: list[list[FileRuns]] = [[]]
    runs_in_part = 0
    for shape, runs in files:
        file = FileRuns(file_id=shape.file_id, runs=sets.to_wire(runs))
        size = len(file.runs) // 2
        if parts[-1] and (
            len(parts[-1]) >= limits.FILES_PER_MESSAGE_MAX or runs_in_part + size > _RUNS_PER_MESSAGE_MAX
        ):
            parts.append([])
            runs_in_part = 0
        parts[-1].append(file)
        runs_in_part += size
    for place, part in enumerate(parts):
        yield Assign(assignment=number, lease_ms=lease_ms, files=part, more=place < len(parts) - 1)
