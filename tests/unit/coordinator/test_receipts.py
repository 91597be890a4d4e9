"""Receipts with a whole coordinator: for whom they count, and how much (`core/credit.py`)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from distribute_io.core import credit
from tests.harness.peer import Peer
from tests.unit.coordinator.served import MIB, Served, files, play


def test_receipts_are_credited_once_and_never_above_what_was_lacked(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor, Peer.connect(served) as downloader:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 2]}])
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            match = await downloader.hear("match")
            await donor.receipt(match, 300_000)
            await donor.receipt(match, 300_000)
            assert (await donor.hear("credited"))["bytes_total"] == 300_000
            for total, secret in (
                (MIB + 1, None),
                (400_000, base64.b64encode(bytes(32)).decode()),
            ):
                await donor.receipt(match, total, secret=secret)
                error = json.loads(await donor.socket.receive_str())
                assert (error["code"], error["fatal"]) == ("receipt_invalid", False)
            await downloader.send("usage", file_id=file_id, mirror_bytes=100_000, donor_bytes=300_000, rejected_bytes=5)
            await downloader.send("usage", file_id=file_id, mirror_bytes=90_000, donor_bytes=0)
            await donor.send("filled", file_id=file_id, mirror_bytes=50_000, donor_bytes=10_000)
            await donor.send("filled", file_id=file_id, mirror_bytes=10**12)
            await donor.send("ping")
            await donor.hear("pong")
            await downloader.send("ping")
            await downloader.hear("pong")
            stats = await served.json("/api/v1/stats")
            assert stats["bytes_served_by_donors"] == 300_000
            assert stats["bytes_served_by_mirrors"] == 100_000
            assert stats["bytes_rejected"] == 5
            assert stats["bytes_pushed"] == 4 * MIB + 10_000  # a claim counts up to four times the file
            assert stats["gross_offload"] == 0.75
            assert (stats["donors"], stats["downloaders"], stats["segments_held"]) == (1, 1, 2)
            assert stats["causes"][0]["bytes_held"] == 512 * 1024
            assert stats["files"][0]["file_id"] == file_id
        (cause,) = (await served.json("/api/v1/causes"))["causes"]
        assert (cause["cause"], cause["files"], cause["need"]) == ("main", 1, 0.98)

    play(tmp_path, scene)


def test_a_receipt_counts_for_the_donor_of_its_match_and_for_nobody_else(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as downloader, Peer.connect(served) as its_friend:
            async with Peer.connect(served) as donor:
                await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
                await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                match = await downloader.hear("match")
                for thief in (downloader, its_friend):
                    await thief.receipt(match, MIB)
                    assert (await thief.hear("error"))["code"] == "match_unknown"
                await donor.receipt(match, 300_000)
                assert (await donor.hear("credited"))["bytes_total"] == 300_000
                await donor.receipt(match, 200_000)  # it came late, which is no fault
                await donor.send("ping")
                await donor.hear("pong")
            await downloader.receipt(match, MIB)
            assert (await downloader.hear("error"))["code"] == "match_unknown"
            async with Peer.connect(served, source="127.9.9.9") as stranger:
                await stranger.receipt(match, MIB)
                assert (await stranger.hear("error"))["code"] == "match_unknown", "the donor was in another network"
            async with Peer.connect(served) as returned:
                await returned.receipt(match, 500_000)
                assert (await returned.hear("credited"))["bytes_total"] == 200_000

    play(tmp_path, scene)


def test_a_donor_that_grows_while_it_gives_is_credited_for_what_it_got(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor, Peer.connect(served) as downloader:
            # Without storage it is assigned nothing: what it tells is all that is known of it.
            await donor.send("donate", causes=[], storage_bytes=0, up_bytes_per_s=1_000_000)
            await donor.send("holdings", files=[{"file_id": file_id, "runs": [0, 1]}], complete=True)
            await downloader.send("want", file_id=file_id, missing=[0, 3], peers_max=1)
            match = await downloader.hear("match")
            assert match["bytes_max"] == 256 * 1024
            await donor.receipt(match, 300_000)
            assert (await donor.hear("credited"))["bytes_total"] == 256 * 1024, "cut off, and no fault of the donor's"
            await donor.send("holdings", files=[{"file_id": file_id, "runs": [0, 4]}], complete=False)
            await donor.receipt(match, 700_000)
            assert (await donor.hear("credited"))["bytes_total"] == 700_000
            await donor.receipt(match, 3 * 256 * 1024 + 1)
            assert (await donor.hear("error"))["code"] == "receipt_invalid", "the downloader had the fourth segment"

    play(tmp_path, scene)


def test_a_receipt_counts_at_most_what_could_have_been_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credit, "AT_ONCE_BYTES", 100_000)
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as donor, Peer.connect(served) as downloader:
            await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}], up_bytes_per_s=100)
            await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
            match = await downloader.hear("match")
            await donor.receipt(match, 300_000)
            assert 100_000 < (await donor.hear("credited"))["bytes_total"] < 105_000
            await donor.send("donate", causes=[], storage_bytes=16_000_000, up_bytes_per_s=1_000_000)
            await donor.receipt(match, 300_000)  # what was cut off counts once there was time for it
            assert (await donor.hear("credited"))["bytes_total"] == 300_000

    play(tmp_path, scene)
