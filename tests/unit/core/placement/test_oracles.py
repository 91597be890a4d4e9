"""Plans, weighing and the board's sums against slow, obvious oracles: single segments, one donor at a time."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from distribute_io.core import runs as sets
from distribute_io.core.demand.regions import coarse
from distribute_io.core.placement.board import Board
from distribute_io.core.placement.model import DonorView, Expectation, FileView, Policy, RegionRates, Snapshot
from distribute_io.core.placement.planner import plan
from distribute_io.core.placement.rows import Rows
from distribute_io.core.placement.weigh import weigh
from distribute_io.core.runs import Runs
from distribute_io.ids import CauseId, FileId, SessionId

MIB = 1 << 20
POLICY = Policy(small_file_bytes=16 * MIB, run_bytes=4 * MIB)  # small enough that both kinds of rows occur
_REGIONS = ["", "EU/DE", "EU/DE/n-00000001", "EU/DE/n-00000002", "NA/US/n-00000003"]
Pair = tuple[FileId, int]


def pairs_of(runs_of: Mapping[FileId, Runs]) -> set[Pair]:
    """Single segments."""
    return {(file_id, index) for file_id, runs in runs_of.items() for start, end in runs for index in range(start, end)}


def bytes_of(pairs: set[Pair], files: Mapping[FileId, FileView]) -> int:
    """The bytes of single segments; the last one of a file may be short."""
    return sum(min(MIB, files[file_id].size_bytes - index * MIB) for file_id, index in pairs)


@st.composite
def files_of(draw: st.DrawFn) -> list[FileView]:
    files = []
    for place in range(draw(st.integers(0, 4))):
        segments = draw(st.sampled_from([0, 1, 5, 12, 30]))
        missing_bytes = draw(st.integers(0, MIB - 1)) if segments else 0
        files.append(
            FileView(
                file_id=FileId(f"f{place}"),
                cause=CauseId(draw(st.sampled_from(["x", "y"]))),
                segments=segments,
                size_bytes=segments * MIB - missing_bytes,
                segment_size_bytes=MIB,
            )
        )
    return files


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    files = draw(files_of())

    def held() -> dict[FileId, Runs]:
        some = {file.file_id: draw(st.frozensets(st.integers(0, max(0, file.segments - 1)))) for file in files}
        here = {file.file_id: file.segments for file in files}
        return {name: sets.of_indices(indices) for name, indices in some.items() if here[name] and draw(st.booleans())}

    donors = [
        DonorView(
            session_id=SessionId(f"d{place}"),
            causes=draw(st.frozensets(st.sampled_from([CauseId("x"), CauseId("y")]))),
            storage_bytes=draw(st.integers(0, 20 * MIB)),
            up_bytes_per_s=draw(st.sampled_from([0, 50_000, 1_000_000, 20_000_000])),
            joined_at_us=-draw(st.sampled_from([0, 60, 3_600])) * 1_000_000,
            region=draw(st.sampled_from(_REGIONS)),
            nat=draw(st.sampled_from(["unrestricted", "restricted", "unknown"])),
            stay_left_s=draw(st.just(0.0) | st.floats(1e-3, 1e5)),
            holdings=held(),
            coming=held(),
        )
        for place in range(draw(st.integers(1, 5)))
    ]
    demand = [
        Expectation(
            file_id=file.file_id,
            rates=[
                RegionRates(region, draw(st.floats(0.0, 1.0)), draw(st.floats(0.0, 0.5)))
                for region in ("EU/DE", "NA/US")
            ],
            lead_s=draw(st.sampled_from([0.0, 600.0])),
        )
        for file in files
    ]
    names = [donor.session_id for donor in donors]
    return Snapshot(
        now_us=0,
        donors=donors,
        files=files,
        demand=demand,
        is_guess=draw(st.booleans()),
        joining=draw(st.frozensets(st.sampled_from(names))),
        standing=draw(st.none() | st.frozensets(st.sampled_from(names))),
    )


@given(snapshots(), st.integers(0, 2**32 - 1))
def test_a_plan_keeps_every_limit_and_adds_up(snapshot: Snapshot, seed: int) -> None:
    made = plan(snapshot, POLICY, random.Random(seed))
    assert made == plan(snapshot, POLICY, random.Random(seed))
    files = {file.file_id: file for file in snapshot.files}
    donors = {donor.session_id: donor for donor in snapshot.donors}
    planned = [assignment.session_id for assignment in made.assignments]
    assert len(planned) == len(set(planned))
    assert snapshot.joining <= set(planned)
    assert set(planned) <= snapshot.joining | (donors.keys() if snapshot.standing is None else snapshot.standing)
    for assignment in made.assignments:
        donor = donors[assignment.session_id]
        target = dict(assignment.files)
        assert len(target) == len(assignment.files)
        pairs, held = pairs_of(target), pairs_of(donor.holdings)
        assert all(0 <= index < files[file_id].segments for file_id, index in pairs)
        assert all(sets.normalised(runs) == runs for runs in target.values())
        assert bytes_of(pairs, files) <= max(0, donor.storage_bytes - POLICY.reserve_bytes)
        assert assignment.held_bytes == bytes_of(pairs & held, files)
        assert assignment.push_bytes == bytes_of(pairs - held, files)
        assert not donor.causes or {files[file_id].cause for file_id in target} <= donor.causes
        assert assignment.lease_us == POLICY.lease_us
        # What is pushed anew is told with its reason, and is nothing that it has or is fetching.
        known = held | pairs_of(donor.coming)
        reasoned = pairs_of({}).union(
            *({(each.file_id, index) for index in range(each.start, each.end)} for each in assignment.reasons)
        )
        assert pairs - known <= reasoned
        assert not sum(each.end - each.start for each in assignment.reasons) or reasoned - known


@given(snapshots())
def test_weighing_names_what_is_there_and_counts_the_other_copies(snapshot: Snapshot) -> None:
    rows = Rows(snapshot.files, POLICY)
    targets = [pairs_of(donor.holdings) | pairs_of(donor.coming) for donor in snapshot.donors]
    files = {file.file_id: file for file in snapshot.files}
    for place, donor in enumerate(snapshot.donors):
        told = weigh(snapshot, POLICY, donor.session_id, limit=1_000)
        of_rows = [{(each.file_id, index) for index in range(each.start, each.end)} for each in told]
        assert set().union(*of_rows) >= targets[place]
        assert all(row & targets[place] for row in of_rows)
        assert [each.expected_serves for each in told] == sorted((each.expected_serves for each in told), reverse=True)
        for each, row in zip(told, of_rows, strict=True):
            others = [target & row for number, target in enumerate(targets) if number != place]
            copies = sum(bytes_of(held, files) for held in others) / bytes_of(row, files)
            assert each.copies == pytest.approx(copies, abs=2e-3)
    assert rows.count == sum(
        file.segments if file.size_bytes <= POLICY.small_file_bytes else -(-file.segments // 4)
        for file in snapshot.files
    )


@given(snapshots(), st.floats(0.0, 1.0), st.randoms(use_true_random=False))
def test_the_boards_sums_are_those_of_its_donors(snapshot: Snapshot, far_weight: float, chance: random.Random) -> None:
    """However often donors are lifted and put back with something else."""
    policy = structs.replace(POLICY, far_weight=far_weight)
    rows = Rows(snapshot.files, policy)
    board = Board(snapshot, policy, rows)
    for _ in range(8):
        place = chance.randrange(len(board.held))
        board.lift(place)
        some = sorted(chance.sample(range(rows.count), chance.randint(0, rows.count)))
        board.put(place, np.array(some, dtype=np.int64), np.array([chance.choice([0.5, 1.0]) for _ in some]))
    for area, region in enumerate(sorted(board.region)):
        misses = board.misses(board.region[region])
        assert board.region[region] == area
        for row in range(rows.count):
            served = everybody = opened = near = near_opened = copies = 0.0
            for donor, held in zip(snapshot.donors, board.held, strict=True):
                at = np.flatnonzero(held.rows == row)
                if not len(at):
                    continue
                miss = math.log(1.0 - min(0.999, float(held.serving[at[0]]) * held.stays))
                is_near = coarse(donor.region) == region
                is_open = donor.nat != "restricted"
                served += float(held.serving[at[0]])
                copies += float(held.shares[at[0]])
                everybody += miss
                opened += miss * is_open
                near += miss * is_near
                near_opened += miss * is_near * is_open
            assert board.serving[row] == pytest.approx(served, abs=1e-9)
            assert board.copies[row] == pytest.approx(copies, abs=1e-9)
            assert misses.open[row] == pytest.approx(everybody, abs=1e-9)
            assert misses.restricted[row] == pytest.approx(opened, abs=1e-9)
            if misses.near_open is not None and misses.near_restricted is not None:
                assert misses.near_open[row] == pytest.approx(near, abs=1e-9)
                assert misses.near_restricted[row] == pytest.approx(near_opened, abs=1e-9)
