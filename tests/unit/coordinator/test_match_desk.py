"""What downloaders tell of their introductions, and what the desk makes of it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from distribute_io.coordinator import demand_desk, match_desk
from distribute_io.core.demand.book import KNOWN_AFTER
from distribute_io.core.reach import MISSES_MIN
from distribute_io.errors import CODES
from tests.harness.peer import Peer
from tests.unit.coordinator.served import MIB, Served, files, play

_COUNTRIES = "127.1.0.0/16,EU/DE\n127.2.0.0/16,NA/US\n127.3.0.0/16,AS/JP\n"


def test_measured_round_trips_order_donors_that_are_equally_far(tmp_path: Path) -> None:
    files(tmp_path, 1)
    table = tmp_path / "regions.csv"
    table.write_text(_COUNTRIES)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with AsyncExitStack() as stack:
            slow = await stack.enter_async_context(Peer.connect(served, source="127.2.0.1"))
            fast = await stack.enter_async_context(Peer.connect(served, source="127.3.0.1"))
            for donor in (slow, fast):
                await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}], takers_max=16)
            for number in range(3):  # three sessions: one alone is not believed
                taker = await stack.enter_async_context(Peer.connect(served, source=f"127.1.0.{number + 1}"))
                await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=2)
                of_slow = (await slow.hear("match"))["match_id"]
                await fast.hear("match")
                for match in (await taker.hear("match"), await taker.hear("match")):
                    took_ms = 250 if match["match_id"] == of_slow else 60
                    await taker.send("match_report", match_id=match["match_id"], outcome="open", round_trip_ms=took_ms)
                await taker.send("ping")
                await taker.hear("pong")
            for number in range(4):
                taker = await stack.enter_async_context(Peer.connect(served, source=f"127.1.1.{number + 1}"))
                await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                assert (await taker.hear("match"))["match_id"] == (await fast.hear("match"))["match_id"]

    play(tmp_path, scene, region_table=str(table))


@pytest.mark.parametrize("lost", [0, 1])
def test_what_fell_through_to_mirrors_is_worth_more_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    monkeypatch.setattr(demand_desk, "EXPECTED_FOR_US_MAX", 0)  # the few milliseconds of two files
    files(tmp_path, 4, 4)

    async def scene(served: Served) -> None:
        file_ids = [await served.file_id("0.bin"), await served.file_id("1.bin")]
        async with AsyncExitStack() as stack:
            for _ in range(KNOWN_AFTER):  # as often both of them, and nobody has any of either
                taker = await stack.enter_async_context(Peer.connect(served))
                for file_id in file_ids:
                    await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                    await taker.hear("unmatched")
                await taker.send("usage", file_id=file_ids[lost], mirror_bytes=4 * MIB, donor_bytes=0)
                await taker.send("ping")
                await taker.hear("pong")
            donor = await stack.enter_async_context(Peer.connect(served))
            target = await donor.donate(storage_bytes=9 * MIB)
            assert [file["file_id"] for file in target["files"]] == [file_ids[lost], file_ids[1 - lost]]

    play(tmp_path, scene)


def test_donors_that_never_say_a_word_tell_nothing_of_a_downloaders_network(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with AsyncExitStack() as stack:
            for _ in range(MISSES_MIN):
                silent = await stack.enter_async_context(Peer.connect(served))
                await silent.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            taker = await stack.enter_async_context(Peer.connect(served, nat="unrestricted"))
            for _ in range(MISSES_MIN):
                await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                match_id = (await taker.hear("match"))["match_id"]
                await taker.send("match_report", match_id=match_id, outcome="failed", code="no_channel")
            donor = await stack.enter_async_context(Peer.connect(served, nat="restricted"))
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            assert (await taker.hear("match"))["match_id"] == (await donor.hear("match"))["match_id"]

    play(tmp_path, scene)


@pytest.mark.parametrize(("code", "again"), [("not_held", False), ("over_budget", False), ("busy", True)])
def test_donor_that_refused_for_good_is_not_introduced_again(tmp_path: Path, code: str, again: bool) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with AsyncExitStack() as stack:
            donor = await stack.enter_async_context(Peer.connect(served))
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            taker = await stack.enter_async_context(Peer.connect(served))
            await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            match_id = (await donor.hear("match"))["match_id"]
            await donor.send("match_report", match_id=match_id, outcome="failed", code=code)
            await taker.hear("match_ended")
            await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            await taker.hear("match" if again else "unmatched")

    play(tmp_path, scene)


def test_each_protocol_code_is_a_breach_or_may_be_chance() -> None:
    of_sessions = {"message_malformed", "message_too_large", "message_unexpected", "message_unknown", "match_unknown"}
    chance = {"hello_timeout", "idle_timeout", "protocol_version", "slow_reader"}
    tickets = {"ticket_expired", "ticket_unknown", "ticket_used"}
    assert match_desk.BREACHES | of_sessions | chance | tickets == set(CODES["protocol"])
    assert not match_desk.BREACHES & (of_sessions | chance | tickets)
