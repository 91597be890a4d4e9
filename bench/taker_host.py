"""`python -m bench.taker_host PLAN.json`: the downloads of one country in one process, each from an address of its own.

Each is what `dio get` does once it has begun: the plan with the manifest's checks, a session, a pool of donors, the
mirrors, a file that is verified. What they share is the interpreter, the loop and the WebRTC engine, which cost as much
as a download of some megabytes (figures in the result of `placement_countries`). A line of JSON tells of each when it
ends; SIGTERM ends all.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from bench.from_address import STANDS_AT, install

install()

from distribute_io.core.scheduler import messages as m  # noqa: E402 - after `install`
from distribute_io.download.fetch import FetchOptions, fetch  # noqa: E402
from distribute_io.download.peer_pool import PeerPool  # noqa: E402
from distribute_io.download.plan import PlanOptions, make_plan  # noqa: E402
from distribute_io.download.rate_limit import RateLimit  # noqa: E402
from distribute_io.errors import DistributeError  # noqa: E402
from distribute_io.ids import PublicKeyText  # noqa: E402
from distribute_io.transport.dial import HttpPolicy  # noqa: E402
from distribute_io.transport.webrtc import WebRtcEngine  # noqa: E402
from distribute_io.transport.webrtc_engines import load_engine  # noqa: E402

THREADS = 64
"""For what blocks: a plan's requests, a part file's opening."""


class HostedTaker(msgspec.Struct, frozen=True, kw_only=True):
    """One download."""

    at_s: float
    """When it begins, by the monotonic clock."""
    address: str
    link: str
    rate_bytes_per_s: int
    target: str


class TakerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All downloads of a process."""

    coordinator: str
    pin: str
    mirror_use: m.Policy
    takers: list[HostedTaker]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a download."""

    outcome: str
    """`done`, `stopped`, or the code of its error."""
    seconds: float
    donors_bytes: int = 0
    mirrors_bytes: int = 0
    met_s: list[float]
    """From its beginning to the greeting of each donor."""


class _NotedPool(PeerPool):
    """Notes when each donor was met."""

    def note(self, met: Callable[[], None]) -> None:
        """Call this for each."""
        self._met = met

    def report(self, *words: Any, **more: Any) -> None:  # Any: handed on as they are
        """See `PeerPool`."""
        if "open" in words:
            self._met()
        super().report(*words, **more)


async def _host(plan: TakerPlan) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS))
    engine = load_engine("reactor-webrtc")
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_take(plan, taker, engine)) for taker in plan.takers]

        def stop() -> None:
            for task in running:
                task.cancel()

        loop.add_signal_handler(signal.SIGTERM, stop)
    await engine.close()


async def _take(plan: TakerPlan, taker: HostedTaker, engine: WebRtcEngine) -> None:
    STANDS_AT.set(taker.address)
    await asyncio.sleep(max(0.0, taker.at_s - time.monotonic()))
    met_s: list[float] = []
    outcome, by_kind = "stopped", {"peer": 0, "mirror": 0}
    try:
        by_kind |= await _download(plan, taker, engine, lambda: met_s.append(round(time.monotonic() - taker.at_s, 3)))
        outcome = "done"
    except DistributeError as error:
        outcome = error.code
        print(error, file=sys.stderr, flush=True)
    finally:
        taken = Taken(
            outcome=outcome,
            seconds=round(time.monotonic() - taker.at_s, 3),
            donors_bytes=by_kind["peer"],
            mirrors_bytes=by_kind["mirror"],
            met_s=met_s,
        )
        print(msgspec.json.encode(taken).decode(), flush=True)


async def _download(
    plan: TakerPlan, taker: HostedTaker, engine: WebRtcEngine, met: Callable[[], None]
) -> dict[str, int]:
    policy = HttpPolicy(allow_private=True)
    wanted = PlanOptions(coordinator=plan.coordinator, pins=(PublicKeyText(plan.pin),))
    found = await asyncio.to_thread(make_plan, taker.link, wanted, policy=policy, warn=print)
    assert found.session_url is not None
    options = FetchOptions(
        target=Path(taker.target),
        policy=policy,
        limit=RateLimit(taker.rate_bytes_per_s),
        mirror_use=plan.mirror_use,
    )
    pool = _NotedPool(
        engine,
        session_url=found.session_url,
        agent="bench",
        file_id=found.manifest.sha256,
        segments=len(found.segment_list),
        limit=options.limit,
        rng=random.Random(),
    )
    pool.note(met)
    result = await fetch(found, options, peers=pool)
    result.path.unlink()  # the folder is in memory
    by_kind = {"peer": 0, "mirror": 0}
    for source in result.sources:
        by_kind[source.kind] += source.bytes
    return by_kind


if __name__ == "__main__":
    asyncio.run(_host(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=TakerPlan)))
