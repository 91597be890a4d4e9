"""Who sent which bytes of one segment that is being put together.

Rules, the same as the scheduler's book-keeping (spec/scheduler.md), so that both name the same source:

1. The first request that reports bytes of a place owns them; what comes again is a duplicate and changes nothing.
2. Discarded places are free again for whoever comes next.
3. Nothing here is verified, and no bytes are kept: the pieces say out of whose buffer they are to be taken.
"""

from __future__ import annotations

from msgspec import Struct


class Piece(Struct, frozen=True):
    """Bytes `[start_byte, end_byte)` of the file that one request delivered first."""

    start_byte: int
    end_byte: int
    request_id: int


class SegmentParts:
    """The pieces of one segment `[start_byte, end_byte)` of a file.

    >>> parts = SegmentParts(0, 100)
    >>> parts.add(0, 60, request_id=1)
    60
    >>> parts.add(50, 100, request_id=2)
    40
    >>> parts.complete, [(piece.start_byte, piece.request_id) for piece in parts.pieces]
    (True, [(0, 1), (60, 2)])
    """

    def __init__(self, start_byte: int, end_byte: int) -> None:
        self.start_byte = start_byte
        self.end_byte = end_byte
        self._pieces: list[Piece] = []

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Ascending, not overlapping; neighbours of one request are one piece."""
        return tuple(self._pieces)

    @property
    def complete(self) -> bool:
        """Whether every byte is there."""
        at = self.start_byte
        for piece in self._pieces:
            if piece.start_byte != at:
                return False
            at = piece.end_byte
        return at == self.end_byte

    @property
    def sole_request_id(self) -> int | None:
        """The request that delivered everything, when one did."""
        if len(self._pieces) == 1 and self.complete:
            return self._pieces[0].request_id
        return None

    def add(self, start_byte: int, end_byte: int, *, request_id: int) -> int:
        """Note that a request delivered `[start_byte, end_byte)`, within the segment. Returns how much of it is new."""
        fresh: list[Piece] = []
        at = start_byte
        for piece in self._pieces:
            if piece.end_byte <= at:
                continue
            if piece.start_byte >= end_byte:
                break
            if piece.start_byte > at:
                fresh.append(Piece(at, piece.start_byte, request_id))
            at = piece.end_byte
        if at < end_byte:
            fresh.append(Piece(at, end_byte, request_id))
        self._pieces = _merged(sorted([*self._pieces, *fresh], key=lambda piece: piece.start_byte))
        return sum(piece.end_byte - piece.start_byte for piece in fresh)

    def discard(self, start_byte: int, end_byte: int) -> None:
        """Forget the bytes `[start_byte, end_byte)`: they will come again."""
        kept: list[Piece] = []
        for piece in self._pieces:
            for start, end in (
                (piece.start_byte, min(piece.end_byte, start_byte)),
                (max(piece.start_byte, end_byte), piece.end_byte),
            ):
                if start < end:
                    kept.append(Piece(start, end, piece.request_id))
        self._pieces = kept


def _merged(pieces: list[Piece]) -> list[Piece]:
    merged: list[Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if last is not None and last.end_byte == piece.start_byte and last.request_id == piece.request_id:
            merged[-1] = Piece(last.start_byte, piece.end_byte, piece.request_id)
        else:
            merged.append(piece)
    return merged
