"""Who is to blame for a rejected segment (S13).

Rules:

- Wrong bytes in a segment that one source sent alone: that source is the liar. No other proof bans anybody but the
  comparison of parts.
- Wrong bytes in a segment of several senders, none of them known as a liar: each is suspected, and the segment is
  fetched once more, whole, from one source.
- When that is verified, the driver compares the parts that were rejected: whose part was wrong is a liar, all others
  are cleared. Where no comparison comes, a suspect clears itself by whole segments of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from distribute_io.core.scheduler.partial import PartialSegment
from distribute_io.core.scheduler.sources import Source
from distribute_io.ids import SourceId


class Verdict(NamedTuple):
    """What a rejected segment proves. Neither: a known liar had a part in it."""

    liar: Source | None
    suspects: tuple[Source, ...]


NOBODY: Final = Verdict(None, ())
"""The verdict that proves nothing."""


class Blame:
    """Remembers which suspects wait for a comparison."""

    __slots__ = ("_cases",)

    def __init__(self) -> None:
        self._cases: dict[int, tuple[Source, ...]] = {}

    def judge(self, index: int, partial: PartialSegment) -> Verdict:
        """A complete segment was rejected; its senders are marked as the verdict says."""
        senders = partial.senders()
        if any(source.state == "banned" for source in senders):
            return NOBODY
        if len(senders) == 1:
            return Verdict(senders[0], ())
        for source in senders:
            source.suspect()
        self._cases[index] = tuple(senders)
        return Verdict(None, self._cases[index])

    def compared(self, index: int, wrong: Iterable[SourceId]) -> tuple[Source, ...]:
        """The parts of a rejected segment were compared. Returns the liars that are still to be banned."""
        suspects = self._cases.pop(index, ())
        named = set(wrong)
        for source in suspects:
            if source.source_id not in named:
                source.clear()
        return tuple(source for source in suspects if source.source_id in named and source.state != "banned")
