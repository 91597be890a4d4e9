"""Where plans are made: small ones here, large ones in another process, whose death is harmless."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from distribute_io.coordinator import plan_office, plan_process
from distribute_io.coordinator.plan_office import Health, PlannerLostError, PlanOffice, rest_s, work_of
from distribute_io.coordinator.plan_process import make_plan
from distribute_io.core.placement.model import DonorView, Expectation, FileView, Plan, Policy, RegionRates, Snapshot
from distribute_io.core.placement.rounds import Changes, encode_files, parts_of, put_together
from distribute_io.core.placement.rows import Rows
from distribute_io.core.placement.stays import Stays
from distribute_io.core.placement.stock import KnownDonor, encode_donor
from distribute_io.errors import RefusedError
from distribute_io.ids import CauseId, FileId, SessionId

MIB = 1 << 20


def a_snapshot(donors: int, *, segments: int = 8, joining: int = 1, storage_bytes: int = 4 * MIB) -> Snapshot:
    return Snapshot(
        now_us=0,
        donors=[
            DonorView(
                session_id=SessionId(f"{place:032x}"),
                storage_bytes=storage_bytes,
                up_bytes_per_s=1_000_000,
                joined_at_us=0,
                holdings={},
            )
            for place in range(donors)
        ],
        files=[
            FileView(
                file_id=FileId("a"),
                cause=CauseId("main"),
                segments=segments,
                size_bytes=segments * MIB,
                segment_size_bytes=MIB,
            )
        ],
        demand=[Expectation(file_id=FileId("a"), rates=[RegionRates("", 0.1)])],
        joining=frozenset(SessionId(f"{place:032x}") for place in range(joining)),
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


@pytest.mark.parametrize(
    ("snapshot", "inline"),
    [
        (a_snapshot(4, joining=4, segments=200, storage_bytes=64 * MIB), True),  # 3 ms
        (a_snapshot(300), True),  # 4 ms
        (a_snapshot(1_000), False),
        (a_snapshot(90, joining=90, segments=200, storage_bytes=64 * MIB), False),
        (a_snapshot(1, segments=250, storage_bytes=1 << 40), True),
        (structs.replace(a_snapshot(4, segments=250, storage_bytes=1 << 40), now_us=10**9, joining=frozenset()), True),
        (
            structs.replace(
                a_snapshot(20, segments=250, storage_bytes=1 << 40), now_us=10**9, joining=frozenset(), standing=None
            ),
            False,  # each of them picks 250 rows
        ),
    ],
)
def test_only_what_takes_a_few_milliseconds_is_planned_in_the_loop(snapshot: Snapshot, inline: bool) -> None:
    assert (work_of(snapshot, Policy()) <= plan_office.INLINE_WORK_MAX_US) == inline


def test_who_holds_all_that_there_is_costs_little() -> None:
    old = structs.replace(a_snapshot(20, segments=250, storage_bytes=1 << 40), now_us=10**9, standing=None)
    full = [structs.replace(donor, holdings={FileId("a"): ((0, 250),)}) for donor in old.donors]
    assert work_of(structs.replace(old, donors=full), Policy()) <= plan_office.INLINE_WORK_MAX_US


def test_a_large_plan_comes_from_another_process_and_its_death_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = a_snapshot(3)
    expected = make_plan(snapshot, Policy(), 5).assignments
    monkeypatch.setattr(plan_office, "INLINE_WORK_MAX_US", 0)

    async def play(office: PlanOffice) -> None:
        assert (await office.plan(snapshot, Policy())).assignments == expected
        assert office._pool is not None
        (process,) = office._pool._processes.values()
        assert process.pid not in (None, os.getpid())
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        # Two wait for it, and both hear of it, unless the death was noticed before.
        both = await asyncio.gather(*(office.plan(snapshot, Policy()) for _ in range(2)), return_exceptions=True)
        for each in both:
            assert isinstance(each, Plan | RefusedError), each
        assert (await office.plan(snapshot, Policy())).assignments == expected

    scene(play)


def test_what_keeps_dying_is_begun_again_later_and_later_with_one_warning_each(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = 1_000.0
    snapshot = a_snapshot(3)
    monkeypatch.setattr(plan_office, "INLINE_WORK_MAX_US", 0)

    async def play() -> None:
        nonlocal now_s
        office = PlanOffice(random.Random(1), lambda: now_s)
        try:
            for lost, rests_s in ((1, 0.0), (2, 5.0), (3, 10.0)):
                assert office.health.rests_s == 0.0
                with pytest.raises(PlannerLostError, match="died"):
                    await office._elsewhere(_die)
                assert office.health == Health(lost_in_a_row=lost, rests_s=rests_s)
                now_s += rests_s / 2
                if rests_s:
                    for _ in range(3):
                        with pytest.raises(PlannerLostError, match="again and again"):
                            await office.plan(snapshot, Policy())
                    with pytest.raises(PlannerLostError):
                        office.check()
                now_s += rests_s / 2
            assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
            await office.plan(snapshot, Policy())
            assert office.health == Health(lost_in_a_row=0, rests_s=0.0)
        finally:
            office.close()

    asyncio.run(play())


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_rest_doubles_up_to_its_bound() -> None:
    assert [rest_s(lost) for lost in (0, 1, 2, 3, 8, 9, 10**9)] == [0.0, 0.0, 5.0, 10.0, 300.0, 300.0, 300.0]


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = a_snapshot(3)
    monkeypatch.setattr(plan_office, "INLINE_WORK_MAX_US", 0)

    async def play(office: PlanOffice) -> None:
        expected = await office.plan(snapshot, Policy())
        assert office._pool is not None
        (process,) = office._pool._processes.values()
        os.kill(process.pid or 0, signal.SIGSTOP)
        monkeypatch.setattr(plan_office, "PATIENCE_S", 0.05)
        with pytest.raises(RefusedError, match="hung"):
            await office.plan(snapshot, Policy())
        await asyncio.to_thread(process.join)
        monkeypatch.setattr(plan_office, "PATIENCE_S", 60.0)
        assert await office.plan(snapshot, Policy()) == expected

    scene(play)


def test_a_process_that_was_told_nothing_says_so_and_lives() -> None:
    changes = Changes(now_us=0, whole=False, stays=Stays().state())

    async def play(office: PlanOffice) -> None:
        with pytest.raises(RefusedError, match="knows nothing"):
            await office.round(changes, Policy(), 1.0)
        result = await office.round(structs.replace(changes, whole=True, files=[]), Policy(), 1.0)
        assert result.assignments == ()
        assert await office.peak_memory_bytes() > 1_000_000

    scene(play)


def test_a_swarm_is_told_in_parts_and_a_process_that_missed_some_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_office, "_PART_BYTES", 1)
    snapshot = a_snapshot(5)
    donors = [encode_donor(KnownDonor(donor, "browser")) for donor in snapshot.donors]
    whole = Changes(now_us=0, whole=True, donors=donors, files=[encode_files(snapshot.files)], stays=Stays().state())

    async def play(office: PlanOffice) -> None:
        result = await office.round(whole, Policy(), 1.0)
        assert (result.donors, result.lists.rows) == (5, Rows(snapshot.files, Policy()).count)
        gone = [snapshot.donors[0].session_id]
        later = Changes(now_us=0, whole=False, donors=donors[1:3], gone=gone, stays=Stays().state())
        assert (await office.round(later, Policy(), 1.0)).donors == 4
        elsewhere, parts = PlanOffice._elsewhere, [0]

        async def one_dies(self: PlanOffice, make: Any, *given: Any) -> Any:  # Any: whatever is called there
            parts[0] += 1
            if parts[0] == 2 and office._pool is not None:
                (process,) = office._pool._processes.values()
                os.kill(process.pid or 0, signal.SIGKILL)
                process.join()
            return await elsewhere(self, make, *given)

        monkeypatch.setattr(PlanOffice, "_elsewhere", one_dies)
        with pytest.raises(RefusedError, match="died"):
            await office.round(whole, Policy(), 1.0)
        monkeypatch.setattr(PlanOffice, "_elsewhere", elsewhere)
        with pytest.raises(RefusedError, match="not heard the beginning"):
            await office._elsewhere(plan_process.take_part, b"", 3)
        assert (await office.round(whole, Policy(), 1.0)).donors == 5

    scene(play)


@given(st.lists(st.binary(max_size=4), max_size=8), st.lists(st.binary(max_size=4), max_size=8) | st.none())
def test_parts_are_the_whole_again(donors: list[bytes], files: list[bytes] | None) -> None:
    changes = Changes(
        now_us=7,
        whole=True,
        donors=donors,
        gone=[SessionId("x")],
        files=files,
        demand=donors[::-1],
        stays=Stays().state(),
        joining=frozenset({SessionId("y")}),
    )
    parts = list(parts_of(changes, 5))
    assert put_together(parts) == changes
    for part in parts:
        some = (part.donors, part.files or (), part.demand)
        assert sum(map(bool, some)) <= 1
        assert sum(len(data) for each in some for data in each) < 5 + 4
