from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.scheduler.coverage import Piece, coverage, cut
from distribute_io.core.scheduler.intervals import IntervalSet

held = st.one_of(st.none(), st.sets(st.integers(0, 25), max_size=12))


def intervals(numbers: set[int] | None) -> IntervalSet | None:
    if numbers is None:
        return None
    result = IntervalSet()
    for number in numbers:
        result.add(number, number + 1)
    return result


@given(st.integers(0, 20), st.lists(held, max_size=5))
def test_each_segment_is_in_one_piece_with_its_number_of_holders(
    segments: int, holdings: list[set[int] | None]
) -> None:
    pieces = coverage(segments, [intervals(numbers) for numbers in holdings])
    counted = {index: piece.holders for piece in pieces for index in range(piece.first, piece.end)}
    assert counted == {
        index: sum(1 for numbers in holdings if numbers is None or index in numbers) for index in range(segments)
    }
    assert sum(piece.end - piece.first for piece in pieces) == segments
    assert list(pieces) == sorted(pieces)


def test_pieces_end_where_a_holding_ends_though_the_count_stays() -> None:
    assert coverage(4, [IntervalSet([(0, 2)]), IntervalSet([(2, 4)])]) == (Piece(1, 0, 2), Piece(1, 2, 4))


def test_a_piece_is_cut_to_what_is_held() -> None:
    assert list(cut(Piece(1, 2, 8), IntervalSet([(0, 3), (5, 9)]))) == [(2, 3), (5, 8)]
    assert list(cut(Piece(1, 2, 8), None)) == [(2, 8)]
