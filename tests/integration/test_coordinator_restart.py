"""Proof d, the coordinator's side: killed without warning, it comes back with all that mattered."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

import aiohttp

from tests.harness.coordinator import Coordinator, make_release, run_dio, start_coordinator
from tests.harness.peer import Peer
from tests.harness.processes import Stage

MIB = 2**20


@dataclass
class Reached:
    """A coordinator process as `Peer` wants it."""

    url: str
    client: aiohttp.ClientSession


@asynccontextmanager
async def reached(coordinator: Coordinator) -> AsyncIterator[Reached]:
    async with aiohttp.ClientSession() as client:
        yield Reached(coordinator.url, client)


def until(coordinator: Coordinator, condition: Callable[[], bool], what: str) -> None:
    coordinator.process.wait_until(condition, what, timeout_s=30)


def written_bytes(coordinator: Coordinator) -> int:
    """What the books on disk say was pushed."""
    with closing(sqlite3.connect(coordinator.data_dir / "catalogue.sqlite")) as books:
        (pushed,) = books.execute("SELECT coalesce(sum(pushed_mirrors_bytes), 0) FROM daily_total").fetchone()
        return int(pushed)


def test_after_a_kill_donors_come_back_with_what_they_hold_and_nothing_is_pushed_twice(stage: Stage) -> None:
    folder = stage.folder / "folder"
    for name in ("a.bin", "b.bin"):
        make_release(folder, name, 12 * MIB)
    coordinator = start_coordinator(stage, folder=folder)
    until(coordinator, lambda: len(coordinator.get("/api/v1/files")["files"]) == 2, "both files")
    before = coordinator.get("/api/v1/files")

    async def fill() -> list[dict[str, object]]:
        async with reached(coordinator) as place, Peer.connect(place) as donor:
            files = (await donor.donate(storage_bytes=9 * MIB))["files"]
            for entry in files:
                size = sum(entry["runs"][1::2]) * MIB
                await donor.send("filled", file_id=entry["file_id"], mirror_bytes=size)
            await donor.send("holdings", files=files, complete=True)
            await donor.send("ping")
            await donor.hear("pong")
            # Written every second; at most that is lost.
            await asyncio.to_thread(until, coordinator, lambda: written_bytes(coordinator) == 8 * MIB, "the books")
            coordinator.process.kill()
            return list(files)

    held = asyncio.run(fill())
    coordinator.start()
    assert coordinator.get("/api/v1/files") == before  # nothing was hashed or signed again

    async def come_back() -> None:
        async with reached(coordinator) as place, Peer.connect(place) as donor:
            again = await donor.donate(storage_bytes=9 * MIB, held=held)
            assert sorted(again["files"], key=str) == sorted(held, key=str)
            stats = await asyncio.to_thread(coordinator.stats)
            assert (stats["donors"], stats["bytes_held"], stats["bytes_pushed"]) == (1, 8 * MIB, 8 * MIB)
            async with Peer.connect(place) as downloader:
                file_id = held[0]["file_id"]
                await downloader.send("want", file_id=file_id, missing=[0, 12], peers_max=4)
                assert (await downloader.hear("match"))["runs"] == held[0]["runs"]

    asyncio.run(come_back())


def test_a_second_coordinator_is_kept_off_the_data_directory(stage: Stage) -> None:
    coordinator = start_coordinator(stage)
    refused = run_dio("serve", "--port", "0", "--data-dir", coordinator.data_dir, "--stun-port", "0")
    assert refused.returncode == 1
    assert "store_in_use" in refused.stderr
    taken = run_dio("serve", "--port", str(coordinator.port), "--data-dir", stage.folder / "other", "--stun-port", "0")
    assert taken.returncode == 2
    assert "port_in_use" in taken.stderr
