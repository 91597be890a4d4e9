"""Where plans are made: small ones here, large ones in another process, whose death is harmless."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable

import pytest

from distribute_io.coordinator import plan_office
from distribute_io.coordinator.plan_office import PlanOffice, make_plan, work_of
from distribute_io.core.placement.model import DonorView, Expectation, FileView, Policy, RegionRates, Snapshot
from distribute_io.ids import CauseId, FileId, SessionId

MIB = 1 << 20


def a_snapshot(donors: int) -> Snapshot:
    return Snapshot(
        now_us=0,
        donors=[
            DonorView(
                session_id=SessionId(f"{place:032x}"),
                storage_bytes=4 * MIB,
                up_bytes_per_s=1_000_000,
                joined_at_us=0,
                holdings={},
            )
            for place in range(donors)
        ],
        files=[
            FileView(file_id=FileId("a"), cause=CauseId("main"), segments=8, size_bytes=8 * MIB, segment_size_bytes=MIB)
        ],
        demand=[Expectation(file_id=FileId("a"), rates=[RegionRates("", 0.1)])],
        joining=frozenset({SessionId(f"{0:032x}")}),
        standing=frozenset(),
    )


def scene(play: Callable[[PlanOffice], Awaitable[None]]) -> None:
    async def run() -> None:
        office = PlanOffice(random.Random(1))
        try:
            await play(office)
        finally:
            office.close()

    asyncio.run(run())


def test_what_two_hundred_donors_hold_is_as_much_as_one_turn_of_the_loop_may_take() -> None:
    assert work_of(a_snapshot(150), Policy()) <= plan_office.INLINE_WORK_MAX < work_of(a_snapshot(250), Policy())


def test_a_large_plan_comes_from_another_process_and_its_death_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = a_snapshot(3)
    expected = make_plan(snapshot, Policy(), 5).assignments
    monkeypatch.setattr(plan_office, "INLINE_WORK_MAX", 0)

    async def play(office: PlanOffice) -> None:
        assert (await office.plan(snapshot, Policy())).assignments == expected
        assert office._pool is not None
        (process,) = office._pool._processes.values()
        assert process.pid not in (None, os.getpid())
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        lost = await office.plan(snapshot, Policy())
        again = lost if lost.assignments else await office.plan(snapshot, Policy())
        assert again.assignments == expected

    scene(play)
