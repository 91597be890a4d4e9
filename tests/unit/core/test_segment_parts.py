"""core/segment_parts.py: the first to deliver a byte owns it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.segment_parts import Piece, SegmentParts

START, END = 100, 140


def test_one_request_that_delivers_in_steps_is_the_sole_one() -> None:
    parts = SegmentParts(START, END)
    for at in range(START, END, 10):
        assert parts.sole_request_id is None
        assert parts.add(at, at + 10, request_id=7) == 10
    assert parts.complete
    assert parts.sole_request_id == 7
    assert parts.pieces == (Piece(START, END, 7),)


def test_duplicate_changes_nothing() -> None:
    parts = SegmentParts(START, END)
    parts.add(START, END, request_id=1)
    assert parts.add(110, 120, request_id=2) == 0
    assert parts.sole_request_id == 1


def test_discarded_bytes_come_again_from_somebody_else() -> None:
    parts = SegmentParts(START, END)
    parts.add(START, END, request_id=1)
    parts.discard(110, 120)
    assert not parts.complete
    assert parts.sole_request_id is None
    assert parts.add(105, 125, request_id=2) == 10
    assert parts.pieces == (Piece(100, 110, 1), Piece(110, 120, 2), Piece(120, 140, 1))


offsets = st.integers(START, END)
steps = st.lists(st.tuples(st.booleans(), offsets, offsets, st.integers(1, 4)), max_size=30)


@given(steps)
def test_owner_of_each_byte_is_that_of_a_slow_oracle(taken: list[tuple[bool, int, int, int]]) -> None:
    parts = SegmentParts(START, END)
    owners: list[int | None] = [None] * (END - START)
    for discards, one, other, request_id in taken:
        start, end = min(one, other), max(one, other)
        if discards:
            parts.discard(start, end)
            owners[start - START : end - START] = [None] * (end - start)
        elif start < end:
            free = [at for at in range(start, end) if owners[at - START] is None]
            assert parts.add(start, end, request_id=request_id) == len(free)
            for at in free:
                owners[at - START] = request_id
    seen: list[int | None] = [None] * (END - START)
    for piece in parts.pieces:
        seen[piece.start_byte - START : piece.end_byte - START] = [piece.request_id] * (
            piece.end_byte - piece.start_byte
        )
    assert seen == owners
    assert parts.complete == (None not in owners)
