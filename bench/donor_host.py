"""`python -m bench.donor_host PLAN.json`: many headless donors in one process, each at an address of its own.

Each is a whole `DonorAgent` with its own store, session, allowance and upload, as `dio donate` runs it; what they share
is the process, its loop and the child with the WebRTC engine. Forty processes would cost this machine what the swarm
itself should have (figures in the result of `placement_countries`).
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from bench.from_address import STANDS_AT, install

install()

from distribute_io.core.allowance import AllowanceLimits  # noqa: E402 - after `install`
from distribute_io.donor import events as e  # noqa: E402
from distribute_io.donor.agent import DonorAgent, DonorConfig  # noqa: E402
from distribute_io.donor.filling import Filler  # noqa: E402
from distribute_io.donor.kept_allowance import KeptAllowance  # noqa: E402
from distribute_io.donor.store import SegmentStore  # noqa: E402
from distribute_io.ids import FileId, SegmentIndex  # noqa: E402
from distribute_io.manifest.segments import VerifiedSegment  # noqa: E402
from distribute_io.transport.coordinator_api import CoordinatorApi  # noqa: E402
from distribute_io.transport.dial import HttpPolicy  # noqa: E402
from distribute_io.transport.webrtc import WebRtcEngine  # noqa: E402
from distribute_io.transport.webrtc_child import ChildEngine  # noqa: E402
from distribute_io.wire.session import Assign, CoordinatorMessage  # noqa: E402


class HostedDonor(msgspec.Struct, frozen=True, kw_only=True):
    """One donor."""

    address: str
    data_dir: str
    storage_bytes: int
    up_bytes_per_s: int
    takers_max: int


class Filled(msgspec.Struct, frozen=True):
    """What a donor that held something was assigned anew has begun to come."""

    wait_s: float
    """From the assignment to the first segment of it that is stored."""


class _NotedStore(SegmentStore):
    """Notes when the first segment came after an assignment."""

    assigned_s: float | None = None

    def put(self, file_id: FileId, index: SegmentIndex, segment: VerifiedSegment) -> bool:
        """See `SegmentStore`."""
        done = super().put(file_id, index, segment)
        assigned_s, self.assigned_s = self.assigned_s, None
        if assigned_s is not None:
            filled = Filled(round(time.monotonic() - assigned_s, 3))
            sys.stdout.write(msgspec.json.encode(filled).decode() + "\n")  # whole: other donors' threads write too
            sys.stdout.flush()
        return done


class _NotedAgent(DonorAgent):
    """Tells its store when something is assigned to a donor that holds something."""

    noted: _NotedStore

    def on_message(self, message: CoordinatorMessage) -> None:
        """See `SessionEvents`."""
        if isinstance(message, Assign) and self.noted.held_bytes:
            self.noted.assigned_s = time.monotonic()
        super().on_message(message)


class HostPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All donors of a process."""

    coordinator: str
    cause: str
    begin_at_s: float
    """When they come, by the monotonic clock."""
    donors: list[HostedDonor]


async def _host(plan: HostPlan) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4 * len(plan.donors)))  # fills wait in threads
    engine = ChildEngine("reactor-webrtc")
    await asyncio.sleep(max(0.0, plan.begin_at_s - time.monotonic()))
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(_donate(plan, donor, engine)) for donor in plan.donors]

            def stop() -> None:
                for task in running:
                    task.cancel()

            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    finally:
        await engine.close()


async def _donate(plan: HostPlan, donor: HostedDonor, engine: WebRtcEngine) -> None:
    STANDS_AT.set(donor.address)
    folder = Path(donor.data_dir)
    store = _NotedStore(folder, limit_bytes=donor.storage_bytes)
    store.open()
    policy = HttpPolicy(allow_private=True)
    agent = _NotedAgent(
        DonorConfig(
            session_url=plan.coordinator.replace("http", "ws", 1) + "/api/v1/ws",
            agent="bench",
            causes=(plan.cause,),
            storage_bytes=donor.storage_bytes,
            up_bytes_per_s=donor.up_bytes_per_s,
            takers_max=donor.takers_max,
        ),
        store=store,
        allowance=KeptAllowance(folder / "given.json", AllowanceLimits()),
        filler=Filler(CoordinatorApi(plan.coordinator, policy), store, policy=policy),
        engine=engine,
        rng=random.Random(),
        tell=_tell,
    )
    agent.noted = store
    try:
        await agent.run()
    finally:
        store.close()


def _tell(event: e.DonorEvent) -> None:
    if isinstance(event, e.Trouble | e.Disconnected):
        print(event, file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(_host(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=HostPlan)))
