"""The first planner: limits are hard, nothing held is pushed again, coverage evens out."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core import runs as sets
from distribute_io.core.placement.model import Assignment, DonorView, FileView, Plan, Policy, Snapshot
from distribute_io.core.placement.planner import plan
from distribute_io.core.runs import Runs
from distribute_io.ids import CauseId, FileId, SessionId

MIB = 1 << 20
POLICY = Policy()


def a_file(name: str, segments: int, *, cause: str = "main", copies: tuple[int, ...] = ()) -> FileView:
    return FileView(
        file_id=FileId(name),
        cause=CauseId(cause),
        segments=segments,
        size_bytes=segments * MIB,
        segment_size_bytes=MIB,
        copies=copies,
    )


def a_donor(
    name: str = "d",
    *,
    storage_bytes: int = 16_000_000,
    causes: tuple[str, ...] = (),
    holdings: Mapping[str, Runs] | None = None,
) -> DonorView:
    return DonorView(
        session_id=SessionId(name),
        causes=frozenset(CauseId(cause) for cause in causes),
        storage_bytes=storage_bytes,
        up_bytes_per_s=1_000_000,
        joined_at_us=0,
        region="",
        holdings={FileId(file): runs for file, runs in (holdings or {}).items()},
    )


def planned(donors: list[DonorView], files: list[FileView], seed: int = 1) -> Plan:
    return plan(Snapshot(now_us=0, donors=donors, files=files), POLICY, random.Random(seed))


def only(result: Plan) -> Assignment:
    assert len(result.assignments) == 1
    return result.assignments[0]


def target(assignment: Assignment) -> dict[str, Runs]:
    return {str(file_id): runs for file_id, runs in assignment.files}


def reasons(result: Plan) -> dict[str, str]:
    return {str(row.file_id): row.reason for row in result.rejected}


def test_sixteen_megabytes_take_fifteen_segments_in_two_runs_of_different_files() -> None:
    assignment = only(planned([a_donor()], [a_file("a", 100), a_file("b", 100), a_file("c", 100)]))
    sizes = sorted(sets.count(runs) for runs in target(assignment).values())
    assert sizes == [7, 8]
    assert assignment.push_bytes == 15 * MIB
    assert assignment.held_bytes == 0


def test_least_covered_run_comes_first() -> None:
    covered = tuple([1] * 16 + [0] * 8 + [1] * 8)
    assignment = only(planned([a_donor(storage_bytes=9 * MIB)], [a_file("a", 32, copies=covered)]))
    assert target(assignment)["a"] == ((16, 24),)


def test_what_is_held_stays_and_is_not_pushed_again() -> None:
    donor = a_donor(holdings={"a": ((3, 10),)})
    assignment = only(planned([donor], [a_file("a", 100, copies=(5,) * 100), a_file("b", 100)]))
    assert sets.difference(((3, 10),), target(assignment)["a"]) == ()
    assert assignment.held_bytes == 7 * MIB
    assert assignment.push_bytes == 8 * MIB


def test_donor_that_holds_its_share_is_pushed_nothing() -> None:
    files = [a_file("a", 100), a_file("b", 100)]
    first = only(planned([a_donor()], files))
    again = only(planned([a_donor(holdings=target(first))], files, seed=9))
    assert target(again) == target(first)
    assert again.push_bytes == 0


def test_smaller_storage_keeps_the_rarest_runs() -> None:
    donor = a_donor(storage_bytes=9 * MIB, holdings={"a": ((0, 16),)})
    assignment = only(planned([donor], [a_file("a", 16, copies=tuple([3] * 8 + [1] * 8))]))
    assert target(assignment)["a"] == ((8, 16),)


def test_other_causes_are_left_alone() -> None:
    result = planned([a_donor(causes=("x",))], [a_file("a", 8, cause="x"), a_file("b", 8, cause="y")])
    assert set(target(only(result))) == {"a"}
    assert reasons(result)["b"] == "cause_not_chosen"


def test_holdings_of_a_cause_no_longer_chosen_are_dropped() -> None:
    donor = a_donor(causes=("x",), holdings={"b": ((0, 8),)})
    result = planned([donor], [a_file("a", 8, cause="x"), a_file("b", 8, cause="y")])
    assert set(target(only(result))) == {"a"}


@pytest.mark.parametrize(
    ("file", "donor", "reason"),
    [
        (a_file("a", 0), a_donor(), "empty_file"),
        (a_file("a", 8), a_donor(holdings={"a": ((0, 8),)}), "held_already"),
        (a_file("a", 8), a_donor(storage_bytes=MIB), "no_room"),
    ],
)
def test_file_that_is_not_given_has_its_reason(file: FileView, donor: DonorView, reason: str) -> None:
    assert reasons(planned([donor], [file])) == {"a": reason}


def test_file_that_others_need_less_is_better_covered() -> None:
    result = planned([a_donor(storage_bytes=9 * MIB)], [a_file("a", 8, copies=(4,) * 8), a_file("b", 8)])
    assert reasons(result) == {"a": "better_covered"}


def test_several_donors_cover_different_runs() -> None:
    result = planned([a_donor(f"d{i}") for i in range(4)], [a_file("a", 60)])
    copies = [0] * 60
    for assignment in result.assignments:
        for start, end in target(assignment)["a"]:
            for index in range(start, end):
                copies[index] += 1
    assert max(copies) <= 2
    assert sum(copies) == 60


def test_same_seed_gives_the_same_plan() -> None:
    files = [a_file(name, 50) for name in "abcdef"]
    assert planned([a_donor()], files, seed=3) == planned([a_donor()], files, seed=3)


def test_short_last_segment_counts_with_its_own_size() -> None:
    file = FileView(
        file_id=FileId("a"), cause=CauseId("main"), segments=2, size_bytes=MIB + 1, segment_size_bytes=MIB, copies=()
    )
    assignment = only(planned([a_donor(storage_bytes=MIB + 1 + POLICY.reserve_bytes)], [file]))
    assert assignment.push_bytes == MIB + 1


@given(
    storage_bytes=st.integers(0, 64 * MIB),
    sizes=st.lists(st.integers(0, 40), max_size=6),
    held=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 39), st.integers(1, 12)), max_size=6),
    seed=st.integers(0, 2**32 - 1),
)
def test_target_never_exceeds_the_storage(
    storage_bytes: int, sizes: list[int], held: list[tuple[int, int, int]], seed: int
) -> None:
    files = [a_file(str(i), size) for i, size in enumerate(sizes)]
    holdings: dict[str, Runs] = {}
    for file, start, count in held:
        holdings[str(file)] = sets.union(holdings.get(str(file), ()), ((start, start + count),))
    assignment = only(planned([a_donor(storage_bytes=storage_bytes, holdings=holdings)], files, seed))
    by_id = {file.file_id: file for file in files}
    total = sum(
        sets.size_bytes(runs, file_bytes=by_id[file_id].size_bytes, segment_bytes=MIB)
        for file_id, runs in assignment.files
    )
    assert total <= max(0, storage_bytes - POLICY.reserve_bytes)
    assert total == assignment.held_bytes + assignment.push_bytes
    for file_id, runs in assignment.files:
        assert runs == sets.intersection(runs, sets.whole(by_id[file_id].segments))
