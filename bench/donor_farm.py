"""`python -m bench.donor_farm COORDINATOR FOLDER COUNT RATE`: so many headless donors in one process.

Each is the agent of `dio donate`, with a store, a session and an upload of its own below FOLDER; they share one WebRTC
engine. Ends by SIGINT.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from pathlib import Path

from distribute_io.core.allowance import AllowanceLimits
from distribute_io.donor.agent import DonorAgent, DonorConfig
from distribute_io.donor.filling import Filler
from distribute_io.donor.kept_allowance import KeptAllowance
from distribute_io.donor.store import SegmentStore
from distribute_io.transport.coordinator_api import CoordinatorApi
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.webrtc_engines import load_engine
from distribute_io.units import parse_rate

_STORAGE_BYTES = 1_000_000_000


async def _donate(coordinator_url: str, folder: Path, count: int, up_bytes_per_s: int) -> None:
    policy = HttpPolicy(allow_private=True)
    api = CoordinatorApi(coordinator_url, policy)
    session_url = (await asyncio.to_thread(api.causes)).session_url
    engine = load_engine("reactor-webrtc")
    with contextlib.ExitStack() as exits:
        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                store = SegmentStore(folder / str(number), limit_bytes=_STORAGE_BYTES)
                store.open()
                exits.callback(store.close)
                config = DonorConfig(
                    session_url=session_url,
                    agent="bench",
                    causes=(),
                    storage_bytes=_STORAGE_BYTES,
                    up_bytes_per_s=up_bytes_per_s,
                )
                agent = DonorAgent(
                    config,
                    store=store,
                    allowance=KeptAllowance(folder / str(number) / "given.json", AllowanceLimits()),
                    filler=Filler(api, store, policy=policy),
                    engine=engine,
                    rng=random.Random(number),
                    tell=lambda _event: None,
                )
                tasks.create_task(agent.run())


def main(coordinator_url: str, folder: str, count: str, rate: str) -> None:
    """Donate until interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_donate(coordinator_url, Path(folder), int(count), parse_rate(rate)))


if __name__ == "__main__":
    main(*sys.argv[1:])
