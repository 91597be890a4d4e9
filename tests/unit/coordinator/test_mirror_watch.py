"""The watch carries out what was decided: who is looked at when, what complaints do, and that nothing ends it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from distribute_io.coordinator import mirror_watch
from distribute_io.coordinator.mirror_watch import MirrorWatch
from distribute_io.core.mirror_health import HURRY_REST_US, Outcome, Rhythm
from distribute_io.stores.catalogue import Catalogue, CauseRecord, ManifestRecord, MirrorRecord
from distribute_io.stores.sql_catalogue import open_sqlite
from tests.stores.catalogue_suite import CAUSE, NOW_S, record

RHYTHM = Rhythm(check_us=3_600_000_000, retry_us=600_000_000)
FIRST, SECOND = "https://m.example/1", "https://m.example/2"


class Bits:
    """No jitter to speak of."""

    def getrandbits(self, bits: int, /) -> int:
        return 1 << (bits - 1)


class Clock:
    """Stands still until it is moved on."""

    def __init__(self) -> None:
        self.now_us = NOW_S * 1_000_000

    def __call__(self) -> int:
        return self.now_us


class Looks:
    """A check that notes whom it looks at, and finds what it is told to."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.running = 0
        self.most_running = 0
        self.finds: Callable[[str], Outcome] = lambda _url: Outcome(rate_bytes_per_s=1)

    async def check(self, mirror: MirrorRecord) -> Outcome:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        self.seen.append(mirror.url)
        return self.finds(mirror.url)


@asynccontextmanager
async def watching(
    folder: Path, looks: Looks, *urls: str, clock: Callable[[], int] | None = None
) -> AsyncIterator[tuple[MirrorWatch, Catalogue, ManifestRecord]]:
    catalogue = open_sqlite(folder / "catalogue.sqlite")
    manifest = record()
    await catalogue.put_cause(CauseRecord(cause=CAUSE, title="T"), actor="cli", at_s=NOW_S)
    await catalogue.put_manifest(
        manifest,
        b"list",
        actor="cli",
        at_s=NOW_S,
        mirrors=[MirrorRecord(manifest.file_id, url) for url in urls],
    )
    watch = MirrorWatch(catalogue, looks.check, rhythm=RHYTHM, rng=Bits(), clock_us=clock or Clock())
    running = asyncio.create_task(watch.run())
    try:
        await asyncio.sleep(0)
        yield watch, catalogue, manifest
        assert not running.done()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await catalogue.close()


def run(scene: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scene

    asyncio.run(bounded())


def test_new_mirrors_of_one_host_are_looked_at_one_after_the_other(tmp_path: Path) -> None:
    async def scene() -> None:
        looks = Looks()
        async with watching(tmp_path, looks, FIRST, SECOND) as (watch, catalogue, manifest):
            await watch.settle(manifest.file_id)
            assert looks.seen == [FIRST, SECOND]
            assert looks.most_running == 1
            assert {mirror.health.state for mirror in await catalogue.mirrors(manifest.file_id)} == {"well"}

    run(scene())


def test_complaints_of_three_networks_bring_a_look_soon_and_of_one_do_not(tmp_path: Path) -> None:
    async def scene() -> None:
        looks, clock = Looks(), Clock()
        async with watching(tmp_path, looks, FIRST, clock=clock) as (watch, catalogue, manifest):
            await watch.settle(manifest.file_id)
            looks.finds = lambda _url: Outcome("segment_mismatch")
            for network in ("a", "a", "b"):
                await watch.accused(manifest.file_id, FIRST, network)
            (mirror,) = await catalogue.mirrors(manifest.file_id)
            assert mirror.health.next_check_us == mirror.health.checked_at_us + RHYTHM.retry_us
            await watch.accused(manifest.file_id, FIRST, "c")
            (mirror,) = await catalogue.mirrors(manifest.file_id)
            assert mirror.health.next_check_us == mirror.health.checked_at_us + HURRY_REST_US
            assert looks.seen == [FIRST]
            clock.now_us = mirror.health.next_check_us
            while mirror.health.state == "well":
                await asyncio.sleep(0.02)
                (mirror,) = await catalogue.mirrors(manifest.file_id)
            assert (looks.seen, mirror.health.state) == ([FIRST, FIRST], "changed")
            await watch.accused(manifest.file_id, "https://nobody.example/", "a")  # known to nobody: nothing happens

    run(scene())


def test_accusers_of_removed_mirrors_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_watch, "ACCUSED_MAX", 1)

    async def scene() -> None:
        async with watching(tmp_path, Looks(), FIRST, SECOND) as (watch, catalogue, manifest):
            await watch.settle(manifest.file_id)
            await watch.accused(manifest.file_id, FIRST, "a")
            await catalogue.remove_mirror(manifest.file_id, FIRST, actor="cli", at_s=NOW_S)
            for network in ("a", "b", "c"):
                await watch.accused(manifest.file_id, SECOND, network)
            (mirror,) = await catalogue.mirrors(manifest.file_id)
            assert mirror.health.next_check_us == mirror.health.checked_at_us + HURRY_REST_US

    run(scene())


def test_a_check_that_breaks_down_ends_nothing_and_is_tried_again(tmp_path: Path) -> None:
    async def scene() -> None:
        looks = Looks()

        def break_down(url: str) -> Outcome:
            if url == FIRST:
                raise ZeroDivisionError
            return Outcome()

        looks.finds = break_down
        async with watching(tmp_path, looks, FIRST, SECOND) as (watch, catalogue, manifest):
            await watch.settle(manifest.file_id)
            broken, well = await catalogue.mirrors(manifest.file_id)
            assert (broken.health.state, well.health.state) == ("unchecked", "well")
            assert broken.health.next_check_us == NOW_S * 1_000_000 + RHYTHM.retry_us

    run(scene())
