"""Takers without a browser: `dio get`'s own code in this process, which get what they get from donors alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from msgspec.structs import replace

from distribute_io.download.fetch import FetchOptions, fetch
from distribute_io.download.peer_pool import PeerPool
from distribute_io.download.plan import DownloadPlan, PlanOptions, make_plan
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.webrtc import Channel, IceCandidate, PeerConnection, PeerEvents
from distribute_io.transport.webrtc_reactor import ReactorEngine
from tests.harness.coordinator import Coordinator

_POLICY = HttpPolicy(allow_private=True)
_DATA_BYTES = 1_000
"""Frames of other kinds are shorter."""

_PATIENCE_S = 30.0
_VISITS_PER_S = 5
"""Each costs the donor seven messages or so, of which a session may send 50 in a second (`MESSAGES_PER_S`)."""

_numbers = count()


class _Watching:
    """Passes a connection's events on; `came` is set by the first frame with bytes of the file."""

    def __init__(self, inner: PeerEvents, came: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._came = came
        self._loop = loop

    def on_candidate(self, candidate: IceCandidate) -> None:
        self._inner.on_candidate(candidate)

    def on_channel(self, channel: Channel) -> None:
        self._inner.on_channel(channel)

    def on_message(self, frame: bytes) -> None:
        if len(frame) > _DATA_BYTES and not self._came.is_set():
            self._loop.call_soon_threadsafe(self._came.set)
        self._inner.on_message(frame)

    def on_writable(self) -> None:
        self._inner.on_writable()

    def on_closed(self, code: str) -> None:
        self._inner.on_closed(code)


class _WatchedEngine(ReactorEngine):
    """The taker's engine."""

    def __init__(self) -> None:
        super().__init__()
        self.came = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def connect(self, events: PeerEvents, *, stun: Sequence[str]) -> PeerConnection:
        """As the engine's own, and watched."""
        return super().connect(_Watching(events, self.came, self._loop), stun=stun)


@dataclass(frozen=True)
class NativeTaker:
    """Somebody who takes one file; `folder` is for what is taken."""

    plan: DownloadPlan
    folder: Path

    @classmethod
    def of(cls, manifest_path: Path, coordinator: Coordinator, folder: Path) -> NativeTaker:
        """For the file of this manifest."""
        options = PlanOptions(coordinator=coordinator.url)
        plan = make_plan(str(manifest_path), options, policy=_POLICY, warn=print)
        return cls(replace(plan, mirrors=()), folder)

    async def visit(self) -> None:
        """Connect, take until the first bytes of the file came, and leave."""
        engine = _WatchedEngine()
        running = asyncio.ensure_future(self._take(engine))
        coming = asyncio.ensure_future(engine.came.wait())
        try:
            await asyncio.wait({running, coming}, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
            if not engine.came.is_set():
                raise TimeoutError("no donor gave anything") from (running.exception() if running.done() else None)
        finally:
            for task in (running, coming):
                task.cancel()
            await asyncio.gather(running, coming, return_exceptions=True)

    async def _take(self, engine: _WatchedEngine) -> None:
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
            await fetch(self.plan, FetchOptions(target=target, policy=_POLICY), peers=peers)
        finally:
            for path in self.folder.glob(f"{target.name}*"):
                path.unlink()


def visit_often(taker: NativeTaker, times: int, *, at_once: int = 2) -> None:
    """So many visits one after the other, `at_once` at a time, no faster than a coordinator listens to one donor."""
    left = iter(range(times))

    async def visit() -> None:
        for number in left:
            try:
                await asyncio.gather(taker.visit(), asyncio.sleep(at_once / _VISITS_PER_S))
            except TimeoutError as error:
                raise AssertionError(f"visit {number} of {times} in vain") from error

    async def all_visits() -> None:
        await asyncio.gather(*(visit() for _ in range(at_once)))

    # In a thread of its own: Playwright runs an event loop in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(all_visits())).result()
