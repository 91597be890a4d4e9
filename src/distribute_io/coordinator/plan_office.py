"""Where plans are made: small ones at once, in the event loop; large ones in another process.

Rules:

1. A plan that takes at most `INLINE_WORK_MAX_US`, as estimated, is made in the loop, where all sessions wait for it:
   sending it away would take longer, and a small coordinator has no second process.
2. Every other plan is made by one process that gets the snapshot and gives the plan back; it stays for the plans to
   come. When it dies, or hangs for `PATIENCE_S`, the plan is lost, and nothing else is. A new process is there for the
   next one at once; when that is lost before it has made a plan, after `rest_s`: what kills it, a lack of memory above
   all, would kill the next one, and each has to be told of everybody. Each loss is one warning in the log.
3. Plans are made with a seed drawn for each, so that any of them can be made again.
4. Of a large swarm the process keeps what it is told, and is told what changes (`core.placement.rounds`).
5. What it is told goes in parts of `_PART_BYTES`: to copy a hundred megabytes at once, twice, holds up the loop, and a
   thread that does it holds it up as long.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, TypeVar, TypeVarTuple, Unpack

import msgspec

from distribute_io.coordinator.plan_process import explain_donor, make_plan, make_round, peak_memory_bytes, take_part
from distribute_io.core import runs as sets
from distribute_io.core.placement.donor_plan import CANDIDATES_MAX
from distribute_io.core.placement.model import Plan, Policy, Rng, Snapshot
from distribute_io.core.placement.planner import push_bytes_max
from distribute_io.core.placement.rounds import Changes, Explanation, Round, parts_of
from distribute_io.core.placement.rows import run_segments
from distribute_io.errors import DistributeError, RefusedError
from distribute_io.ids import SessionId

log = logging.getLogger(__name__)

_Made = TypeVar("_Made")
_Given = TypeVarTuple("_Given")

INLINE_WORK_MAX_US: Final = 10_000

PATIENCE_S: Final = 120.0
"""A planning process that takes longer is ended: others wait for it. Ten times what the first round of 100,000 donors
takes."""

REST_FIRST_S: Final = 5.0
REST_MAX_S: Final = 300.0
"""A machine that has no memory for a plan now may have it in some minutes."""

_PART_BYTES: Final = 1 << 20

# Microseconds on one core, from plans of up to 4,096 rows, 30 regions and 64 donors: estimates that err upwards.
_PLAN_US: Final = 400.0
_ROW_US: Final = 0.5
_RATE_US: Final = 0.5
"""For the demand of one file in one region."""
_DONOR_US: Final = 20.0
_HELD_FILE_US: Final = 2.0
_PLANNED_US: Final = 200.0
_PLANNED_ROW_US: Final = 0.1
_PICK_US: Final = 20.0
_PICK_ROW_US: Final = 0.005
"""Each pick looks at all rows that might be picked."""


class PlannerLostError(RefusedError):
    """The planning process died, hung, or rests after that. It was logged."""

    def __init__(self, message: str) -> None:
        super().__init__("internal", message)


def tell_of(error: DistributeError) -> None:
    """Log that donors could not be planned; the loss of the planning process was logged when it was noticed."""
    if not isinstance(error, PlannerLostError):
        log.error("Donors could not be planned (%s); they keep what they have.", error.message)


class PlanOffice:
    """Caller's duties: one plan at a time; `close` at the end."""

    def __init__(self, rng: Rng, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._rng, self._clock_s = rng, clock_s
        self._lost_in_a_row = 0
        self._begins_at_s = 0.0
        """Before that no new process begins."""
        self._pool: ProcessPoolExecutor | None = None
        self._pid: Future[int] | None = None

    async def plan(self, snapshot: Snapshot, policy: Policy) -> Plan:
        """The plan of a snapshot.

        Raises:
            PlannerLostError: when the planning process died.
        """
        seed = self._rng.getrandbits(64)
        if work_of(snapshot, policy) <= INLINE_WORK_MAX_US:
            return make_plan(snapshot, policy, seed)
        made = await self._elsewhere(make_plan, snapshot, policy, seed)
        self._lost_in_a_row = 0
        return made

    async def round(self, changes: Changes, policy: Policy, budget_s: float) -> Round:
        """A round of a large swarm (rule 4).

        Raises:
            PlannerLostError: when the planning process died.
            RefusedError: `internal` when it is a new one: it has to be told the whole.
        """
        last, number = await self._tell(changes)
        made = await self._elsewhere(make_round, last, number, policy, self._rng.getrandbits(63), budget_s)
        self._lost_in_a_row = 0
        return made

    async def explain(
        self, changes: Changes, policy: Policy, session_id: SessionId, *, limit: int
    ) -> Explanation | None:
        """Why a donor of a large swarm holds what it holds; None when there is none such.

        Raises:
            RefusedError: as of `round`.
        """
        last, number = await self._tell(changes)
        seed = self._rng.getrandbits(63)
        return await self._elsewhere(explain_donor, last, number, policy, seed, session_id, limit)

    async def _tell(self, changes: Changes) -> tuple[bytes, int]:
        """Tell the process all but the last part, which is returned, encoded, with its number (rule 5)."""
        number, parts = 0, parts_of(changes, _PART_BYTES)
        data = msgspec.msgpack.encode(next(parts))
        for part in parts:
            await self._elsewhere(take_part, data, number)
            data, number = msgspec.msgpack.encode(part), number + 1
        return data, number

    async def peak_memory_bytes(self) -> int:
        """The most memory that the planning process has taken.

        Raises:
            PlannerLostError: when it died.
        """
        return await self._elsewhere(peak_memory_bytes)

    @property
    def health(self) -> Health:
        """How the planning process is."""
        rests_s = max(0.0, self._begins_at_s - self._clock_s()) if self._pool is None else 0.0
        return Health(lost_in_a_row=self._lost_in_a_row, rests_s=round(rests_s, 1))

    def check(self) -> None:
        """Ask before what is long to be told is put together.

        Raises:
            PlannerLostError: while no new planning process may begin.
        """
        if rests_s := self.health.rests_s:
            raise PlannerLostError(f"The planning process died again and again; a new one begins in {rests_s:.0f} s.")

    async def _elsewhere(self, make: Callable[[Unpack[_Given]], _Made], *given: *_Given) -> _Made:
        """Call a function in the planning process."""
        if self._pool is None:
            self.check()
            # Spawned: a forked child would have the sockets and threads of the coordinator.
            self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
            self._pid = self._pool.submit(os.getpid)
        pool, pid = self._pool, self._pid
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.get_running_loop().run_in_executor(pool, make, *given)
        except TimeoutError:
            self._drop(pool, "hung and was ended")
            if pid is not None and pid.done():
                os.kill(pid.result(), signal.SIGKILL)
            raise PlannerLostError("The planning process hung and was ended.") from None
        except BrokenProcessPool:
            self._drop(pool, "died")
            raise PlannerLostError("The planning process died.") from None

    def _drop(self, pool: ProcessPoolExecutor, what: str) -> None:
        if self._pool is not pool:
            return  # others waited for it, too
        self._pool = None
        pool.shutdown(wait=False)
        self._lost_in_a_row += 1
        rests_s = rest_s(self._lost_in_a_row)
        self._begins_at_s = self._clock_s() + rests_s
        log.warning(
            "The planning process %s (%d in a row); a new one begins with the next plan, in %.0f s or later. Donors "
            "keep what they have. If this goes on, the machine may lack memory.",
            what,
            self._lost_in_a_row,
            rests_s,
        )

    def close(self) -> None:
        """End the planning process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the planning process is, for `/healthz`."""

    lost_in_a_row: int
    """Processes that died or hung since the last plan that one made."""
    rests_s: float
    """Before that no new one begins."""


def rest_s(lost_in_a_row: int) -> float:
    """How long none begins after so many were lost (rule 2): 0, 5, 10, 20, ... seconds, at most `REST_MAX_S`."""
    return 0.0 if lost_in_a_row < 2 else min(REST_MAX_S, REST_FIRST_S * 2.0 ** min(lost_in_a_row - 2, 16))


def work_of(snapshot: Snapshot, policy: Policy) -> float:
    """How long the plan takes, estimated, in microseconds; more than may be inline is not counted to its end."""
    sizes: Counter[int] = Counter()
    for file in snapshot.files:
        if file.segments:
            rows = -(-file.segments // run_segments(file, policy))
            sizes[-(-file.size_bytes // rows)] += rows
    rows = sizes.total()
    work = _PLAN_US + _ROW_US * rows + _RATE_US * sum(len(expected.rates) for expected in snapshot.demand)
    work += sum(_DONOR_US + _HELD_FILE_US * (len(donor.holdings) + len(donor.coming)) for donor in snapshot.donors)
    segment_bytes = {file.file_id: file.segment_size_bytes for file in snapshot.files}
    ranked = sorted(sizes.items())
    total_bytes = sum(file.size_bytes for file in snapshot.files)
    for donor in snapshot.donors:
        joins = donor.session_id in snapshot.joining
        if not joins and snapshot.standing is not None and donor.session_id not in snapshot.standing:
            continue
        if work > INLINE_WORK_MAX_US:
            break
        held_bytes = sum(sets.count(runs) * segment_bytes.get(file_id, 0) for file_id, runs in donor.holdings.items())
        pushed_bytes = min(push_bytes_max(donor, snapshot.now_us, policy), donor.storage_bytes)
        picks = _rows_within(ranked, min(pushed_bytes, max(0, total_bytes - held_bytes)))
        if held_bytes > donor.storage_bytes - policy.reserve_bytes:
            picks += _rows_within(ranked, donor.storage_bytes)  # what is kept is picked too
        work += _PLANNED_US + _PLANNED_ROW_US * rows + picks * (_PICK_US + _PICK_ROW_US * min(rows, CANDIDATES_MAX))
    return work


def _rows_within(ranked: Sequence[tuple[int, int]], size_bytes: int) -> int:
    """How many rows have room, at most; `ranked` has their sizes and how many there are of each, smallest first."""
    found = 0
    for row_bytes, rows in ranked:
        fitting = min(rows, -(-size_bytes // max(1, row_bytes)))
        found += fitting
        size_bytes -= fitting * row_bytes
        if size_bytes <= 0:
            break
    return found
