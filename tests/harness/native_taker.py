"""Takers without a browser: `dio get`'s own code in this process, which get what they get from donors alone."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from msgspec.structs import replace

from distribute_io.download.fetch import FetchOptions, FetchResult, fetch
from distribute_io.download.peer_pool import PeerPool
from distribute_io.download.plan import DownloadPlan, PlanOptions, make_plan
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.webrtc import Channel, IceCandidate, PeerConnection, PeerEvents
from distribute_io.transport.webrtc_reactor import ReactorEngine
from tests.harness.coordinator import Coordinator
from tests.harness.received_bytes import Sample

_POLICY = HttpPolicy(allow_private=True)
_DATA_BYTES = 1_000
"""Frames of other kinds are shorter."""

_PATIENCE_S = 30.0
_STEP_MS = 50
_VISITS_PER_S = 5
"""Each costs the donor seven messages or so, of which a session may send 50 in a second (`MESSAGES_PER_S`)."""

_numbers = count()


class _Noting:
    """Passes a connection's events on, and notes when how many bytes came."""

    def __init__(self, inner: PeerEvents, engine: NotingEngine) -> None:
        self._inner = inner
        self._engine = engine

    def on_candidate(self, candidate: IceCandidate) -> None:
        self._inner.on_candidate(candidate)

    def on_channel(self, channel: Channel) -> None:
        self._inner.on_channel(channel)

    def on_message(self, frame: bytes) -> None:
        self._engine.note(frame)
        self._inner.on_message(frame)

    def on_writable(self) -> None:
        self._inner.on_writable()

    def on_closed(self, code: str) -> None:
        self._inner.on_closed(code)


class NotingEngine(ReactorEngine):
    """The taker's engine: notes when each frame came and its size in `arrivals`; bytes of the file set `came`."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: list[tuple[float, int]] = []
        self.came = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def connect(self, events: PeerEvents, *, stun: Sequence[str]) -> PeerConnection:
        """As the engine's own, and noted."""
        return super().connect(_Noting(events, self), stun=stun)

    def note(self, frame: bytes) -> None:
        """A frame came, in a thread of the engine's."""
        self.arrivals.append((time.monotonic(), len(frame)))
        if len(frame) > _DATA_BYTES and not self.came.is_set():
            self._loop.call_soon_threadsafe(self.came.set)


@dataclass(frozen=True)
class NativeTaker:
    """Somebody who takes one file; `folder` is for what is taken."""

    plan: DownloadPlan
    folder: Path

    @classmethod
    def of(cls, what: str | Path, coordinator: Coordinator, folder: Path) -> NativeTaker:
        """For the file of this manifest, or of this link."""
        options = PlanOptions(coordinator=coordinator.url)
        plan = make_plan(str(what), options, policy=_POLICY, warn=print)
        return cls(replace(plan, mirrors=()), folder)

    @asynccontextmanager
    async def taking(self, engine: NotingEngine) -> AsyncIterator[None]:
        """Take meanwhile; entered with the first bytes of the file.

        Raises:
            TimeoutError: nobody gave anything.
        """
        running = asyncio.ensure_future(self.take(engine))
        coming = asyncio.ensure_future(engine.came.wait())
        try:
            await asyncio.wait({running, coming}, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
            if not engine.came.is_set():
                raise TimeoutError("no donor gave anything") from (running.exception() if running.done() else None)
            yield
        finally:
            for task in (running, coming):
                task.cancel()
            await asyncio.gather(running, coming, return_exceptions=True)

    def received_for(self, seconds: float) -> list[Sample]:
        """What came by when (monotonic clock) in so many seconds after the first bytes, in steps of 50 ms or more."""

        async def take() -> list[tuple[float, int]]:
            engine = NotingEngine()
            async with self.taking(engine):
                await asyncio.sleep(seconds)
            return engine.arrivals

        # In a thread of its own: Playwright may run an event loop in this one.
        with ThreadPoolExecutor(1) as pool:
            arrivals = pool.submit(lambda: asyncio.run(take())).result()
        found: list[Sample] = []
        size = 0
        for at, frame_bytes in arrivals:
            size += frame_bytes
            sample = (round(1_000 * at), size)
            if found and sample[0] < found[-1][0] + _STEP_MS:
                continue
            found.append(sample)
        return found

    async def take(self, engine: NotingEngine) -> FetchResult:
        """Download the file from donors until it is there or this is cancelled."""
        session_url = self.plan.session_url
        assert session_url is not None
        peers = PeerPool(
            engine,
            session_url=session_url,
            agent="taker",
            file_id=self.plan.manifest.sha256,
            segments=len(self.plan.segment_list),
            limit=None,
            rng=random.Random(),
        )
        target = self.folder / f"taken-{next(_numbers)}"
        try:
            return await fetch(self.plan, FetchOptions(target=target, policy=_POLICY), peers=peers)
        finally:
            for path in self.folder.glob(f"{target.name}*"):
                path.unlink()


def visit_often(taker: NativeTaker, times: int, *, at_once: int = 2) -> None:
    """So many visits one after the other, `at_once` at a time, no faster than a coordinator listens to one donor."""
    left = iter(range(times))

    async def visit_once() -> None:
        async with taker.taking(NotingEngine()):
            pass

    async def visit() -> None:
        for number in left:
            try:
                await asyncio.gather(visit_once(), asyncio.sleep(at_once / _VISITS_PER_S))
            except TimeoutError as error:
                raise AssertionError(f"visit {number} of {times} in vain") from error

    async def all_visits() -> None:
        await asyncio.gather(*(visit() for _ in range(at_once)))

    # In a thread of its own: Playwright runs an event loop in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(all_visits())).result()
