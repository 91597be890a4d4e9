"""What runs in the planning process: single plans, and the rounds of a large swarm, of which it keeps what it was told.

The one thing kept is this module's, as a process that others start has no better place for it; it is used there only.
"""

from __future__ import annotations

import gc
import random
import resource
import time
from typing import Final

import msgspec

from distribute_io.core.placement.model import Plan, Policy, Snapshot
from distribute_io.core.placement.planner import plan
from distribute_io.core.placement.rounds import Changes, Explanation, Round, Rounds
from distribute_io.errors import RefusedError
from distribute_io.ids import SessionId

_DECODER: Final = msgspec.msgpack.Decoder(Changes)
_kept: Final[list[Rounds]] = []


def make_plan(snapshot: Snapshot, policy: Policy, seed: int) -> Plan:
    """The plan of a snapshot, from a seed; nothing is kept."""
    return plan(snapshot, policy, random.Random(seed))


def make_round(data: bytes, policy: Policy, seed: int, budget_s: float) -> Round:
    """Take changes (`Changes`, encoded), plan for about `budget_s` seconds in all.

    Raises:
        RefusedError: `internal` when this process has not been told the whole yet.
    """
    ends_at_s = time.monotonic() + budget_s
    gc.collect()
    gc.disable()  # nothing here is a cycle: to look for one, again and again, took a third of a first round
    try:
        changes = _DECODER.decode(data)
        return _rounds(changes, policy).round(changes, seed=seed, is_over=lambda: time.monotonic() >= ends_at_s)
    finally:
        gc.enable()


def explain_donor(data: bytes, policy: Policy, seed: int, session_id: SessionId, limit: int) -> Explanation | None:
    """Take changes (`Changes`, encoded), and tell why a donor holds what it holds; None when there is none such.

    Raises:
        RefusedError: as above.
    """
    changes = _DECODER.decode(data)
    return _rounds(changes, policy).explain(changes, session_id, seed=seed, limit=limit)


def _rounds(changes: Changes, policy: Policy) -> Rounds:
    if changes.whole:
        _kept[:] = [Rounds(policy)]
    if not _kept:
        raise RefusedError("internal", "The planning process is a new one and knows nothing of the swarm.")
    return _kept[0]


def peak_memory_bytes() -> int:
    """The most that this process has taken."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024
