"""Where plans are made: small ones at once, in the event loop; large ones in another process.

Rules:

1. A plan whose work is estimated below `INLINE_WORK_MAX` takes a few milliseconds: sending it away would take longer,
   and a small coordinator has no second process.
2. Every other plan is made by one process that gets the snapshot and gives the plan back; it keeps nothing. When it
   dies, the plan is lost, a new process is there for the next one, and nothing else is.
3. Plans are made with a seed drawn for each, so that any of them can be made again.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from distribute_io.core.placement.model import Plan, Policy, Rng, Snapshot
from distribute_io.core.placement.planner import plan
from distribute_io.core.placement.rows import run_segments

log = logging.getLogger(__name__)

INLINE_WORK_MAX: Final = 400_000
"""In rows looked at, for each donor that is planned: about 5 ms (`python -m bench plan_times`)."""

_DONOR_WORK: Final = 2_000
"""What it takes to put one donor's holdings on the board, in the same unit: some 20 microseconds."""

_NOTHING: Final = Plan((), ())


class PlanOffice:
    """Caller's duties: one plan at a time; `close` at the end."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._pool: ProcessPoolExecutor | None = None

    async def plan(self, snapshot: Snapshot, policy: Policy) -> Plan:
        """The plan of a snapshot; an empty one when the planning process died."""
        seed = self._rng.getrandbits(64)
        if work_of(snapshot, policy) <= INLINE_WORK_MAX:
            return make_plan(snapshot, policy, seed)
        if self._pool is None:
            # Spawned: a forked child would have the sockets and threads of the coordinator.
            self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, make_plan, snapshot, policy, seed)
        except BrokenProcessPool:
            log.error("The planning process died; donors keep what they have, the next plan has a new process.")
            self._pool.shutdown(wait=False)
            self._pool = None
            return _NOTHING

    def close(self) -> None:
        """End the planning process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def make_plan(snapshot: Snapshot, policy: Policy, seed: int) -> Plan:
    """The plan of a snapshot, from a seed: what the other process runs."""
    return plan(snapshot, policy, random.Random(seed))


def work_of(snapshot: Snapshot, policy: Policy) -> int:
    """How much there is to do, in rows looked at."""
    rows = sum(-(-file.segments // run_segments(file, policy)) for file in snapshot.files)
    donors = len(snapshot.joining) if snapshot.standing is not None else len(snapshot.donors)
    return donors * rows + _DONOR_WORK * len(snapshot.donors)
