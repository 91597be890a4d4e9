"""Donors with a whole coordinator: what they are assigned, what they tell, and what is taken from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from distribute_io.coordinator import donor_desk, session_side
from distribute_io.coordinator.app import open_catalogue
from distribute_io.coordinator.plan_office import PlanOffice
from distribute_io.core.placement import downlinks
from distribute_io.core.placement.model import Plan, Policy, Snapshot
from distribute_io.core.runs import Runs
from distribute_io.errors import RefusedError
from distribute_io.ids import SessionId
from distribute_io.stores.memory_state import MemoryState
from distribute_io.stores.state import FileShape
from tests.harness.peer import Json, Peer
from tests.unit.coordinator.served import MIB, Served, files, play, token, write


def held(assign: Json) -> dict[str, list[int]]:
    return {entry["file_id"]: entry["runs"] for entry in assign["files"]}


def segments(assign: Json) -> int:
    return sum(sum(runs[1::2]) for runs in held(assign).values())


def test_a_joining_donor_is_filled_up_to_its_limit(tmp_path: Path) -> None:
    files(tmp_path, 12, 12, 12)

    async def scene(served: Served) -> None:
        async with Peer.connect(served) as donor:
            assign = await donor.donate(storage_bytes=16 * MIB)
            assert 14 <= segments(assign) <= 15  # a little is left to the donor's own files
            assert len(held(assign)) >= 2

    play(tmp_path, scene)


def test_two_donors_share_what_is_there(tmp_path: Path) -> None:
    files(tmp_path, 16)

    async def scene(served: Served) -> None:
        async with Peer.connect(served) as first, Peer.connect(served) as second:
            (one,) = held(await first.donate(storage_bytes=9 * MIB)).values()
            (two,) = held(await second.donate(storage_bytes=9 * MIB)).values()
            assert sorted([one, two]) == [[0, 8], [8, 8]]

    play(tmp_path, scene)


def test_what_a_donor_holds_is_kept_and_a_smaller_limit_takes_effect_at_once(tmp_path: Path) -> None:
    files(tmp_path, 16)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor:
            mine = [{"file_id": file_id, "runs": [3, 5, 12, 2]}]
            assert held(await donor.donate(storage_bytes=8 * MIB, held=mine)) == {file_id: [3, 5, 12, 2]}
            await donor.send("donate", causes=[], storage_bytes=4 * MIB, up_bytes_per_s=1_000_000)
            smaller = await donor.hear("assign")
            assert smaller["assignment"] == 2
            assert 0 < segments(smaller) <= 3
            await donor.send("donate", causes=[], storage_bytes=16 * MIB, up_bytes_per_s=1_000_000)
            assert segments(await donor.hear("assign")) >= 14

    play(tmp_path, scene)


def test_a_donor_is_given_only_what_it_gives_to(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        async with Peer.connect(served) as donor:
            assert held(await donor.donate(causes=["another"])) == {}
            await donor.send("donate", causes=["main"], storage_bytes=16_000_000, up_bytes_per_s=1_000_000)
            assert segments(await donor.hear("assign")) == 4

    play(tmp_path, scene)


def test_a_new_file_reaches_donors_that_have_room(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        async with Peer.connect(served) as donor:
            assert len(held(await donor.donate())) == 1
            write(tmp_path, "more.bin", b"x" * MIB)
            assert len(held(await donor.hear("assign"))) == 2

    play(tmp_path, scene)


def test_what_is_taken_down_is_erased_by_those_who_are_here_and_those_who_come_back(tmp_path: Path) -> None:
    files(tmp_path, 1, 2)

    async def scene(served: Served) -> None:
        gone = await served.file_id("0.bin")
        async with Peer.connect(served) as donor:
            mine = [{"file_id": gone, "runs": [0, 4]}]
            await donor.donate(held=mine)
            headers = {"Authorization": f"Bearer {await token(served)}"}
            async with served.client.delete(f"{served.url}/api/v1/files/{gone}", headers=headers) as response:
                assert response.status == 204
            assert (await donor.hear("withdrawn"))["file_id"] == gone
            assert gone not in held(await donor.hear("assign"))
        async with Peer.connect(served) as late:
            await late.send("donate", causes=[], storage_bytes=16_000_000, up_bytes_per_s=1_000_000)
            await late.send("holdings", files=mine, complete=True)
            assert (await late.hear("withdrawn"))["file_id"] == gone
        assert (await served.json(f"/api/v1/files/{gone}"))["code"] == "taken_down"
        assert (await served.json(f"/files/0.bin?id={gone}"))["code"] == "taken_down"

    play(tmp_path, scene)


def test_holdings_that_make_no_sense_end_the_session(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        for runs in ([0, 5], [0], [2, 1, 0, 1]):
            async with Peer.connect(served) as donor:
                await donor.send("donate", causes=[], storage_bytes=1, up_bytes_per_s=1_000_000)
                await donor.send("holdings", files=[{"file_id": file_id, "runs": runs}], complete=True)
                error = json.loads(await donor.socket.receive_str())
                assert (error["code"], error["fatal"]) == ("message_malformed", True)
                assert (await donor.socket.receive()).data == 4400

    play(tmp_path, scene)


def test_runs_in_all_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(donor_desk, "RUNS_PER_DONOR_MAX", 2)
    files(tmp_path, 1, 1)

    async def scene(served: Served) -> None:
        first, second = await served.file_id("0.bin"), await served.file_id("1.bin")
        async with Peer.connect(served) as donor:
            await donor.send("donate", causes=[], storage_bytes=16_000_000, up_bytes_per_s=1_000_000)
            both = [{"file_id": first, "runs": [0, 1, 2, 1]}, {"file_id": second, "runs": [0, 1]}]
            await donor.send("holdings", files=both, complete=True)
            error = await donor.hear("error")
            assert (error["code"], error["fatal"], error["file_id"]) == ("full", False, second)
            # What is forgotten makes room again.
            await donor.send("holdings", files=[], complete=True)
            await donor.send("holdings", files=[{"file_id": second, "runs": [0, 1, 2, 1]}], complete=False)
            await donor.send("ping")
            await donor.hear("pong")
            assert (await served.json("/api/v1/stats"))["segments_held"] == 2

    play(tmp_path, scene)


def test_a_file_held_before_and_not_named_is_not_held(tmp_path: Path) -> None:
    files(tmp_path, 1, 1)

    async def scene(served: Served) -> None:
        first, second = await served.file_id("0.bin"), await served.file_id("1.bin")
        async with Peer.connect(served) as donor:
            both = [{"file_id": first, "runs": [0, 4]}, {"file_id": second, "runs": [0, 4]}]
            await donor.donate(held=both)
            await donor.send("donate", causes=[], storage_bytes=16_000_000, up_bytes_per_s=1_000_000)
            await donor.send("holdings", files=both[:1], complete=True)

            async def is_counted() -> bool:
                return bool((await served.json("/api/v1/stats"))["segments_held"] == 4)

            await served.until(is_counted)

    play(tmp_path, scene)


def test_stopping_forgets_the_donor(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            await donor.send("stop_donating")
            await donor.send("ping")
            await donor.hear("pong")
            stats = await served.json("/api/v1/stats")
            assert (stats["donors"], stats["segments_held"]) == (0, 0)

    play(tmp_path, scene)


def test_a_plan_that_fails_is_made_again_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, 1)
    failures = [RefusedError("internal", "The planning process died."), ZeroDivisionError()]
    planned = PlanOffice.plan

    async def plan(office: PlanOffice, snapshot: Snapshot, policy: Policy) -> Plan:
        if failures:
            raise failures.pop()
        return await planned(office, snapshot, policy)

    monkeypatch.setattr(PlanOffice, "plan", plan)
    monkeypatch.setattr(donor_desk, "RETRY_S", 0.01)

    async def scene(served: Served) -> None:
        async with Peer.connect(served) as donor:
            assert segments(await donor.donate()) == 4

    play(tmp_path, scene)
    assert not failures


def test_standing_donors_are_looked_at_again_when_one_has_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, 1)
    looks: list[int] = []
    planned = PlanOffice.plan

    async def plan(office: PlanOffice, snapshot: Snapshot, policy: Policy) -> Plan:
        if snapshot.standing is None:
            looks.append(len(snapshot.donors))
        return await planned(office, snapshot, policy)

    monkeypatch.setattr(PlanOffice, "plan", plan)
    monkeypatch.setattr(donor_desk, "LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(donor_desk, "PLAN_EVERY_S", 3_600.0)

    async def scene(served: Served) -> None:
        async with Peer.connect(served) as stays:
            await stays.donate()
            async with Peer.connect(served) as leaves:
                file_id = await served.file_id("0.bin")
                await leaves.donate(held=[{"file_id": file_id, "runs": [0, 2]}])

            async def looked_again() -> bool:
                return looks[-1:] == [1]

            await served.until(looked_again)

    play(tmp_path, scene)


def test_plans_reckon_with_the_causes_weights_as_they_are_now_and_with_fairness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, 1)
    seen: list[tuple[float, float]] = []
    planned = PlanOffice.plan

    async def plan(office: PlanOffice, snapshot: Snapshot, policy: Policy) -> Plan:
        seen.append((snapshot.files[0].weight, policy.fairness))
        return await planned(office, snapshot, policy)

    monkeypatch.setattr(PlanOffice, "plan", plan)
    monkeypatch.setattr(donor_desk, "LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(donor_desk, "PLAN_EVERY_S", 0.02)

    async def scene(served: Served) -> None:
        async with Peer.connect(served) as donor:
            await donor.donate()
            catalogue = open_catalogue(served.config)  # as `dio cause edit` does
            try:
                (cause,) = await catalogue.causes()
                await catalogue.put_cause(structs.replace(cause, weight=3.0), actor="cli", at_s=1)
            finally:
                await catalogue.close()

            async def weighs_more() -> bool:
                return seen[-1] == (3.0, 0.5)

            await served.until(weighs_more)

    play(tmp_path, scene, fairness_between_causes=0.5)
    assert seen[0] == (1.0, 0.5)


def test_plans_reckon_with_how_fast_downloads_go_and_with_what_far_bytes_are_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "0.bin", bytes(4 * MIB))
    seen: list[tuple[float, float]] = []
    planned = PlanOffice.plan

    async def plan(office: PlanOffice, snapshot: Snapshot, policy: Policy) -> Plan:
        seen.append((snapshot.down_bytes_per_s, policy.far_weight))
        return await planned(office, snapshot, policy)

    monkeypatch.setattr(PlanOffice, "plan", plan)
    monkeypatch.setattr(donor_desk, "LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(donor_desk, "PLAN_EVERY_S", 0.02)
    monkeypatch.setattr(downlinks, "FIRST", 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor, Peer.connect(served) as downloader:
            await donor.donate()
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=0)
            await downloader.send("usage", file_id=file_id, mirror_bytes=3 * MIB, donor_bytes=MIB)

            async def learned() -> bool:
                return seen[-1][0] != downlinks.FIRST_BYTES_PER_S

            await served.until(learned)

    play(tmp_path, scene, far_byte_weight=0.6)
    assert seen[0] == (downlinks.FIRST_BYTES_PER_S, 0.6)


def test_a_lease_is_renewed_at_half_of_its_time_while_the_donor_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, 1)
    later_us, monotonic_us = 0, session_side.monotonic_us
    monkeypatch.setattr(session_side, "monotonic_us", lambda: monotonic_us() + later_us)
    monkeypatch.setattr(donor_desk, "PLAN_EVERY_S", 3_600.0)
    leases: list[tuple[int, int]] = []
    put_lease = MemoryState.put_lease

    async def noted(
        state: MemoryState, session_id: SessionId, leased: Sequence[tuple[FileShape, Runs]], expires_at_us: int
    ) -> None:
        leases.append((session_side.monotonic_us(), expires_at_us))
        await put_lease(state, session_id, leased, expires_at_us)

    monkeypatch.setattr(MemoryState, "put_lease", noted)

    async def scene(served: Served) -> None:
        nonlocal later_us
        async with Peer.connect(served) as donor:
            first = await donor.donate()
            later_us = 30_000_001
            again = await donor.hear("assign")
            assert (again["assignment"], again["lease_ms"]) == (2, 60_000)
            assert held(again) == held(first)

    play(tmp_path, scene, lease_ms=60_000)
    (begun_us, ends_us), (renewed_us, ends_again_us) = leases
    assert begun_us + 30_000_000 < renewed_us < ends_us
    assert ends_again_us == pytest.approx(renewed_us + 60_000_000, abs=1_000_000)
