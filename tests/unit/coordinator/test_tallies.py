"""Credit under codes, with a whole coordinator: one sum over several devices, and nothing stored but hashes."""

from __future__ import annotations

import json
from pathlib import Path

from distribute_io.coordinator.tallies import NAMED_MAX
from tests.harness.peer import Json, Peer
from tests.unit.coordinator.served import Served, files, play

SECRET = "cd" * 16


def test_one_code_has_the_sum_of_several_donors_and_survives_them(tmp_path: Path) -> None:
    files(tmp_path, 1)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("0.bin")
        async with Peer.connect(served) as downloader:

            async def give(size_bytes: int) -> Json:
                async with Peer.connect(served) as donor:
                    await donor.donate(held=[{"file_id": file_id, "runs": [0, 4]}])
                    await donor.send("tally", secret=SECRET)
                    await donor.hear("tallied")
                    await downloader.send("want", file_id=file_id, missing=[0, 4], peers_max=1)
                    await donor.receipt(await downloader.hear("match"), size_bytes)
                    await donor.hear("credited")
                    await donor.send("tally", secret=SECRET)
                    return await donor.hear("tallied")

            assert (await give(200_000))["bytes_total"] == 0, "crumbs begin no sum"
            assert (await give(300_000))["bytes_total"] == 300_000
            told = await give(200_000)
            assert (told["bytes_total"], told["bytes_today"]) == (500_000, 500_000)
            assert told["countries"] == [{"country": "", "bytes": 500_000}]
            async with Peer.connect(served) as stranger:
                await stranger.send("tally", secret="ab" * 16)
                assert (await stranger.hear("tallied"))["bytes_total"] == 0
                for _ in range(NAMED_MAX):
                    await stranger.send("tally", secret="ab" * 16)
                for _ in range(NAMED_MAX - 1):
                    await stranger.hear("tallied")
                refused = json.loads(await stranger.socket.receive_str())
                assert (refused["code"], refused["fatal"]) == ("rate_limited", False)
                await stranger.send("tally", secret="ab")
                assert (await stranger.hear("error"))["code"] == "message_malformed"

    play(tmp_path, scene)
