"""Large swarms: the same limits as in a plan of all at once, nearly the same value, and lists for those who join."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from distribute_io.core import runs as sets
from distribute_io.core.placement import survey
from distribute_io.core.placement.board import Board
from distribute_io.core.placement.join_lists import JoinPlanner
from distribute_io.core.placement.model import (
    Assignment,
    DonorView,
    Expectation,
    FileView,
    Policy,
    RegionRates,
    Snapshot,
)
from distribute_io.core.placement.planner import plan
from distribute_io.core.placement.rounds import Changes, Round, Rounds, encode_demand, encode_files
from distribute_io.core.placement.rows import Rows
from distribute_io.core.placement.stays import Stays
from distribute_io.core.placement.stock import KnownDonor, encode_donor
from distribute_io.core.placement.weigh import weigh
from distribute_io.core.runs import Runs
from distribute_io.ids import CauseId, FileId, SessionId
from distribute_io.wire.session import NatClass

MIB = 1 << 20
POLICY = Policy()
REGIONS = ("EU/DE", "EU/FR", "NA/US")


def a_file(number: int, segments: int = 50, cause: str = "main") -> FileView:
    return FileView(
        file_id=FileId(f"{number:064x}"),
        cause=CauseId(cause),
        segments=segments,
        size_bytes=segments * MIB,
        segment_size_bytes=MIB,
    )


def a_donor(
    number: int,
    *,
    segments: int = 16,
    up_bytes_per_s: int = 800_000,
    holdings: dict[FileId, Runs] | None = None,
    causes: frozenset[CauseId] = frozenset(),
    nat: NatClass = "unrestricted",
    region: str | None = None,
) -> DonorView:
    return DonorView(
        session_id=SessionId(f"{number:032x}"),
        causes=causes,
        storage_bytes=segments * MIB + POLICY.reserve_bytes,
        up_bytes_per_s=up_bytes_per_s,
        joined_at_us=0,
        region=REGIONS[number % 3] if region is None else region,
        nat=nat,
        stay_left_s=Stays().left_s("browser", 1_000.0),
        holdings=holdings or {},
    )


def asked(files: Sequence[FileView], per_s: float = 0.02) -> list[Expectation]:
    return [
        Expectation(
            file_id=file.file_id,
            rates=[
                RegionRates(region, 0.7 * per_s / (1 + place) ** 0.8, 0.3 * per_s / (1 + place) ** 0.8)
                for region in REGIONS
            ],
        )
        for place, file in enumerate(files)
    ]


def changes(
    donors: Sequence[DonorView],
    files: Sequence[FileView] | None,
    demand: Sequence[Expectation],
    *,
    joining: Sequence[DonorView] = (),
    whole: bool = True,
    gone: Sequence[DonorView] = (),
) -> Changes:
    return Changes(
        now_us=1_000_000_000,
        whole=whole,
        donors=[encode_donor(KnownDonor(donor, "browser")) for donor in donors],
        gone=[donor.session_id for donor in gone],
        files=None if files is None else [encode_files(files)],
        demand=[encode_demand(demand)],
        stays=Stays().state(),
        joining=frozenset(donor.session_id for donor in joining),
    )


def a_round(rounds: Rounds, told: Changes) -> Round:
    return rounds.round(told, seed=1, is_over=lambda: False)


def keep(donors: Sequence[DonorView], assignments: Sequence[Assignment]) -> list[DonorView]:
    """The donors as they are when they have fetched all that they were assigned."""
    targets = {assignment.session_id: dict(assignment.files) for assignment in assignments}
    return [structs.replace(donor, holdings=targets.get(donor.session_id, donor.holdings)) for donor in donors]


def value(donors: Sequence[DonorView], files: Sequence[FileView], demand: Sequence[Expectation]) -> float:
    """Bytes per second that the donors are expected to serve, far ones discounted."""
    rows = Rows(files, POLICY)
    board = Board(Snapshot(now_us=10**9, donors=donors, files=files, demand=demand), POLICY, rows)
    total = 0.0
    for expected in demand:
        place = rows.place[expected.file_id]
        at = slice(int(rows.first[place]), int(rows.first[place + 1]))
        for rates in expected.rates:
            area = board.region[rates.region]
            for per_s, far, near in (
                (rates.open_per_s, board.miss_open[at], board.near_open[area, at]),
                (rates.restricted_per_s, board.miss_restricted[at], board.near_restricted[area, at]),
            ):
                served = POLICY.far_weight * (1 - np.exp(far)) + (1 - POLICY.far_weight) * (1 - np.exp(near))
                total += per_s * float(served @ rows.size_bytes[at])
    return total


def check_limits(donor: DonorView, assignment: Assignment, files: Sequence[FileView]) -> None:
    shapes = {file.file_id: file for file in files}
    held_bytes = push_bytes = 0
    for file_id, runs in assignment.files:
        file = shapes[file_id]
        assert runs == sets.normalised(runs)
        assert all(0 <= start < end <= file.segments for start, end in runs)
        assert not donor.causes or file.cause in donor.causes
        held = sets.intersection(runs, donor.holdings.get(file_id, ()))
        sizes = {"file_bytes": file.size_bytes, "segment_bytes": file.segment_size_bytes}
        held_bytes += sets.size_bytes(held, **sizes)
        push_bytes += sets.size_bytes(sets.difference(runs, held), **sizes)
    assert (held_bytes, push_bytes) == (assignment.held_bytes, assignment.push_bytes)
    assert held_bytes + push_bytes <= max(0, donor.storage_bytes - POLICY.reserve_bytes)


def a_swarm() -> tuple[list[FileView], list[Expectation], list[DonorView]]:
    rng = random.Random(3)
    files = [a_file(number) for number in range(30)]
    donors = [
        a_donor(
            number,
            up_bytes_per_s=int(625_000 * rng.lognormvariate(0, 1)),
            nat=rng.choice(("restricted", "unrestricted")),
        )
        for number in range(60)
    ]
    return files, asked(files), donors


def test_joining_all_at_once_is_worth_what_the_plan_of_all_is() -> None:
    files, demand, donors = a_swarm()
    joining = frozenset(donor.session_id for donor in donors)
    snapshot = Snapshot(now_us=10**9, donors=donors, files=files, demand=demand, joining=joining)
    exact = keep(donors, plan(snapshot, POLICY, random.Random(1)).assignments)
    rounds = Rounds(POLICY)
    by_rounds = keep(donors, a_round(rounds, changes(donors, files, demand, joining=donors)).assignments)
    assert value(by_rounds, files, demand) >= 0.98 * value(exact, files, demand)


def test_joining_one_after_another_by_lists_is_worth_what_plans_of_all_are() -> None:
    files, demand, donors = a_swarm()
    here: list[DonorView] = []
    for donor in donors:
        now = Snapshot(
            now_us=10**9,
            donors=[*here, donor],
            files=files,
            demand=demand,
            joining=frozenset({donor.session_id}),
            standing=frozenset(),
        )
        here = keep([*here, donor], plan(now, POLICY, random.Random(1)).assignments)
    lists = a_round(Rounds(POLICY), changes([], files, demand)).lists
    planner = JoinPlanner(lists, POLICY, {file.file_id: file for file in files}.get)
    joined = []
    for donor in donors:
        joined.append(planner.plan(donor, 10**9, is_guess=False, is_known=False))
        planner.tidy()
    by_lists = keep(donors, [assignment for assignment in joined if assignment is not None])
    assert value(by_lists, files, demand) >= 0.98 * value(here, files, demand)


@settings(max_examples=40)
@given(st.data())
def test_limits_hold_and_what_is_held_is_not_given_again(data: st.DataObject) -> None:
    files = [
        a_file(number, data.draw(st.integers(1, 20)), data.draw(st.sampled_from(("main", "other"))))
        for number in range(4)
    ]
    runs = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 8)), max_size=2)
    donors = [
        a_donor(
            number,
            segments=data.draw(st.integers(0, 16)),
            up_bytes_per_s=data.draw(st.integers(0, 3_000_000)),
            causes=data.draw(st.sampled_from((frozenset[CauseId](), frozenset({CauseId("main")})))),
            nat=data.draw(st.sampled_from(("restricted", "unknown"))),
            region=data.draw(st.sampled_from(("", "EU/DE", "EU/DE/n-1", "EU/FR/n-2", "NA/US/n-3"))),
            holdings={
                file.file_id: sets.intersection(
                    sets.normalised((start, start + count) for start, count in data.draw(runs)), ((0, file.segments),)
                )
                for file in files
            },
        )
        for number in range(data.draw(st.integers(1, 8)))
    ]
    demand = asked(files, data.draw(st.sampled_from((0.0001, 0.02, 1.0))))
    half = donors[: len(donors) // 2]
    rounds = Rounds(POLICY)
    first = a_round(rounds, changes(half, files, demand, joining=half[:1]))
    views = {donor.session_id: donor for donor in donors}
    planner = JoinPlanner(first.lists, POLICY, {file.file_id: file for file in files}.get)
    for donor in donors[len(half) :]:
        assignment = planner.plan(donor, 1_000_000_000, is_guess=False, is_known=False)
        if assignment is not None:
            check_limits(donor, assignment, files)
            kept = dict(assignment.files)
            for file_id, held in donor.holdings.items():
                if not donor.causes or files[int(file_id, 16)].cause in donor.causes:
                    assert not sets.difference(held, kept.get(file_id, ()))
    second = a_round(rounds, changes(donors[len(half) :], None, demand, joining=donors, whole=False))
    assert {assignment.session_id for assignment in second.assignments} == set(views)
    for assignment in (*first.assignments, *second.assignments):
        check_limits(views[assignment.session_id], assignment, files)


def test_a_large_swarm_has_the_same_reasons_as_a_small_one() -> None:
    files, demand, donors = a_swarm()
    donors = keep(donors, a_round(Rounds(POLICY), changes(donors, files, demand, joining=donors)).assignments)
    asked_for = donors[7]
    snapshot = Snapshot(
        now_us=10**9, donors=donors, files=files, demand=demand, standing=frozenset({asked_for.session_id})
    )
    told = Rounds(POLICY).explain(changes(donors, files, demand), asked_for.session_id, seed=1, limit=50)
    assert told is not None
    exact = {(of.file_id, of.start): of for of in weigh(snapshot, POLICY, asked_for.session_id, limit=50)}
    assert {(of.file_id, of.start) for of in told.holds} == set(exact)
    for of in told.holds:
        assert of.expected_serves == pytest.approx(exact[of.file_id, of.start].expected_serves, rel=0.1)
        assert of.copies == exact[of.file_id, of.start].copies
    rejected = {of.file_id: of.reason for of in plan(snapshot, POLICY, random.Random(1)).rejected}
    assert told.rejected
    assert {of.file_id: of.reason for of in told.rejected}.items() <= rejected.items()
    assert Rounds(POLICY).explain(changes(donors, files, demand), SessionId("nobody"), seed=1, limit=50) is None


def test_a_file_that_goes_and_one_that_comes_are_taken_over() -> None:
    files = [a_file(number) for number in range(3)]
    donors = [a_donor(number, segments=20, holdings={files[number].file_id: ((3, 19),)}) for number in range(3)]
    rounds = Rounds(POLICY)
    a_round(rounds, changes(donors, files, asked(files)))
    now = [files[0], files[2], a_file(9)]
    told = changes([], now, asked(now), whole=False, joining=donors, gone=donors[:1])
    assignments = {assignment.session_id: dict(assignment.files) for assignment in a_round(rounds, told).assignments}
    assert set(assignments) == {donor.session_id for donor in donors[1:]}
    assert all(files[1].file_id not in targets for targets in assignments.values())
    assert assignments[donors[2].session_id][files[2].file_id] == ((3, 19),)


def test_the_most_gainful_are_planned_when_time_is_short() -> None:
    files = [a_file(number) for number in range(12)]
    cold, hot = files[-1].file_id, files[0].file_id
    donors = [
        a_donor(number, holdings={cold: ((0, 16),)} if number % 2 else {hot: ((number, number + 16),)})
        for number in range(12)
    ]
    rounds, asked_before = Rounds(POLICY), [0]

    def is_over() -> bool:
        asked_before[0] += 1
        return asked_before[0] > 3

    result = rounds.round(changes(donors, files, asked(files, 0.1)), seed=1, is_over=is_over)
    assert result.planned == 3 < result.gainful <= result.donors == 12


def test_a_donor_without_room_for_what_it_holds_is_planned_elsewhere() -> None:
    files = [a_file(0)]
    lists = a_round(Rounds(POLICY), changes([], files, asked(files))).lists
    planner = JoinPlanner(lists, POLICY, {file.file_id: file for file in files}.get)
    full = a_donor(1, segments=4, holdings={files[0].file_id: ((0, 16),)})
    assert planner.plan(full, 0, is_guess=False, is_known=False) is None


@pytest.mark.parametrize("segments", [50, 400], ids=["by-segment", "by-run"])
def test_a_joining_donor_is_filled_beside_what_it_holds(segments: int) -> None:
    files = [a_file(number, segments) for number in range(2)]
    demand = asked(files, 1.0)
    lists = a_round(Rounds(POLICY), changes([], files, demand)).lists
    planner = JoinPlanner(lists, POLICY, {file.file_id: file for file in files}.get)
    donor = a_donor(1, segments=8, up_bytes_per_s=100_000_000, holdings={files[0].file_id: ((0, 5),)})
    assignment = planner.plan(donor, 10**9, is_guess=False, is_known=False)
    assert assignment is not None
    check_limits(donor, assignment, files)
    assert not sets.difference(((0, 5),), dict(assignment.files)[files[0].file_id])
    assert (assignment.held_bytes, assignment.push_bytes) == (5 * MIB, 3 * MIB)


def test_of_a_run_that_is_held_in_part_only_the_rest_is_fetched() -> None:
    files = [a_file(0, 400)]
    donor = a_donor(1, segments=8, up_bytes_per_s=100_000_000, holdings={files[0].file_id: ((0, 5),)})
    other = a_donor(4, segments=400, up_bytes_per_s=100_000_000, holdings={files[0].file_id: ((8, 400),)})
    snapshot = Snapshot(
        now_us=10**9,
        donors=[donor, other],
        files=files,
        demand=asked(files, 1.0),
        joining=frozenset({donor.session_id}),
        standing=frozenset(),
    )
    (assignment,) = plan(snapshot, POLICY, random.Random(1)).assignments
    assert dict(assignment.files) == {files[0].file_id: ((0, 8),)}
    assert assignment.push_bytes == 3 * MIB


def test_lists_are_used_up_by_those_who_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "LIST_ROWS", 64)
    files = [a_file(number, 100) for number in range(8)]
    lists = a_round(Rounds(POLICY), changes([], files, asked(files))).lists
    planner = JoinPlanner(lists, POLICY, {file.file_id: file for file in files}.get)
    for number in range(0, 60, 3):
        assert planner.used_up == (number >= 12), number
        assert planner.plan(a_donor(number), 10**9, is_guess=True, is_known=False) is not None
        planner.tidy()


def test_where_all_rows_are_listed_others_would_be_no_better() -> None:
    files = [a_file(0)]
    lists = a_round(Rounds(POLICY), changes([], files, asked(files))).lists
    planner = JoinPlanner(lists, POLICY, {file.file_id: file for file in files}.get)
    for number in range(0, 15, 3):
        assert planner.plan(a_donor(number), 10**9, is_guess=True, is_known=False) is not None
    assert not planner.used_up


def test_what_was_given_meanwhile_is_counted_by_new_lists() -> None:
    files = [a_file(0, 16)]
    # Downloads take half a minute, so that one donor can give half of one.
    told = structs.replace(changes([], files, asked(files)), down_bytes_per_s=files[0].size_bytes / 30)
    planner = JoinPlanner(a_round(Rounds(POLICY), told).lists, POLICY, {file.file_id: file for file in files}.get)
    planner.count(a_donor(0), {files[0].file_id: ((0, 8),)})
    assignment = planner.plan(a_donor(3, segments=8), 10**9, is_guess=False, is_known=False)
    assert assignment is not None
    assert dict(assignment.files) == {files[0].file_id: ((8, 16),)}


def test_one_network_does_not_hold_all_copies_where_there_are_three() -> None:
    files = [a_file(0, 8)]
    others = [a_donor(number, segments=0, region=f"EU/DE/n-{number}") for number in range(3)]
    near = a_donor(7, region="EU/DE/n-7", holdings={files[0].file_id: ((0, 8),)})
    lists = a_round(Rounds(POLICY), changes([*others, near], files, asked(files))).lists
    planner = JoinPlanner(lists, POLICY, {file.file_id: file for file in files}.get)
    alike = planner.plan(a_donor(8, region="EU/DE/n-7"), 10**9, is_guess=False, is_known=False)
    other = planner.plan(a_donor(9, region="EU/DE/n-9"), 10**9, is_guess=False, is_known=False)
    assert alike is not None
    assert alike.files == ()
    assert other is not None
    assert other.push_bytes > 0


@pytest.mark.parametrize("far_weight", [0.3, 1.0])
def test_a_swarm_of_nobody_and_nothing_has_lists(far_weight: float) -> None:
    policy = Policy(far_weight=far_weight)
    result = a_round(Rounds(policy), changes([], [], []))
    assert result.assignments == ()
    planner = JoinPlanner(result.lists, policy, lambda _file_id: None)
    assignment = planner.plan(a_donor(1, region="XX/XX"), 0, is_guess=True, is_known=False)
    assert assignment is not None
    assert assignment.files == ()
