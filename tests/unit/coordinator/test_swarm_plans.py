"""A large swarm with a whole coordinator: rounds in the planning process, joins by the lists of the last one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path

import pytest

from distribute_io.coordinator import donor_desk, swarm_plans
from distribute_io.coordinator.app import open_catalogue
from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.coordinator.demand_desk import DemandDesk
from distribute_io.coordinator.plan_office import PlannerLostError, PlanOffice
from distribute_io.coordinator.shapes import Shapes
from distribute_io.coordinator.swarm_plans import SwarmPlans
from distribute_io.core import runs as sets
from distribute_io.core.placement.join_lists import JoinPlanner
from distribute_io.core.placement.model import Assignment, DonorView, Policy
from distribute_io.core.placement.rounds import Changes, Explanation, Round, Rounds
from distribute_io.ids import SessionId
from distribute_io.stores.state import Donor
from tests.harness.peer import Peer
from tests.unit.coordinator.served import MIB, Served, files, play, write
from tests.unit.coordinator.test_donor_desk import held, segments


def test_a_large_swarm_is_planned_in_rounds_and_joins_by_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm_plans, "LARGE_FROM_DONORS", 1)
    monkeypatch.setattr(donor_desk, "LOOK_AGAIN_S", 0.05)
    by_lists: list[Assignment] = []
    plan = JoinPlanner.plan

    def seen(self: JoinPlanner, donor: DonorView, now_us: int, *, is_guess: bool, is_known: bool) -> Assignment | None:
        assignment = plan(self, donor, now_us, is_guess=is_guess, is_known=is_known)
        if assignment is not None:
            by_lists.append(assignment)
        return assignment

    monkeypatch.setattr(JoinPlanner, "plan", seen)
    offices: list[PlanOffice] = []
    make_round = PlanOffice.round

    async def noted(self: PlanOffice, changes: Changes, policy: Policy, budget_s: float) -> Round:
        offices.append(self)
        return await make_round(self, changes, policy, budget_s)

    monkeypatch.setattr(PlanOffice, "round", noted)
    files(tmp_path, 16)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as first, Peer.connect(served) as second, Peer.connect(served) as third:
            one = held(await first.donate(storage_bytes=9 * MIB))
            assert by_lists == []  # there were none
            two = await second.donate(storage_bytes=9 * MIB)
            assert len(by_lists) == 1
            assert segments(two) == 8
            assert one[file_id] != held(two)[file_id]
            pool = offices[0]._pool
            assert pool is not None
            (process,) = pool._processes.values()
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            # It holds more than it has room for: the lists do not know what it should keep, so the process is needed.
            full = [{"file_id": file_id, "runs": [0, 16]}]
            assert 2 <= segments(await third.donate(storage_bytes=4 * MIB, held=full)) <= 3
            write(tmp_path, "more.bin", b"x" * MIB)
            await first.send("donate", causes=[], storage_bytes=12 * MIB, up_bytes_per_s=1_000_000)
            assert segments(await first.hear("assign")) >= 9

    play(tmp_path, scene)


def test_a_join_during_a_round_stands_and_its_rows_are_not_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swarm_plans, "LARGE_FROM_DONORS", 1)
    monkeypatch.setattr(donor_desk, "LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(donor_desk, "PLAN_EVERY_S", 0.02)
    may_end, is_held, rounds = asyncio.Event(), asyncio.Event(), 0
    kept = Rounds(Policy())

    async def slow(self: PlanOffice, changes: Changes, policy: Policy, budget_s: float) -> Round:
        nonlocal rounds
        # Told before the second donor comes; the third round is made with what became of it.
        if rounds == 1:
            is_held.set()
            await may_end.wait()
        result = kept.round(changes, seed=1, is_over=lambda: False)
        rounds += 1
        return result

    monkeypatch.setattr(PlanOffice, "round", slow)
    files(tmp_path, 16)

    async def scene(served: Served) -> None:
        async with Peer.connect(served) as first, Peer.connect(served) as second, Peer.connect(served) as third:
            (one,) = held(await first.donate(storage_bytes=6 * MIB)).values()
            await is_held.wait()
            # The round is under way; the lists of the one before are there.
            (two,) = held(await second.donate(storage_bytes=6 * MIB)).values()
            assert rounds == 1
            may_end.set()
            (three,) = held(await third.donate(storage_bytes=6 * MIB)).values()
            given = [set(sets.from_wire(runs, 16)) for runs in (one, two, three)]
            indices = [{index for start, end in runs for index in range(start, end)} for runs in given]
            assert not indices[0] & indices[1]
            assert len(indices[0] | indices[1] | indices[2]) >= 15
            before = rounds
            await served.until(lambda: _soon(rounds >= before + 3))
            await second.send("donate", causes=[], storage_bytes=6 * MIB, up_bytes_per_s=1_000_000)
            again = await second.hear("assign")
            assert again["assignment"] == 2  # no round has spoken between
            assert held(again) == {next(iter(held(again))): two}

    play(tmp_path, scene)


def test_of_all_that_come_back_at_once_a_round_places_some_and_its_lists_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swarm_plans, "LARGE_FROM_DONORS", 1)
    monkeypatch.setattr(donor_desk, "LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(donor_desk, "JOINING_MAX", 2)
    waiting, all_wait, joining, by_lists = set[SessionId](), asyncio.Event(), list[int](), list[SessionId]()
    kept, join = Rounds(Policy()), SwarmPlans.join

    def seen(self: SwarmPlans, view: DonorView, now_us: int) -> Assignment | None:
        assignment = join(self, view, now_us)
        if assignment is not None:
            by_lists.append(view.session_id)
        else:
            waiting.add(view.session_id)
            if len(waiting) == 5:
                all_wait.set()
        return assignment

    async def slow(self: PlanOffice, changes: Changes, policy: Policy, budget_s: float) -> Round:
        joining.append(len(changes.joining))
        await all_wait.wait()
        return kept.round(changes, seed=1, is_over=lambda: False)

    monkeypatch.setattr(SwarmPlans, "join", seen)
    monkeypatch.setattr(PlanOffice, "round", slow)
    files(tmp_path, 16)

    async def scene(served: Served) -> None:
        async with contextlib.AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(Peer.connect(served)) for _ in range(5)]
            given = await asyncio.gather(*(peer.donate(storage_bytes=4 * MIB) for peer in peers))
            assert all(segments(assign) for assign in given)
        assert max(joining) <= 2
        assert len(set(by_lists)) >= 3

    play(tmp_path, scene)


def test_a_join_that_fails_is_left_to_the_next_round_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swarm_plans, "LARGE_FROM_DONORS", 1)
    monkeypatch.setattr(donor_desk, "LOOK_AGAIN_S", 0.01)
    failed: list[SessionId] = []

    def fails(self: JoinPlanner, donor: DonorView, now_us: int, *, is_guess: bool, is_known: bool) -> Assignment | None:
        failed.append(donor.session_id)
        raise ZeroDivisionError

    monkeypatch.setattr(JoinPlanner, "plan", fails)
    kept = Rounds(Policy())

    async def here(self: PlanOffice, changes: Changes, policy: Policy, budget_s: float) -> Round:
        return kept.round(changes, seed=1, is_over=lambda: False)

    monkeypatch.setattr(PlanOffice, "round", here)
    files(tmp_path, 16)

    async def scene(served: Served) -> None:
        async with Peer.connect(served) as first, Peer.connect(served) as second:
            assert segments(await first.donate(storage_bytes=6 * MIB)) > 0
            assert segments(await second.donate(storage_bytes=6 * MIB)) > 0
            assert len(failed) == 1

    play(tmp_path, scene)


class _Here(PlanOffice):
    """The planning process in this one."""

    def __init__(self) -> None:
        super().__init__(random.Random(1))
        self.rounds = Rounds(Policy())

    async def round(self, changes: Changes, policy: Policy, budget_s: float) -> Round:
        return self.rounds.round(changes, seed=1, is_over=lambda: False)

    async def explain(
        self, changes: Changes, policy: Policy, session_id: SessionId, *, limit: int
    ) -> Explanation | None:
        return self.rounds.explain(changes, session_id, seed=1, limit=limit)


def test_a_question_between_two_rounds_does_not_put_copies_on_the_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: dict[SessionId, bool] = {}
    plan = JoinPlanner.plan

    def seen(self: JoinPlanner, donor: DonorView, now_us: int, *, is_guess: bool, is_known: bool) -> Assignment | None:
        known[donor.session_id] = is_known
        return plan(self, donor, now_us, is_guess=is_guess, is_known=is_known)

    monkeypatch.setattr(JoinPlanner, "plan", seen)

    async def play_it() -> None:
        catalogue = open_catalogue(CoordinatorConfig(data_dir=str(tmp_path)))
        try:
            demand = DemandDesk(catalogue, clock_us=lambda: 10**15)
            swarm = SwarmPlans(office=_Here(), policy=Policy(), demand=demand, shapes=Shapes(catalogue))
            views: dict[SessionId, DonorView] = {}

            async def record(session_id: SessionId) -> tuple[Donor, DonorView] | None:
                view = views.get(session_id)
                return None if view is None else (_record(session_id), view)

            def comes(number: int) -> SessionId:
                session_id = SessionId(f"{number:032x}")
                views[session_id] = DonorView(
                    session_id=session_id, storage_bytes=9 * MIB, up_bytes_per_s=1, joined_at_us=0, holdings={}
                )
                swarm.note(session_id)
                return session_id

            first = comes(1)
            await swarm.round(10**9, here=views, seen=record, joining=frozenset())
            second = comes(2)
            told = await swarm.explain(second, 10**9, here=views, seen=record, joining=frozenset({second}), limit=10)
            assert told is not None
            for session_id in (first, second, second):
                swarm.join(views[session_id], 10**9)
                assert known[session_id] == (session_id == first or session_id in joined_before), session_id
                joined_before.add(session_id)
        finally:
            await catalogue.close()

    joined_before: set[SessionId] = set()
    asyncio.run(play_it())


class _Resting(PlanOffice):
    """One whose process has died again and again."""

    def __init__(self) -> None:
        super().__init__(random.Random(1))

    def check(self) -> None:
        raise PlannerLostError("rests")


def test_nobody_is_written_down_while_no_planning_process_may_begin(tmp_path: Path) -> None:
    async def play_it() -> None:
        catalogue = open_catalogue(CoordinatorConfig(data_dir=str(tmp_path)))
        try:
            demand = DemandDesk(catalogue, clock_us=lambda: 10**15)
            swarm = SwarmPlans(office=_Resting(), policy=Policy(), demand=demand, shapes=Shapes(catalogue))
            here, nobody = [SessionId("0" * 32)], frozenset[SessionId]()

            async def seen(_session_id: SessionId) -> tuple[Donor, DonorView] | None:
                raise AssertionError

            with pytest.raises(PlannerLostError):
                await swarm.round(0, here=here, seen=seen, joining=nobody)
            with pytest.raises(PlannerLostError):
                await swarm.explain(here[0], 0, here=here, seen=seen, joining=nobody, limit=1)
        finally:
            await catalogue.close()

    asyncio.run(play_it())


def _record(session_id: SessionId) -> Donor:
    return Donor(
        session_id=session_id,
        causes=frozenset(),
        storage_bytes=9 * MIB,
        up_bytes_per_s=1,
        takers_max=8,
        native=False,
        nat="unknown",
        region="",
        joined_at_us=0,
        ready=True,
    )


async def _soon(condition: bool) -> bool:
    return condition
