"""How long does the garbage collector hold up the loop of a coordinator to which 100,000 donors come?

`python -m bench heap_pauses` makes the sessions and the state of `--donors` (100,000) donors with eight files each:
once as Python collects garbage by itself and once as `coordinator/heap.py` does, with a turn for each `--joins` (500)
that come. It writes the longest pauses in CPU milliseconds, each in a process of its own. Nothing is sent: what the
HTTP library keeps of a connection comes on top. With our way, then as many leave as come, `--joins` of each a turn, for
a hundred turns: `left_behind` is the garbage in cycles that was set aside, in objects for each donor that left.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final, Literal

from bench.record import write_result
from distribute_io.coordinator.heap import Heap
from distribute_io.coordinator.session import Session
from distribute_io.ids import CauseId, FileId, SessionId
from distribute_io.stores.memory_state import MemoryState
from distribute_io.stores.state import Donor, FileShape

_FILES: Final = 4_000
_HELD_FILES: Final = 8
_SEGMENTS: Final = 250
_MIB: Final = 1 << 20
_LEAVE_TURNS: Final = 100
PAUSE_MAX_MS: Final = 50.0


def run(options: list[str]) -> bool:
    """Measure and write the result; True when no turn of ours takes longer than 50 ms."""
    parser = argparse.ArgumentParser(prog="heap_pauses", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--donors", type=int, default=100_000)
    parser.add_argument("--joins", type=int, default=500)
    words = parser.parse_args(options)
    figures: dict[str, Any] = {"donors": words.donors, "joins_a_turn": words.joins}  # Any: JSON of any shape
    for who in ("python", "heap"):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            figures[who] = pool.submit(_measure, who, words.donors, words.joins).result()
        print(who, figures[who], flush=True)
    write_result("heap_pauses", figures)
    return bool(figures["heap"]["longest_ms"] <= PAUSE_MAX_MS)


def _measure(who: Literal["python", "heap"], donors: int, joins: int) -> dict[str, float]:
    looks_ms: list[float] = []
    began_s = 0.0

    def looked(phase: str, info: dict[str, int]) -> None:
        nonlocal began_s
        if phase == "start":
            began_s = time.process_time()
        elif info["generation"] == 2:
            looks_ms.append((time.process_time() - began_s) * 1_000)

    left_behind = asyncio.run(_come(who, donors, joins, looked))
    return {
        "left_behind": round(left_behind, 3),
        "looks": len(looks_ms),
        "longest_ms": round(max(looks_ms, default=0.0), 1),
        "median_ms": round(sorted(looks_ms)[len(looks_ms) // 2], 1) if looks_ms else 0.0,
        "all_s": round(sum(looks_ms) / 1_000, 2),
    }


async def _come(who: str, donors: int, joins: int, looked: Any) -> float:  # Any: a callback of the collector
    rng = random.Random(1)
    state, sessions = MemoryState(), dict[SessionId, Session]()
    shapes = [
        FileShape(
            file_id=FileId(f"{number:064x}"),
            cause=CauseId("main"),
            segments=_SEGMENTS,
            size_bytes=_SEGMENTS * _MIB,
            segment_size_bytes=_MIB,
        )
        for number in range(_FILES)
    ]
    heap = Heap(lambda: len(sessions))
    gc.collect()
    gc.freeze()  # as `dio serve` begins
    gc.callbacks.append(looked)
    for number in range(donors + (_LEAVE_TURNS * joins if who == "heap" else 0)):
        if number >= donors:
            leaves = SessionId(f"{number - donors:032x}")
            await state.drop_donor(leaves)
            del sessions[leaves]
        session_id = SessionId(f"{number:032x}")
        sessions[session_id] = Session(session_id, network=f"n-{number:08x}", region="EU/DE", now_us=0)
        await state.put_donor(
            Donor(
                session_id=session_id,
                causes=frozenset(),
                storage_bytes=64 * _MIB,
                up_bytes_per_s=625_000,
                takers_max=8,
                native=False,
                nat="unknown",
                region="EU/DE",
                joined_at_us=0,
                ready=True,
            )
        )
        for shape in rng.sample(shapes, _HELD_FILES):
            start = rng.randrange(_SEGMENTS // 8) * 8
            await state.put_holdings(session_id, shape, ((start, start + 8),))
            sessions[session_id].named.add(shape.file_id)
            sessions[session_id].runs_told[shape.file_id] = 1
        if who == "heap" and number % joins == joins - 1:
            heap.turn()
    gc.callbacks.remove(looked)
    gc.unfreeze()
    return gc.collect() / (_LEAVE_TURNS * joins)
