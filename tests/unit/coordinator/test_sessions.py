"""Sessions with a whole coordinator: donors, downloaders, introductions, receipts, and what breaks the protocol."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from distribute_io.coordinator import sessions
from distribute_io.coordinator.demand_desk import DemandDesk
from distribute_io.coordinator.session import Session
from distribute_io.coordinator.tallies import Tallies
from distribute_io.errors import StoreError
from distribute_io.wire import limits
from tests.harness.peer import Peer
from tests.unit.coordinator.served import MIB, Served, coordinator, files, play, write


def test_a_downloader_is_introduced_to_holders_and_both_get_what_their_role_needs(tmp_path: Path) -> None:
    files(tmp_path, 4)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor, Peer.connect(served, native=True) as native:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 2]}])
            await native.donate(held=[{"file_id": file_id, "runs": [2, 2]}])
            async with Peer.connect(served) as downloader:
                offers = [{"offer_id": "a", "sdp": "v=0 first"}]
                await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=2, offers=offers)
                matches = [await downloader.hear("match") for _ in range(2)]
                assert sorted(match["runs"] for match in matches) == [[0, 2], [2, 2]]
                assert all(match["bytes_max"] == 2 * MIB and match["receipt_secret"] for match in matches)
                assert sorted((match["offer_id"] or "", match["make_offer"]) for match in matches) == [
                    ("", True),
                    ("a", False),
                ]
                told = [await donor.hear("match"), await native.hear("match")]
                assert {match["offer"] for match in told} == {"v=0 first", None}
                assert all(match["receipt_secret"] is None and not match["make_offer"] for match in told)
                secrets = {match["match_id"]: match["ticket"]["secret"] for match in matches}
                assert {match["match_id"]: match["ticket"]["secret"] for match in told} == secrets

    play(tmp_path, scene)


def test_only_between_a_native_downloader_and_a_browser_the_donor_offers(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor, Peer.connect(served, native=True) as downloader:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            offers = [{"offer_id": "a", "sdp": "v=0"}]
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1, offers=offers)
            assert not (await downloader.hear("match"))["make_offer"]
            told = await donor.hear("match")
            assert (told["make_offer"], told["offer"]) == (True, None)

    play(tmp_path, scene)


def test_signals_are_relayed_unchanged_and_only_inside_the_match(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor, Peer.connect(served) as downloader, Peer.connect(served) as other:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            match_id = (await downloader.hear("match"))["match_id"]
            await donor.hear("match")
            odd = f'{{"type":"signal","match_id":"{match_id}","payload":{{"kind":"answer",  "sdp":"\\u00fc"}}}}'
            await donor.socket.send_str(odd)
            assert await downloader.socket.receive_str() == odd
            await other.send("signal", match_id=match_id, payload={"kind": "answer", "sdp": ""})
            error = json.loads(await other.socket.receive_str())
            assert (error["code"], error["fatal"]) == ("match_unknown", False)
            big = {"kind": "candidate", "candidate": "x" * limits.SIGNAL_BYTES_MAX}
            await downloader.send("signal", match_id=match_id, payload=big)
            error = json.loads(await downloader.socket.receive_str())
            assert (error["code"], error["fatal"]) == ("message_too_large", False)
            for _ in range(limits.SIGNALS_PER_MATCH_MAX + 1):
                await downloader.send("signal", match_id=match_id, payload={"kind": "candidate", "candidate": ""})
            error = json.loads(await downloader.socket.receive_str())
            assert (error["code"], error["fatal"]) == ("flood", False)

    play(tmp_path, scene)


def test_a_want_waits_for_a_donor(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as downloader, Peer.connect(served) as donor:
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=2)
            assert (await downloader.hear("unmatched"))["code"] == "no_donor"
            await downloader.send("want", file_id="0" * 64, missing=[], peers_max=1)
            assert (await downloader.hear("unmatched"))["code"] == "unknown_file"
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            assert (await downloader.hear("match"))["runs"] == [0, 4]

    play(tmp_path, scene)


def test_nobody_is_introduced_to_itself_or_twice_or_beyond_a_donors_limit(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor, Peer.connect(served) as one, Peer.connect(served) as two:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}], takers_max=1)
            await donor.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            assert (await donor.hear("unmatched"))["code"] == "no_donor"
            await one.send("want", file_id=file_id, missing=[0, 4], peers_max=3)
            await one.hear("match")
            await one.send("want", file_id=file_id, missing=[0, 4], peers_max=3)
            assert (await one.hear("unmatched"))["code"] == "no_donor"
            await two.send("want", file_id=file_id, missing=[0, 4], peers_max=3)
            assert (await two.hear("unmatched"))["code"] == "full"

    play(tmp_path, scene)


def test_a_page_that_shares_is_not_introduced_to_itself(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        page, other_page = "a" * 32, "b" * 32
        async with Peer.connect(served, page=page) as sharer, Peer.connect(served, page=page) as downloader:
            await sharer.send("donate", causes=[], storage_bytes=0, up_bytes_per_s=1_000_000)
            await sharer.send("holdings", files=[{"file_id": file_id, "runs": [0, 4]}], complete=True)
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            assert (await downloader.hear("unmatched"))["code"] == "no_donor"
            async with Peer.connect(served, page=other_page) as other:
                await other.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                assert (await other.hear("match"))["runs"] == [0, 4]
            await sharer.send("ping")
            kinds = [json.loads(await sharer.socket.receive_str())["type"] for _ in range(2)]
            assert "assign" not in kinds  # it gives what it has, and is asked to hold nothing

    play(tmp_path, scene)


def test_a_pending_match_ends_with_its_other_end_and_an_open_one_goes_on(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            async with Peer.connect(served) as pending:
                await pending.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                match_id = (await pending.hear("match"))["match_id"]
            ended = await donor.hear("match_ended")
            assert (ended["match_id"], ended["code"]) == (match_id, "peer_closed")
            async with Peer.connect(served) as opened:
                await opened.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                match = await opened.hear("match")
                await opened.send("match_report", match_id=match["match_id"], outcome="open")
                await opened.send("ping")
                await opened.hear("pong")
            # The receipt of a transfer is taken although the downloader's session is over.
            await donor.receipt(match, 1_000)
            assert await donor.hear("credited") == {
                "type": "credited",
                "bytes_total": 1_000,
                "downloaders": 1,
                "countries": [{"country": "", "bytes": 1_000, "people": 1}],
            }

    play(tmp_path, scene)


def test_a_liar_is_not_introduced_again_to_who_caught_it(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as liar, Peer.connect(served) as downloader:
            await liar.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            match = await downloader.hear("match")
            await downloader.send("match_report", match_id=match["match_id"], outcome="lied", code="segment_mismatch")
            assert (await liar.hear("match_ended"))["code"] == "segment_mismatch"
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            assert (await downloader.hear("unmatched"))["code"] == "no_donor"

    play(tmp_path, scene)


def test_silent_sessions_are_closed_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HELLO_TIMEOUT_MS", 0)
    monkeypatch.setattr(limits, "IDLE_TIMEOUT_MS", 0)

    async def scene(served: Served) -> None:
        for hello, code in ((False, "hello_timeout"), (True, "idle_timeout")):
            async with Peer.connect(served, hello=hello) as silent:
                error = json.loads(await silent.socket.receive_str())
                assert (error["code"], error["fatal"]) == (code, True)
                closing = await silent.socket.receive()
                assert (closing.data, closing.extra) == (4408, code)

    play(tmp_path, scene)


def test_sessions_are_bounded_in_all_and_for_one_network(tmp_path: Path) -> None:
    async def scene(served: Served) -> None:
        async with Peer.connect(served):
            assert (await served.json("/api/v1/ws"))["code"] == "bad_request"
            async with served.client.get(served.url + "/api/v1/ws", headers=UPGRADE) as response:
                assert (response.status, json.loads(await response.read())["code"]) == expected

    expected = (429, "rate_limited")
    play(tmp_path, scene, sessions_per_address_max=1)
    expected = (503, "full")
    play(tmp_path, scene, sessions_max=1)


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
}


def test_the_end_of_the_coordinator_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        async with coordinator(tmp_path) as served:
            socket = await served.client.ws_connect(served.url + "/api/v1/ws")
            served.stop()
            error = json.loads(await socket.receive_str())
            assert (error["code"], error["fatal"]) == ("shutting_down", True)
            assert (await socket.receive()).data == 1001
            await socket.close()

    asyncio.run(run())


def test_what_is_no_longer_wanted_is_not_offered(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as downloader, Peer.connect(served) as donor:
            offers = [{"offer_id": "a", "sdp": "v=0"}]
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1, offers=offers)
            await downloader.hear("unmatched")
            await downloader.send("unwant", file_id=file_id)
            await downloader.send("ping")
            await downloader.hear("pong")
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            # One match only, and the offer of the first want is void.
            assert (await downloader.hear("match"))["make_offer"]

    play(tmp_path, scene)


def test_two_restricted_ends_are_not_introduced(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor, Peer.connect(served, nat="restricted") as downloader:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            await donor.send("nat", nat="restricted")
            await donor.send("ping")
            await donor.hear("pong")
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            assert (await downloader.hear("unmatched"))["code"] == "no_donor"
            await downloader.send("nat", nat="unrestricted")
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            await downloader.hear("match")

    play(tmp_path, scene)


def test_a_session_wants_a_bounded_number_of_files(tmp_path: Path) -> None:
    for number in range(limits.WANTS_PER_SESSION_MAX + 1):
        write(tmp_path, f"{number}.txt", str(number).encode())

    async def scene(served: Served) -> None:
        known = (await served.json("/api/v1/files"))["files"]
        async with Peer.connect(served) as downloader:
            for file in known[:-1]:
                await downloader.send("want", file_id=file["file_id"], missing=[0, 1], peers_max=1)
                await downloader.hear("unmatched")
            await downloader.send("want", file_id=known[-1]["file_id"], missing=[0, 1], peers_max=1)
            error = json.loads(await downloader.socket.receive_str())
            assert (error["code"], error["fatal"], error["file_id"]) == ("full", False, known[-1]["file_id"])

    play(tmp_path, scene)


def test_figures_of_an_unknown_file_are_refused_and_the_session_goes_on(tmp_path: Path) -> None:
    async def scene(served: Served) -> None:
        async with Peer.connect(served) as downloader:
            await downloader.send("usage", file_id="0" * 64, mirror_bytes=1, donor_bytes=0)
            error = json.loads(await downloader.socket.receive_str())
            assert (error["code"], error["fatal"]) == ("unknown_file", False)
            await downloader.send("ping")
            await downloader.hear("pong")

    play(tmp_path, scene)


def test_a_donor_that_nobody_reaches_is_kept_for_those_who_may_reach_it(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served, nat="unrestricted") as donor:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            for _ in range(3):
                async with Peer.connect(served, nat="unrestricted") as downloader:
                    await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                    match_id = (await downloader.hear("match"))["match_id"]
                    await donor.hear("match")
                    await donor.send("match_report", match_id=match_id, outcome="failed", code="no_channel")
                    await downloader.hear("match_ended")
            async with Peer.connect(served, nat="restricted") as restricted:
                await restricted.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                assert (await restricted.hear("unmatched"))["code"] == "no_donor"
            async with Peer.connect(served, nat="unrestricted") as downloader:
                await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                await downloader.hear("match")

    play(tmp_path, scene)


def test_a_stay_is_counted_once_and_not_as_an_end_where_the_coordinator_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, 1)
    stays: list[bool] = []
    monkeypatch.setattr(DemandDesk, "stayed", lambda _desk, *, native, stay_s, left: stays.append(left))

    async def scene(served: Served) -> None:
        async with Peer.connect(served) as sharing:
            await sharing.send("donate", causes=[], storage_bytes=0, up_bytes_per_s=1_000_000)
            await sharing.send("holdings", files=[], complete=True)
            await sharing.send("stop_donating")
            await sharing.send("ping")
            await sharing.hear("pong")
        async with Peer.connect(served) as donor:
            for _ in range(2):
                await donor.donate()
                await donor.send("stop_donating")
                await donor.send("ping")
                await donor.hear("pong")
        assert stays == [True]
        async with Peer.connect(served) as donor:
            await donor.donate()
            served.stop()
            await donor.socket.receive()  # an error
            await donor.socket.receive()  # the end

    play(tmp_path, scene)
    assert stays == [True, False]


def test_a_catalogue_that_fails_to_tell_a_sum_holds_nothing_else_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, 1)
    failures = 0

    async def tell(_tallies: Tallies, _session: Session, _now_us: int) -> None:
        nonlocal failures
        failures += 1
        raise StoreError("catalogue_failed", "The disk is full.")

    async def name(_tallies: Tallies, session: Session, _secret: bytes, _now_us: int) -> None:
        session.tally_is_news = True

    monkeypatch.setattr(Tallies, "named", name)
    monkeypatch.setattr(Tallies, "tell_news", tell)
    monkeypatch.setattr(limits, "HELLO_TIMEOUT_MS", 1_500)

    async def scene(served: Served) -> None:
        async with Peer.connect(served) as donor, Peer.connect(served, hello=False) as mute:
            await donor.send("tally", secret="ab" * 16)
            assert json.loads(await mute.socket.receive_str())["code"] == "hello_timeout"

    play(tmp_path, scene)
    assert failures > 1


def test_a_look_at_many_sessions_lets_others_have_their_turn_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, 1)
    turn = 0
    looks: list[int] = []

    async def count_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def all_looked_at() -> bool:
        return len(looks) >= 7

    async def scene(served: Served) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(7):
                await stack.enter_async_context(Peer.connect(served))
            monkeypatch.setattr(sessions, "LOOK_AT_ONCE", 2)
            monkeypatch.setattr(Session, "overdue", lambda _self, _now_us: looks.append(turn))
            counting = asyncio.ensure_future(count_turns())
            await served.until(all_looked_at)
            counting.cancel()
        assert max(Counter(looks).values()) <= 2

    play(tmp_path, scene)
