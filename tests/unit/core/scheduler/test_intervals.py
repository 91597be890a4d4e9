from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.scheduler.intervals import IntervalSet

changes = st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 40)), max_size=40)


@given(changes, st.integers(0, 40), st.integers(0, 40))
def test_it_is_a_set_of_integers(steps: list[tuple[bool, int, int]], start: int, end: int) -> None:
    oracle: set[int] = set()
    tested = IntervalSet()
    for adds, low, high in steps:
        if adds:
            tested.add(low, high)
            oracle |= set(range(low, high))
        else:
            tested.remove(low, high)
            oracle -= set(range(low, high))
        runs = list(tested)
        assert {number for low, high in runs for number in range(low, high)} == oracle
        assert all(first[1] < second[0] for first, second in pairwise(runs)), "adjacent or unsorted"
        assert tested.total == len(oracle)
        assert bool(tested) == bool(oracle)
    inside = {number for low, high in tested.within(start, end) for number in range(low, high)}
    assert inside == oracle & set(range(start, end))
    if start < end:
        assert tested.holds(start, end) == (set(range(start, end)) <= oracle)


def test_adjacent_intervals_are_merged_at_the_start() -> None:
    assert list(IntervalSet([(0, 2), (2, 5), (7, 8)])) == [(0, 5), (7, 8)]


def test_a_hundred_thousand_intervals_are_changed_quickly() -> None:
    many = IntervalSet((place, place + 1) for place in range(0, 200_000, 2))
    begun = time.process_time()
    for place in range(0, 20_000, 20):
        many.remove(place, place + 1)
        many.add(place, place + 1)
    assert len(list(many)) == 100_000
    assert time.process_time() - begun < 2
