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
from distribute_io.core.placement.rounds import Changes, Explanation, Round, Rounds, put_together
from distribute_io.errors import RefusedError
from distribute_io.ids import SessionId

_DECODER: Final = msgspec.msgpack.Decoder(Changes)
_kept: Final[list[Rounds]] = []
_told: Final[list[Changes]] = []
"""Parts of changes of which the last has not come yet."""


def make_plan(snapshot: Snapshot, policy: Policy, seed: int) -> Plan:
    """The plan of a snapshot, from a seed; nothing is kept."""
    return plan(snapshot, policy, random.Random(seed))


def take_part(data: bytes, number: int) -> None:
    """Keep a part of changes (`Changes`, encoded) until the last one comes; the first is number 0.

    Raises:
        RefusedError: `internal` when this process has not been told the parts before.
    """
    if number == 0:
        _told.clear()  # what is there was never ended
    if number != len(_told):
        raise RefusedError("internal", "The planning process is a new one and has not heard the beginning.")
    _told.append(_DECODER.decode(data))


def _all_of(data: bytes, number: int) -> Changes:
    """The changes of which this is the last part."""
    take_part(data, number)
    changes = put_together(_told)
    _told.clear()
    return changes


def make_round(data: bytes, number: int, policy: Policy, seed: int, budget_s: float) -> Round:
    """Take the last part of changes (`Changes`, encoded), plan for about `budget_s` seconds in all.

    Raises:
        RefusedError: `internal` when this process has not been told the whole yet.
    """
    ends_at_s = time.monotonic() + budget_s
    gc.collect()
    gc.disable()  # nothing here is a cycle: to look for one, again and again, took a third of a first round
    try:
        changes = _all_of(data, number)
        return _rounds(changes, policy).round(changes, seed=seed, is_over=lambda: time.monotonic() >= ends_at_s)
    finally:
        gc.enable()


def explain_donor(
    data: bytes, number: int, policy: Policy, seed: int, session_id: SessionId, limit: int
) -> Explanation | None:
    """Take the last part of changes (`Changes`, encoded), and tell why a donor holds what it holds.

    None when there is none such.

    Raises:
        RefusedError: as above.
    """
    changes = _all_of(data, number)
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
