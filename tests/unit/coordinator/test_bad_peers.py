"""Bad peers with a whole coordinator: out of use after one proof, kept out after a habit, silent ones passed over."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from distribute_io.coordinator import match_desk
from distribute_io.core.standing import Standing
from tests.harness.peer import Peer
from tests.unit.coordinator.served import Served, files, play


def test_one_proof_puts_a_liar_out_of_use_for_everybody(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with (
            Peer.connect(served) as liar,
            Peer.connect(served) as honest,
            Peer.connect(served) as one,
            Peer.connect(served) as two,
        ):
            await liar.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            await one.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            match = await one.hear("match")
            await one.send("match_report", match_id=match["match_id"], outcome="open")
            await one.send("match_report", match_id=match["match_id"], outcome="lied", code="segment_mismatch")
            await one.send("ping")
            await one.hear("pong")
            await two.send("want", file_id=file_id, missing=[0, 4], peers_max=2)
            assert (await two.hear("unmatched"))["code"] == "no_donor"
            await honest.donate(held=[{"file_id": file_id, "runs": [1, 3]}])
            assert (await two.hear("match"))["runs"] == [1, 3]

    play(tmp_path, scene)


async def has_donors(served: Served, count: int) -> bool:
    return bool((await served.json("/api/v1/stats"))["donors"] == count)


@pytest.mark.parametrize(
    "way_out", ["closes the match", "closes it before it was open", "leaves", "closes it and leaves"]
)
def test_a_liar_that_goes_first_is_accused_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way_out: str
) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with AsyncExitStack() as stack, Peer.connect(served) as one:
            liar = await stack.enter_async_context(Peer.connect(served))
            await liar.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            await one.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            match_id = (await one.hear("match"))["match_id"]
            opened = {"match_id": match_id, "outcome": "open"}
            if way_out != "closes it before it was open":
                await one.send("match_report", **opened)
                await one.send("ping")
                await one.hear("pong")
            if way_out != "leaves":
                await liar.send("match_report", match_id=match_id, outcome="closed", code="peer_closed")
                await liar.send("ping")
                await liar.hear("pong")
            if "leaves" in way_out:
                await stack.aclose()
                await served.until(lambda: has_donors(served, 0))
            if way_out == "closes it before it was open":
                await one.send("match_report", **opened)
            accused: list[str] = []
            monkeypatch.setattr(Standing, "accuse", lambda _self, donor, **_: accused.append(donor))
            for _ in range(2):  # what was said once is not said again
                await one.send("match_report", match_id=match_id, outcome="lied", code="segment_mismatch")
                await one.send("ping")
                await one.hear("pong")
            assert len(accused) == 1

    play(tmp_path, scene)


def test_a_lie_in_a_match_that_never_opened_and_a_hasty_failure_put_nobody_out_of_use(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            for outcome, code in (("lied", "segment_mismatch"), ("failed", "no_channel"), ("failed", "no_channel")):
                async with Peer.connect(served) as hostile:
                    await hostile.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                    match = await hostile.hear("match")
                    await hostile.send("signal", match_id=match["match_id"], payload={"kind": "candidate"})
                    await hostile.send("match_report", match_id=match["match_id"], outcome=outcome, code=code)
                    await donor.hear("match_ended")

    play(tmp_path, scene)


def test_a_donor_that_said_nothing_to_a_failed_match_waits_until_it_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match_desk, "SILENCE_US", 0)
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as ghost, Peer.connect(served) as one, Peer.connect(served) as two:
            await ghost.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            await one.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            match = await one.hear("match")
            await one.send("signal", match_id=match["match_id"], payload={"kind": "offer", "sdp": "v=0"})
            await one.send("match_report", match_id=match["match_id"], outcome="failed", code="no_channel")
            await one.send("ping")
            await one.hear("pong")
            await two.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            assert (await two.hear("unmatched"))["code"] == "no_donor"
            await ghost.send("ping")
            await ghost.hear("pong")
            await two.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            assert (await two.hear("match"))["runs"] == [0, 4]

    play(tmp_path, scene)


def test_a_habit_of_breaking_the_protocol_is_kept_out(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        for _ in range(3):
            async with Peer.connect(served) as rude:
                await rude.socket.send_str("[]")
                assert (await rude.hear("error"))["code"] == "message_malformed"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with Peer.connect(served):
                pass
        assert refused.value.status == 429
        assert (await served.client.get(f"{served.url}/healthz")).status == 200

    play(tmp_path, scene, faults_per_address_max=3)


async def introduced(taker: Peer, file_id: str) -> str | None:
    """The match with one donor more; None when none is found."""
    await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
    while True:
        message = json.loads(await taker.socket.receive_str())
        if message["type"] in ("match", "unmatched"):
            match_id: str | None = message.get("match_id")
            return match_id


@pytest.mark.parametrize("networks", [1, 2])
def test_a_downloader_that_donors_of_two_networks_complain_of_finds_no_other(tmp_path: Path, networks: int) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with AsyncExitStack() as stack:
            taker = await stack.enter_async_context(Peer.connect(served, source="127.0.9.9"))
            for number in range(2):
                source = f"127.0.1.{min(number, networks - 1) + 1}"
                donor = await stack.enter_async_context(Peer.connect(served, source=source))
                await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
                match_id = await introduced(taker, file_id)
                assert match_id is not None
                await donor.hear("match")
                await donor.send("match_report", match_id=match_id, outcome="open")
                await donor.send("ping")
                await donor.hear("pong")
                # It goes first: that does not help it.
                await taker.send("match_report", match_id=match_id, outcome="closed", code="peer_closed")
                await taker.send("ping")
                await taker.hear("pong")
                await donor.send("match_report", match_id=match_id, outcome="closed", code="flood")
                await donor.send("ping")
                await donor.hear("pong")
                await donor.send("stop_donating")
            last = await stack.enter_async_context(Peer.connect(served, source="127.0.1.3"))
            await last.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            assert (await introduced(taker, file_id) is None) == (networks == 2)
            other = await stack.enter_async_context(Peer.connect(served, source="127.0.9.8"))
            assert await introduced(other, file_id) is not None

    play(tmp_path, scene)


def test_a_complaint_counts_only_of_a_match_that_was_open_and_for_what_breaks_the_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, 1)
    complained: list[str] = []
    monkeypatch.setattr(Standing, "complain", lambda _self, downloader, **_: complained.append(downloader))

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        for outcomes in (
            [("failed", "flood")],
            [("open", None), ("closed", "idle_timeout")],
            [("open", None), ("closed", "peer_closed")],
        ):
            async with Peer.connect(served) as donor, Peer.connect(served) as taker:
                await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
                match_id = await introduced(taker, file_id)
                for outcome, code in outcomes:
                    await donor.send("match_report", match_id=match_id, outcome=outcome, code=code)
                await donor.send("ping")
                await donor.hear("pong")
        assert complained == []

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("teller", "code"), [("taker", "unrequested_data"), ("donor", "flood"), ("taker", "peer_closed")]
)
def test_two_of_whom_one_broke_the_protocol_do_not_meet_again(tmp_path: Path, teller: str, code: str) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor, Peer.connect(served) as taker:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
            match_id = await introduced(taker, file_id)
            end = taker if teller == "taker" else donor
            for outcome in ("open", "closed"):
                await end.send("match_report", match_id=match_id, outcome=outcome, code=code)
            await end.send("ping")
            await end.hear("pong")
            assert (await introduced(taker, file_id) is None) == (code != "peer_closed")

    play(tmp_path, scene)
