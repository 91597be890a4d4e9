"""Sets of runs against plain sets of integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core import runs
from distribute_io.errors import RemoteProtocolError

SEGMENTS = 24
indices = st.frozensets(st.integers(0, SEGMENTS - 1))


def as_set(value: runs.Runs) -> frozenset[int]:
    return frozenset(index for start, end in value for index in range(start, end))


@given(indices, indices)
def test_set_operations_agree_with_plain_sets(left: frozenset[int], right: frozenset[int]) -> None:
    a, b = runs.of_indices(left), runs.of_indices(right)
    assert as_set(a) == left
    assert runs.union(a, b) == runs.of_indices(left | right)
    assert runs.intersection(a, b) == runs.of_indices(left & right)
    assert runs.meet(a, b) == bool(left & right)
    assert runs.difference(a, b) == runs.of_indices(left - right)
    assert runs.count(a) == len(left)
    assert all(runs.contains(a, index) == (index in left) for index in range(SEGMENTS))


@given(indices, st.integers(0, SEGMENTS + 2))
def test_first_takes_the_lowest_indices(members: frozenset[int], limit: int) -> None:
    assert runs.first(runs.of_indices(members), limit) == runs.of_indices(sorted(members)[:limit])


@given(indices)
def test_the_wire_form_comes_back_unchanged(members: frozenset[int]) -> None:
    value = runs.of_indices(members)
    assert runs.from_wire(runs.to_wire(value), SEGMENTS) == value


@given(indices, st.integers(1, 5), st.integers(0, 4))
def test_bytes_are_the_sum_over_segments(members: frozenset[int], segment_bytes: int, short: int) -> None:
    file_bytes = max(0, SEGMENTS * segment_bytes - min(short, segment_bytes - 1))
    expected = sum(min((i + 1) * segment_bytes, file_bytes) - i * segment_bytes for i in members)
    assert runs.size_bytes(runs.of_indices(members), file_bytes=file_bytes, segment_bytes=segment_bytes) == expected


def test_a_whole_file_is_one_run_and_an_empty_file_none() -> None:
    assert runs.whole(3) == ((0, 3),)
    assert runs.whole(0) == runs.EMPTY


@pytest.mark.parametrize(
    ("flat", "why"),
    [
        ([0], "odd"),
        ([0, 0], "empty run"),
        ([4, 1, 0, 1], "descending"),
        ([0, 2, 1, 2], "overlapping"),
        ([0, 2, 2, 2], "adjacent"),
        ([7, 2], "beyond the end"),
        ([2**53 - 1, 1], "far beyond the end"),
    ],
)
def test_malformed_runs_are_a_protocol_error(flat: list[int], why: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        runs.from_wire(flat, 8)
    assert caught.value.code == "message_malformed", why
