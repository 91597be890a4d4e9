"""The planner: limits are hard, what is held is not pushed again, a push pays, load and regions count."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from distribute_io.core import runs as sets
from distribute_io.core.placement.model import (
    Assignment,
    DonorView,
    Expectation,
    FileView,
    Plan,
    Policy,
    RegionRates,
    Snapshot,
)
from distribute_io.core.placement.planner import file_weights, plan
from distribute_io.core.placement.rows import Floats, Rows
from distribute_io.core.runs import Runs
from distribute_io.ids import CauseId, FileId, SessionId
from distribute_io.wire.session import NatClass

MIB = 1 << 20
POLICY = Policy()
RESERVE = POLICY.reserve_bytes
DOWN_BYTES_PER_S = 8 * MIB / 30
"""Eight segments take half a minute."""


def a_file(name: str, segments: int, *, cause: str = "main", size_bytes: int | None = None) -> FileView:
    return FileView(
        file_id=FileId(name),
        cause=CauseId(cause),
        segments=segments,
        size_bytes=segments * MIB if size_bytes is None else size_bytes,
        segment_size_bytes=MIB,
    )


def a_donor(
    name: str = "d",
    *,
    segments: int = 15,
    up_bytes_per_s: int = 1_000_000,
    causes: tuple[str, ...] = (),
    region: str = "",
    nat: NatClass = "unrestricted",
    stay_left_s: float = 3_600.0,
    joined_at_us: int = 0,
    holdings: Mapping[str, Runs] | None = None,
) -> DonorView:
    return DonorView(
        session_id=SessionId(name),
        causes=frozenset(CauseId(cause) for cause in causes),
        storage_bytes=segments * MIB + RESERVE,
        up_bytes_per_s=up_bytes_per_s,
        joined_at_us=joined_at_us,
        region=region,
        nat=nat,
        stay_left_s=stay_left_s,
        holdings={FileId(file): runs for file, runs in (holdings or {}).items()},
    )


def asked(**rates: float) -> list[Expectation]:
    """Downloads per second of some files, from nowhere in particular."""
    return [
        Expectation(file_id=FileId(name), rates=[RegionRates("", per_s * 0.7, per_s * 0.3)])
        for name, per_s in rates.items()
    ]


def planned(
    donors: list[DonorView],
    files: list[FileView],
    demand: list[Expectation] | None = None,
    *,
    seed: int = 1,
    policy: Policy = POLICY,
    joins: bool = True,
    now_us: int = 0,
) -> Plan:
    expected = asked(**{file.file_id: 0.01 for file in files}) if demand is None else demand
    joining = frozenset(donor.session_id for donor in donors) if joins else frozenset[SessionId]()
    snapshot = Snapshot(
        now_us=now_us, donors=donors, files=files, demand=expected, joining=joining, down_bytes_per_s=DOWN_BYTES_PER_S
    )
    return plan(snapshot, policy, random.Random(seed))


def only(result: Plan) -> Assignment:
    assert len(result.assignments) == 1
    return result.assignments[0]


def target(assignment: Assignment) -> dict[str, Runs]:
    return {str(file_id): runs for file_id, runs in assignment.files}


def amount(assignment: Assignment, file: str) -> int:
    return sets.count(target(assignment).get(file, ()))


def reasons(result: Plan) -> dict[str, str]:
    return {str(row.file_id): row.reason for row in result.rejected}


def test_a_joining_donor_is_filled_and_told_why() -> None:
    assignment = only(planned([a_donor()], [a_file(name, 100) for name in "abc"]))
    assert assignment.push_bytes == 15 * MIB
    assert assignment.held_bytes == 0
    assert len(assignment.reasons) == 15
    assert all(reason.expected_serves >= POLICY.return_min for reason in assignment.reasons)


def test_what_is_asked_for_more_comes_first() -> None:
    result = planned([a_donor(segments=3)], [a_file("a", 8), a_file("b", 8)], asked(a=0.001, b=0.01))
    assert target(only(result)) == {"b": target(only(result))["b"]}
    assert reasons(result)["a"] == "no_room"


def test_a_file_is_spread_over_donors_before_it_is_copied() -> None:
    result = planned([a_donor(f"d{place}", segments=4) for place in range(4)], [a_file("a", 16)])
    copies = [0] * 16
    for assignment in result.assignments:
        for start, end in target(assignment)["a"]:
            for index in range(start, end):
                copies[index] += 1
    assert copies == [1] * 16


def test_a_slow_donor_gets_pieces_of_several_files_and_not_a_pile_of_one() -> None:
    files, demand = [a_file(name, 50) for name in "abcd"], asked(a=0.012, b=0.01, c=0.01, d=0.01)
    slow = only(planned([a_donor(segments=8, up_bytes_per_s=60_000)], files, demand))
    fast = only(planned([a_donor(segments=8, up_bytes_per_s=6_000_000)], files, demand))
    assert max(amount(slow, name) for name in "abcd") < max(amount(fast, name) for name in "abcd")


def test_a_push_that_is_served_too_seldom_before_the_donor_leaves_is_not_made() -> None:
    files, demand = [a_file("a", 8)], asked(a=0.01)
    short = planned([a_donor(stay_left_s=120.0)], files, demand)
    assert only(short).push_bytes == 0
    assert reasons(short) == {"a": "does_not_pay"}
    assert only(planned([a_donor(stay_left_s=1_200.0)], files, demand)).push_bytes == 8 * MIB


def test_before_anything_is_known_a_joining_donor_is_filled_all_the_same() -> None:
    donors = [a_donor("d"), a_donor("e")]
    known = Snapshot(now_us=0, donors=donors, files=[a_file("a", 8)], demand=asked(a=1e-6))
    joining = frozenset(donor.session_id for donor in donors)
    guess = structs.replace(known, is_guess=True, joining=joining)
    result = plan(guess, POLICY, random.Random(1))
    assert [assignment.push_bytes for assignment in result.assignments] == [8 * MIB, 8 * MIB]
    assert all(
        not row.push_bytes
        for row in plan(structs.replace(known, joining=joining), POLICY, random.Random(1)).assignments
    )


def test_what_is_held_already_costs_nothing_and_stays_however_short_the_stay() -> None:
    donor = a_donor(stay_left_s=10.0, holdings={"a": ((2, 6),)})
    assert target(only(planned([donor], [a_file("a", 8), a_file("b", 8)]))) == {"a": ((2, 6),)}


def test_of_an_own_download_the_most_wanted_part_is_kept() -> None:
    donors = [a_donor("d", segments=4, holdings={"a": ((0, 8),)}), a_donor("e", segments=4, holdings={"a": ((0, 4),)})]
    result = planned(donors, [a_file("a", 8)], joins=True)
    (kept,) = [target(assignment)["a"] for assignment in result.assignments if assignment.session_id == "d"]
    assert kept == ((4, 8),)


def test_a_full_standing_donor_swaps_one_run_where_the_gain_pays() -> None:
    donor = a_donor(segments=4, stay_left_s=600.0, holdings={"a": ((0, 4),)})
    files = [a_file("a", 8), a_file("b", 8)]
    swapped = only(planned([donor], files, asked(a=0.0001, b=0.02), joins=False))
    assert (amount(swapped, "a"), amount(swapped, "b"), swapped.push_bytes) == (3, 1, MIB)
    moved = only(planned([donor], files, asked(a=0.0001, b=0.1), joins=False))
    assert (amount(moved, "a"), amount(moved, "b")) == (0, 4)
    alike = planned([donor], files, asked(a=0.01, b=0.0101), joins=False)
    assert alike.assignments == ()
    assert reasons(alike)["b"] == "better_elsewhere"


def test_where_little_is_asked_for_a_swap_has_more_time_to_pay() -> None:
    donor = a_donor(segments=4, stay_left_s=3_600.0, holdings={"a": ((0, 4),)})
    files, demand = [a_file("a", 8), a_file("b", 8)], asked(a=0.0001, b=0.004)
    assert amount(only(planned([donor], files, demand, joins=False)), "b") == 1
    hasty = structs.replace(POLICY, swap_requests=0.0)
    assert planned([donor], files, demand, joins=False, policy=hasty).assignments == ()


def test_a_run_that_is_held_in_part_is_not_swapped_in_beside_itself() -> None:
    # Runs of 8 segments: of "b" it holds half a run, which is worth more than all that it holds of "a".
    policy = structs.replace(POLICY, small_file_bytes=MIB)
    donor = a_donor(segments=12, holdings={"a": ((0, 8),), "b": ((0, 4),)})
    files = [a_file("a", 8), a_file("b", 8)]
    result = planned([donor], files, asked(a=0.0001, b=0.1), joins=False, policy=policy)
    assert result.assignments == ()


def test_a_young_donor_is_filled_in_steps() -> None:
    donor, files = a_donor(segments=200, up_bytes_per_s=4_000_000), [a_file(name, 100) for name in "ab"]
    first = only(planned([donor], files))
    assert first.push_bytes == POLICY.first_fill_bytes
    grown = structs.replace(donor, holdings=dict(first.files))
    later = only(planned([grown], files, joins=False, now_us=30_000_000))
    assert later.push_bytes == 4 * POLICY.first_fill_bytes


def test_near_donors_hold_what_their_region_asks_for_where_far_bytes_count_less() -> None:
    donors = [a_donor("de", segments=4, region="EU/DE"), a_donor("us", segments=4, region="NA/US")]
    demand = [
        Expectation(file_id=FileId("a"), rates=[RegionRates("EU/DE", 0.01)]),
        Expectation(file_id=FileId("b"), rates=[RegionRates("NA/US", 0.01)]),
    ]
    policy = structs.replace(POLICY, far_weight=0.5)
    result = planned(donors, [a_file("a", 8), a_file("b", 8)], demand, policy=policy)
    assert [set(target(assignment)) for assignment in result.assignments] == [{"a"}, {"b"}]


def test_a_restricted_donor_is_worth_nothing_to_restricted_downloaders() -> None:
    demand = [Expectation(file_id=FileId("a"), rates=[RegionRates("", 0.0, 0.1)])]
    assert only(planned([a_donor(nat="restricted")], [a_file("a", 8)], demand)).push_bytes == 0
    assert only(planned([a_donor(nat="unrestricted")], [a_file("a", 8)], demand)).push_bytes == 8 * MIB


def test_an_announced_release_is_filled_before_it() -> None:
    coming = Expectation(file_id=FileId("new"), rates=[RegionRates("", 0.5)], lead_s=240.0, lasts_s=1_800.0)
    files = [a_file("old", 50), a_file("new", 50)]
    demand = [*asked(old=0.005), coming]
    stays = only(planned([a_donor(segments=4, stay_left_s=3_600.0)], files, demand))
    leaves = only(planned([a_donor(segments=4, stay_left_s=40.0)], files, demand))
    assert set(target(stays)) == {"new"}
    assert "new" not in target(leaves)
    later = [*asked(old=0.005), structs.replace(coming, lead_s=900.0)]
    assert "new" not in target(only(planned([a_donor(segments=4)], files, later)))


def test_one_network_does_not_hold_all_copies_where_there_are_three() -> None:
    alike = [a_donor(f"d{place}", segments=2, region=f"EU/DE/n-0000000{min(place, 2)}") for place in range(6)]
    held = [structs.replace(donor, holdings={FileId("a"): ((0, 1),)}) for donor in alike[:4]]
    more = structs.replace(alike[5], holdings={})
    result = planned([*held, more], [a_file("a", 1)], asked(a=5.0), joins=False)
    assert all(assignment.session_id != "d5" for assignment in result.assignments)
    assert "too_alike" in {row.reason for row in result.rejected if row.session_id == "d5"}


def test_other_causes_are_left_alone_and_what_was_held_of_them_goes() -> None:
    donor = a_donor(causes=("x",), holdings={"b": ((0, 8),)})
    result = planned([donor], [a_file("a", 8, cause="x"), a_file("b", 8, cause="y")])
    assert set(target(only(result))) == {"a"}
    assert reasons(result)["b"] == "cause_not_chosen"


def test_an_operators_weight_moves_the_plan() -> None:
    files = [a_file("a", 8), structs.replace(a_file("b", 8), weight=3.0)]
    assert set(target(only(planned([a_donor(segments=2)], files, asked(a=0.01, b=0.008))))) == {"b"}


def test_fairness_moves_the_plan_to_the_cause_that_is_covered_less() -> None:
    snapshot = Snapshot(
        now_us=0,
        donors=[a_donor("e", segments=6, holdings={"a": ((0, 6),)}), a_donor("d", segments=1)],
        files=[a_file("a", 8, cause="x"), a_file("b", 4, cause="y")],
        demand=asked(a=0.012, b=0.008),
        joining=frozenset({SessionId("d")}),
        standing=frozenset(),
    )
    greedy, fair = (plan(snapshot, structs.replace(POLICY, fairness=much), random.Random(1)) for much in (0.0, 1.0))
    assert set(target(only(greedy))) == {"a"}
    assert set(target(only(fair))) == {"b"}


def test_a_cause_that_nobody_asks_for_changes_no_plan() -> None:
    files, demand = [a_file("a", 8, cause="x"), a_file("b", 8, cause="x")], asked(a=0.002, b=0.001)
    dead = a_file("c", 8, cause="dead")
    donors = [a_donor("d", segments=8, stay_left_s=900.0), a_donor("e", segments=8, holdings={"a": ((0, 2),)})]
    for fairness in (0.0, 0.25, 1.0):
        policy = structs.replace(POLICY, fairness=fairness)
        alone, beside = (planned(donors, known, demand, policy=policy) for known in (files, [*files, dead]))
        assert alone.assignments == beside.assignments == planned(donors, files, demand).assignments


@dataclass
class Covered:
    """What fairness is reckoned from, by row and by file."""

    miss_open: Floats
    asked_per_s: Floats


def test_by_fairness_the_average_byte_asked_for_counts_one() -> None:
    rows = Rows([a_file("a", 8, cause="x"), a_file("b", 4, cause="y"), a_file("c", 2, cause="dead")], POLICY)
    board = Covered(np.log(np.where(rows.file == 0, 0.2, 0.9)), np.array([0.03, 0.01, 0.0]))
    weights = file_weights(rows, board, structs.replace(POLICY, fairness=0.5))
    asked_bytes = board.asked_per_s * rows.file_bytes
    assert weights[1] / weights[0] == pytest.approx((0.8 / 0.1) ** 0.5)
    assert (weights * asked_bytes).sum() / asked_bytes.sum() == pytest.approx(1.0)
    assert weights[2] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("file", "donor", "reason"),
    [
        (a_file("a", 0), a_donor(), "empty_file"),
        (a_file("a", 8), a_donor(holdings={"a": ((0, 8),)}), "held_already"),
        (a_file("a", 8), a_donor(segments=0), "no_room"),
    ],
)
def test_a_file_that_is_not_given_has_its_reason(file: FileView, donor: DonorView, reason: str) -> None:
    assert reasons(planned([donor], [file])) == {"a": reason}


def test_a_file_that_nobody_asks_for_is_not_placed() -> None:
    assert reasons(planned([a_donor()], [a_file("a", 8)], [])) == {"a": "no_demand"}


def test_a_large_file_is_placed_in_runs() -> None:
    assignment = only(planned([a_donor()], [a_file("a", 1_000)]))
    assert [end - start for start, end in target(assignment)["a"]] == [8, 7] or sets.count(
        target(assignment)["a"]
    ) == 15
    assert len(target(assignment)["a"]) <= 2


def test_a_run_of_a_large_file_has_to_be_served_more_often_to_be_pushed() -> None:
    files, demand = [a_file("a", 8), a_file("b", 1_000)], asked(a=0.005, b=0.01)
    assert target(only(planned([a_donor(stay_left_s=350.0)], files, demand))) == {}
    demand = asked(a=0.009, b=0.01)
    assert target(only(planned([a_donor(stay_left_s=350.0)], files, demand))) == {"a": ((0, 8),)}
    held, large = a_donor(segments=8, stay_left_s=350.0, holdings={"c": ((0, 8),)}), [a_file("c", 1_000), files[1]]
    demand = asked(c=0.0001, b=0.02)
    assert planned([held], large, demand, joins=False).assignments == ()
    less = structs.replace(POLICY, run_return_times=1.0)
    assert amount(only(planned([held], large, demand, joins=False, policy=less)), "b") == 8


def test_a_run_that_is_not_swapped_in_does_not_hide_a_segment_that_is() -> None:
    files = [a_file("a", 8), a_file("b", 8), a_file("large", 1_000)]
    full = a_donor(segments=8, stay_left_s=150.0, holdings={"a": ((0, 8),)})
    for large_per_s in (0.02, 0.05):  # too little; enough, but a run has no room in the place of a segment
        swapped = only(planned([full], files, asked(a=0.0001, b=0.018, large=large_per_s), joins=False))
        assert (amount(swapped, "b"), amount(swapped, "large")) == (1, 0)


def test_a_short_last_segment_counts_with_its_own_size() -> None:
    file = a_file("a", 2, size_bytes=MIB + 1)
    donor = structs.replace(a_donor(), storage_bytes=MIB + 1 + RESERVE)
    assert only(planned([donor], [file])).push_bytes == MIB + 1


def test_same_seed_gives_the_same_plan() -> None:
    donors = [a_donor(f"d{place}") for place in range(5)]
    files = [a_file(name, 50) for name in "abcdef"]
    assert planned(donors, files, seed=3) == planned(donors, files, seed=3)


@given(
    storages=st.lists(st.integers(0, 40 * MIB), min_size=1, max_size=4),
    sizes=st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.integers(0, 20)), max_size=5),
    held=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 300), st.integers(1, 60)), max_size=8),
    joins=st.booleans(),
    stay_left_s=st.floats(0.0, 1e5),
    seed=st.integers(0, 2**32 - 1),
)
def test_limits_hold_and_nothing_is_pushed_twice(
    storages: list[int],
    sizes: list[tuple[int, bool, int]],
    held: list[tuple[int, int, int, int]],
    joins: bool,
    stay_left_s: float,
    seed: int,
) -> None:
    """Whatever comes in: never over the storage, only the donor's causes, only what exists, and the bytes add up."""
    files = [
        a_file(str(place), size, cause="xy"[other], size_bytes=max(0, size * MIB - seed % MIB))
        for place, (size, other, _) in enumerate(sizes)
    ]
    demand = asked(**{str(place): per_ks / 1e3 for place, (_, _, per_ks) in enumerate(sizes)})
    donors = []
    for place, storage_bytes in enumerate(storages):
        holdings: dict[FileId, Runs] = {}
        for _, which, start, count in (row for row in held if row[0] == place and row[1] < len(files)):
            runs = sets.intersection(((start, start + count),), sets.whole(files[which].segments))
            holdings[FileId(str(which))] = sets.union(holdings.get(FileId(str(which)), ()), runs)
        base = a_donor(f"d{place}", causes=("x",) if place % 2 else (), stay_left_s=stay_left_s)
        donors.append(structs.replace(base, storage_bytes=storage_bytes, holdings=holdings))
    result = planned(donors, files, demand, seed=seed, joins=joins, now_us=10**9)
    by_id, by_session = {file.file_id: file for file in files}, {donor.session_id: donor for donor in donors}
    for assignment in result.assignments:
        donor = by_session[assignment.session_id]
        total = pushed = 0
        for file_id, runs in assignment.files:
            file = by_id[file_id]
            assert not donor.causes or file.cause in donor.causes
            assert runs == sets.normalised(runs) == sets.intersection(runs, sets.whole(file.segments))
            new = sets.difference(runs, donor.holdings.get(file_id, ()))
            total += sets.size_bytes(runs, file_bytes=file.size_bytes, segment_bytes=MIB)
            pushed += sets.size_bytes(new, file_bytes=file.size_bytes, segment_bytes=MIB)
        assert total <= max(0, donor.storage_bytes - RESERVE)
        assert (pushed, total) == (assignment.push_bytes, assignment.push_bytes + assignment.held_bytes)
    if joins:
        assert [assignment.session_id for assignment in result.assignments] == [donor.session_id for donor in donors]
