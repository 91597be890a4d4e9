"""download/driver.py with scripted sources: whatever they do, the file is right or the failure is named."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from distribute_io.core.scheduler import messages as m
from distribute_io.core.scheduler.scheduler import Scheduler
from distribute_io.download.driver import Driver, GaveUpError
from distribute_io.download.file_digest import FileDigest
from distribute_io.download.part_file import PartFile
from distribute_io.download.ranges import OpenRange
from distribute_io.download.segment_file import SegmentFile
from distribute_io.errors import IntegrityError, SourceError, StoreError
from distribute_io.ids import SegmentIndex, SourceId
from distribute_io.manifest.segments import verify_segment
from tests.harness.publishing import Published, publish

SEGMENT = 262_144
SEGMENTS = 10


class Scripted:
    """A source that delivers on the loop, in steps, as a mirror's thread would report."""

    def __init__(
        self, bench: Bench, *, step: int = 100_000, lies: bool = False, pause_s: float = 0.0, posts: bool = False
    ) -> None:
        self._bench = bench
        self._posts = posts
        self._step = step
        self._lies = lies
        self._pause_s = pause_s
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.fail_at: int | None = None
        self.failure = SourceError("mirror_truncated", "it ended early")
        self.verified_bytes = 0
        self.accused = False
        self.closed = False

    def start(self, request: OpenRange) -> None:
        self._tasks[request.request_id] = asyncio.ensure_future(self._deliver(request))

    def shorten(self, request: OpenRange) -> None:
        pass

    def cancel(self, request: OpenRange) -> None:
        self._tasks[request.request_id].cancel()

    def verified(self, size_bytes: int) -> None:
        self.verified_bytes += size_bytes

    def accuse(self) -> None:
        self.accused = True

    def close(self) -> None:
        self.closed = True
        for task in self._tasks.values():
            task.cancel()

    async def _deliver(self, request: OpenRange) -> None:
        driver, data = self._bench.driver, self._bench.data
        at = request.start_byte
        buffer = memoryview(b"")
        while at < request.end_byte:
            if not self._posts:
                await asyncio.sleep(self._pause_s)
            if self.fail_at is not None and at >= self.fail_at:
                driver.on_failed(request, self.failure)
                return
            index = at // SEGMENT
            start, end = index * SEGMENT, min((index + 1) * SEGMENT, len(data))
            if at in (request.start_byte, start):
                buffer = memoryview(bytearray(end - start))
            stop = min(at + self._step, end, request.end_byte)
            piece = bytearray(data[at:stop])
            if self._lies:
                piece[0] ^= 1
            buffer[at - start : stop - start] = piece
            at = stop
            self._report(functools.partial(driver.on_progress, request, at, buffer))
            if at == end and request.start_byte <= start:
                self._settle(request, SegmentIndex(index), buffer)

    def _settle(self, request: OpenRange, index: SegmentIndex, buffer: memoryview) -> None:
        try:
            self._bench.file.write(index, verify_segment(bytes(buffer), self._bench.file.digest(index)))
        except IntegrityError:
            right = False
        else:
            right = True
        self._report(functools.partial(self._bench.driver.on_whole_segment, request, index, right=right))

    def _report(self, report: Callable[[], None]) -> None:
        """At once, or with all that was posted since the loop looked last."""
        if self._posts:
            self._bench.driver.post(report)
        else:
            report()


class Bench:
    """A driver and everything under it."""

    def __init__(self, published: Published, folder: Path) -> None:
        self.published = published
        self.data = published.data
        self.part = PartFile(folder / "out", published.manifest, published.segment_list())
        self.part.open()
        digest = FileDigest(self.part, len(self.data))
        self.digest = digest
        size = len(self.data)
        self.file = SegmentFile(self.part, published.manifest, published.segment_list(), digest)
        config = m.SchedulerConfig(
            size_bytes=size, segment_size_bytes=SEGMENT, stall_us=300_000, no_source_grace_us=300_000
        )
        self.driver = Driver(self.file, config=config, held=(), on_front=digest.advance)

    def add(self, name: str, source: Scripted) -> Scripted:
        self.driver.add_source(SourceId(name), source, kind="mirror", holdings=None, slots=2)
        return source

    async def run(self) -> None:
        async with asyncio.timeout(20):
            await self.driver.run()


def run(published: Published, folder: Path, body: Callable[[Bench], Awaitable[None]]) -> None:
    async def whole() -> None:
        bench = Bench(published, folder)
        try:
            await body(bench)
        finally:
            bench.driver.close()
            bench.digest.stop()
            await asyncio.sleep(0)
            bench.part.close()

    asyncio.run(whole())


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path / "www", size_bytes=(SEGMENTS - 1) * SEGMENT + 5)


def test_a_burst_of_posts_is_told_to_the_scheduler_once_and_loses_nothing(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[m.Event] = []
    handle = Scheduler.handle

    def note(scheduler: Scheduler, event: m.Event, now_us: int) -> tuple[m.Action, ...]:
        told.append(event)
        return handle(scheduler, event, now_us)

    monkeypatch.setattr(Scheduler, "handle", note)

    async def body(bench: Bench) -> None:
        bench.add("a", Scripted(bench, step=10_000, posts=True))
        await bench.run()
        (row,) = bench.driver.source_table()
        assert (row.received_bytes, row.verified_bytes) == (len(bench.data), len(bench.data))

    run(published, tmp_path, body)
    requests = sum(isinstance(event, m.RequestFinished) for event in told)
    assert sum(isinstance(event, m.BytesReceived) for event in told) <= requests
    assert sum(isinstance(event, m.SegmentVerified) for event in told) == SEGMENTS


def test_one_source_delivers_everything(published: Published, tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        source = bench.add("a", Scripted(bench))
        await bench.run()
        assert bench.digest.result() == published.manifest.sha256
        assert bench.driver.missing() == ()
        assert source.verified_bytes == len(bench.data)
        assert bench.driver.segments_rejected == 0

    run(published, tmp_path, body)


def test_liar_among_honest_ones_is_banned_and_nothing_wrong_is_written(published: Published, tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        liar = bench.add("liar", Scripted(bench, lies=True))
        bench.add("b", Scripted(bench, pause_s=0.002))
        await bench.run()
        assert bench.digest.result() == published.manifest.sha256
        assert list(bench.driver.banned) == ["liar"]
        assert liar.accused
        assert liar.closed
        assert liar.verified_bytes == 0

    run(published, tmp_path, body)


class Leaver(Scripted):
    """It is gone before what it sent is looked at."""

    def _settle(self, request: OpenRange, index: SegmentIndex, buffer: memoryview) -> None:
        self._bench.driver.remove_source(SourceId("liar"), "peer_closed")
        super()._settle(request, index, buffer)


def test_a_liar_that_left_before_its_segment_was_checked_is_accused_too(published: Published, tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        liar = bench.add("liar", Leaver(bench, lies=True))
        bench.add("b", Scripted(bench, pause_s=0.002))
        await bench.run()
        assert bench.digest.result() == published.manifest.sha256
        assert list(bench.driver.banned) == ["liar"]
        assert liar.accused

    run(published, tmp_path, body)


def test_mixed_segments_are_put_together_from_several_buffers(published: Published, tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        broken = bench.add("broken", Scripted(bench, step=65_536))
        broken.fail_at = SEGMENT // 2  # the first half of the first segment, then nothing any more
        bench.add("rest", Scripted(bench, step=65_536, pause_s=0.001))
        await bench.run()
        assert bench.digest.result() == published.manifest.sha256

    run(published, tmp_path, body)


def test_all_lie_and_the_driver_gives_up_for_integrity(published: Published, tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        bench.add("a", Scripted(bench, lies=True))
        bench.add("b", Scripted(bench, lies=True))
        with pytest.raises(GaveUpError) as caught:
            await bench.run()
        assert caught.value.action.reason == "integrity"
        assert bench.driver.verified_segments == 0

    run(published, tmp_path, body)


def test_source_that_is_gone_leaves_its_work_to_the_others(published: Published, tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        bench.add("goes", Scripted(bench, pause_s=0.005))
        bench.add("stays", Scripted(bench, pause_s=0.001))
        asyncio.get_running_loop().call_later(0.01, bench.driver.remove_source, SourceId("goes"), "peer_closed")
        await bench.run()
        assert bench.digest.result() == published.manifest.sha256

    run(published, tmp_path, body)


def test_own_disk_ends_the_round(published: Published, tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        bench.add("a", Scripted(bench, pause_s=0.01))
        error = StoreError("disk_full", "no room")
        asyncio.get_running_loop().call_later(0.02, bench.driver.on_store_failed, error)
        with pytest.raises(StoreError):
            await bench.run()

    run(published, tmp_path, body)


def test_posts_from_threads_arrive_in_order(published: Published, tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        seen: list[int] = []

        def from_thread() -> None:
            for number in range(500):
                bench.driver.post(lambda number=number: seen.append(number))  # type: ignore[misc]  # bound early

        await asyncio.to_thread(from_thread)
        await asyncio.sleep(0.01)
        assert seen == list(range(500))

    run(published, tmp_path, body)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_sources_do_the_file_is_right(published: Published, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)

    async def body(bench: Bench) -> None:
        bench.add("honest", Scripted(bench, step=rng.randint(20_000, 300_000), pause_s=0.004))
        for number in range(3):
            step, pause_s = rng.randint(20_000, 300_000), rng.random() * 0.01
            source = bench.add(f"odd {number}", Scripted(bench, lies=rng.random() < 0.4, step=step, pause_s=pause_s))
            if rng.random() < 0.5:
                source.fail_at = rng.randrange(len(bench.data))
            if rng.random() < 0.3:
                delay_s = rng.random() * 0.05
                asyncio.get_running_loop().call_later(
                    delay_s, bench.driver.remove_source, SourceId(f"odd {number}"), "peer_closed"
                )
        await bench.run()
        assert bench.digest.result() == published.manifest.sha256
        assert "honest" not in bench.driver.banned

    run(published, tmp_path, body)
