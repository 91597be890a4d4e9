"""The operator's questions: who is here, why does a donor hold this, whom would a downloader be introduced to."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import get_args

import pytest

from distribute_io.cli import inspect
from distribute_io.cli.inspect import _REJECTIONS, _VERDICTS
from distribute_io.cli.main import main
from distribute_io.coordinator import candidates, donor_desk, swarm_plans
from distribute_io.core.matching import ExclusionReason
from distribute_io.core.placement.model import RejectionReason
from tests.harness.peer import Json, Peer
from tests.unit.coordinator.served import Served, files, play, token

CHOSEN_OR_NOT = {"chosen", "not_needed", "not_asked", "kept_out", "downloader_kept_out", "avoided"}


async def ask(served: Served, text: str, **query: str) -> Json:
    headers = {"Authorization": f"Bearer {text}"}
    async with served.client.get(f"{served.url}/api/v1/inspect", params=query, headers=headers) as response:
        return {"status": response.status, "answer": await response.json(content_type=None)}


@pytest.mark.parametrize("large_from_donors", [swarm_plans.LARGE_FROM_DONORS, 1])
def test_a_donor_is_listed_and_its_holdings_are_explained(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    large_from_donors: int,
) -> None:
    monkeypatch.setattr(swarm_plans, "LARGE_FROM_DONORS", large_from_donors)
    monkeypatch.setattr(donor_desk, "LOOK_AGAIN_S", 0.05)
    files(tmp_path, 4, 4)

    async def scene(served: Served) -> None:
        text = await token(served)
        first = await served.file_id("0.bin")
        async with Peer.connect(served, nat="restricted") as donor:
            await donor.donate(held=[{"file_id": first, "runs": [0, 2]}])
            (row,) = (await ask(served, text))["answer"]
            assert (row["nat"], row["files_held"]) == ("restricted", 1)
            told = (await ask(served, text, donor=row["session_id"]))["answer"]
            assert {held["file_id"] for held in told["holds"]} >= {first}
            assert all(held["expected_serves"] > 0 for held in told["holds"])
            near = (await ask(served, text, file=first, nat="unrestricted"))["answer"]
            assert near == {"peers": [{"session_id": row["session_id"], "reason": "chosen"}], "more": False}
            far = (await ask(served, text, file=first, nat="restricted"))["answer"]
            assert far["peers"] == [{"session_id": row["session_id"], "reason": "nat_incompatible"}]
            assert (await ask(served, text, donor="0" * 32))["answer"]["code"] == "unknown_session"
            assert (await ask(served, text, file="0" * 64))["answer"]["code"] == "unknown_file"
            words = ["inspect", served.url, "--token", text]
            for extra, line in (
                ([], f"donor where NAT room up/s stays files {row['session_id']} - restricted 16.0 MB 1.00 MB"),
                (["--donor", row["session_id"]], "file segments expected serves other copies"),
                (["--donor", row["session_id"]], "it holds all of it"),
                (["--file", first], f"donor introduced? {row['session_id']} yes"),
                (["--file", first, "--nat", "restricted"], "no: two restricted NATs cannot connect"),
                (["--json"], '"session_id"'),
            ):
                assert await asyncio.to_thread(main, [*words, *extra]) == 0
                assert line in " ".join(capsys.readouterr().out.split())

    play(tmp_path, scene)


def test_names_are_told_as_they_are(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"file_id": "1" * 64, "start": 0, "end": 1, "expected_serves": 1.0, "copies": 0.0}
    donor = {"session_id": "a" * 32, "region": "EU/[x]", "nat": "unknown", "storage_bytes": 1, "up_bytes_per_s": 1}
    answer = {
        "donor": {**donor, "stay_left_s": 1, "files_held": 1},
        "holds": [row],
        "would_fetch": [],
        "rejected": [{"file_id": "2" * 64, "reason": "no_room"}],
    }
    summary = {"size_bytes": 1, "media_type": "", "cause": "main", "published_at": "", "signed_by": []}
    names = {"1" * 64: "a[/].iso", "2" * 64: "x[red].iso"}
    listed = {"files": [{"file_id": file_id, "name": name, **summary} for file_id, name in names.items()]}
    told = [json.dumps(answer), json.dumps(listed)]
    monkeypatch.setattr(inspect, "request", lambda *_words, **_more: told.pop(0).encode())
    assert main(["inspect", "https://c.example", "--donor", "a" * 32]) == 0
    said = capsys.readouterr().out
    assert "a[/].iso" in said
    assert "x[red].iso" in said
    assert "EU/[x]" in said


def test_every_reason_has_words() -> None:
    assert set(get_args(RejectionReason)) == _REJECTIONS.keys()
    assert {*get_args(ExclusionReason), *CHOSEN_OR_NOT} == _VERDICTS.keys()


def test_only_a_token_for_all_causes_may_look(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        text = await token(served, causes=("main",))
        refused = await ask(served, text)
        assert (refused["status"], refused["answer"]["code"]) == (403, "token_scope")

    play(tmp_path, scene)


def test_of_a_downloader_that_is_here_it_is_told_why_each_holder_was_not_introduced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, 2)

    async def scene(served: Served) -> None:
        text, file_id = await token(served), await served.file_id("0.bin")

        async def verdicts(downloader: str) -> dict[str, str]:
            answer = (await ask(served, text, file=file_id, downloader=downloader))["answer"]
            assert not answer["more"]
            return {peer["session_id"]: peer["reason"] for peer in answer["peers"]}

        async with AsyncExitStack() as stack:

            async def donor(*runs: int, nat: str = "unknown") -> Peer:
                peer = await stack.enter_async_context(Peer.connect(served, nat=nat))
                await peer.donate(held=[{"file_id": file_id, "runs": list(runs)}])
                return peer

            async def ids() -> set[str]:
                return {row["session_id"] for row in (await ask(served, text))["answer"]}

            await donor(0, 8)
            taker = await stack.enter_async_context(Peer.connect(served, nat="restricted"))
            await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            match = await taker.hear("match")
            here = (await ask(served, text, downloaders=""))["answer"]
            (asks,) = here["downloaders"]
            assert not here["more"]
            assert (asks["nat"], asks["files"]) == ("restricted", [file_id])
            first = await ids()
            assert await verdicts(asks["session_id"]) == dict.fromkeys(first, "matched_already")
            await donor(0, 8)
            (second,) = await ids() - first
            assert (await verdicts(asks["session_id"]))[second] == "not_asked"
            await taker.send("match_report", match_id=match["match_id"], outcome="failed", code="no_channel")
            await donor(0, 8, nat="restricted")
            (third,) = await ids() - first - {second}
            await donor(4, 4)
            (fourth,) = await ids() - first - {second, third}
            await taker.send("want", file_id=file_id, missing=[0, 4], peers_max=2)
            await taker.hear("match")  # the second; one more is waited for
            assert await verdicts(asks["session_id"]) == {
                **dict.fromkeys(first, "avoided"),
                second: "matched_already",
                third: "nat_incompatible",
                fourth: "holds_nothing_missing",
            }
            assert (await ask(served, text, file=file_id, downloader="0" * 32))["answer"]["code"] == "unknown_session"
            monkeypatch.setattr(candidates, "VERDICTS_MAX", 3)
            words = ["inspect", served.url, "--token", text]
            for extra, line in (
                (["--downloaders"], f"downloader where NAT files {asks['session_id']} - restricted 0.bin"),
                (
                    ["--file", file_id, "--downloader", asks["session_id"]],
                    "the first 3; more donors hold it.",
                ),
            ):
                assert await asyncio.to_thread(main, [*words, *extra]) == 0
                assert line in " ".join(capsys.readouterr().out.split())
            assert await asyncio.to_thread(main, [*words, "--downloader", asks["session_id"]]) == 2

    play(tmp_path, scene)
