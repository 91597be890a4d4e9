"""The bytes of one segment that are received and not yet verified, and who sent them (S3)."""

from __future__ import annotations

from typing import NamedTuple

from distribute_io.core.scheduler.sources import Source


class SentPart(NamedTuple):
    """`[start, end)` of the file came from `source`."""

    start: int
    end: int
    source: Source


class PartialSegment:
    """One segment's parts: ascending, disjoint. The first to deliver a byte is its sender.

    Args:
        start: first byte of the segment.
        end: one past its last byte.
    """

    __slots__ = ("_parts", "end", "missing_bytes", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.missing_bytes = end - start
        self._parts: list[SentPart] = []

    @property
    def parts(self) -> tuple[SentPart, ...]:
        """Neighbouring parts of one source are one part."""
        return tuple(self._parts)

    def senders(self) -> list[Source]:
        """Each sender once, in the order of its first byte's place."""
        return list(dict.fromkeys(part.source for part in self._parts))

    def add(self, start: int, end: int, source: Source) -> int:
        """Note that `source` delivered `[start, end)`; returns how many of these bytes were new."""
        gaps = self.gaps(start, end)
        if gaps:
            self._parts = _joined(sorted([*self._parts, *(SentPart(a, b, source) for a, b in gaps)], key=_start))
        fresh = sum(b - a for a, b in gaps)
        self.missing_bytes -= fresh
        return fresh

    def drop(self, start: int, end: int, source: Source | None) -> list[SentPart]:
        """Forget what lies in `[start, end)` and came from `source` (None: from anybody); returns it."""
        kept: list[SentPart] = []
        dropped: list[SentPart] = []
        for part in self._parts:
            low, high = max(part.start, start), min(part.end, end)
            if low >= high or (source is not None and part.source is not source):
                kept.append(part)
                continue
            dropped.append(SentPart(low, high, part.source))
            if part.start < low:
                kept.append(SentPart(part.start, low, part.source))
            if high < part.end:
                kept.append(SentPart(high, part.end, part.source))
        self._parts = kept
        self.missing_bytes += sum(part.end - part.start for part in dropped)
        return dropped

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """What of `[start, end)` is not there, ascending."""
        gaps = []
        for part in self._parts:
            if part.end <= start:
                continue
            if part.start >= end:
                break
            if part.start > start:
                gaps.append((start, part.start))
            start = part.end
        if start < end:
            gaps.append((start, end))
        return gaps


def _start(part: SentPart) -> int:
    return part.start


def _joined(parts: list[SentPart]) -> list[SentPart]:
    joined: list[SentPart] = []
    for part in parts:
        if joined and joined[-1].end == part.start and joined[-1].source is part.source:
            joined[-1] = SentPart(joined[-1].start, part.end, part.source)
        else:
            joined.append(part)
    return joined
