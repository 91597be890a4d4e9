"""Does the coordinator's loop go on while a large swarm is planned beside it?

One process has a coordinator's session side with `--donors` donors (default 100,000) that hold what they hold, and
relays signals between pairs of sessions: decoded, checked, written down again, queued and taken by a socket that does
nothing. `--signals` of them (default 2,000) are due each second. How late each is relayed is how long the loop was
busy with something else. `quiet`: nothing else happens. `told`: the planning process is told the whole swarm, and plans
it. `round`: a round after it, with `--changed` donors changed (default 500). `flat out` relays as many as it can, with
and without a round beside it; the machine's second core has the plan.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from bench.plan_times import catalogue, some_donor
from bench.record import write_result
from distribute_io.coordinator.addresses import public_address
from distribute_io.coordinator.books import Books
from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.coordinator.plan_process import peak_memory_bytes
from distribute_io.coordinator.session import Session
from distribute_io.coordinator.session_side import SessionSide, build_sessions, monotonic_us
from distribute_io.coordinator.shapes import Shapes
from distribute_io.core.placement.model import FileView
from distribute_io.ids import FileId, MatchId, SessionId
from distribute_io.stores.sql_catalogue import open_sqlite
from distribute_io.stores.state import Donor, FileShape, MatchRecord

_PAIRS = 256
_QUIET_S = 5.0
_FLAT_OUT_S = 3.0
_ASKED = 400_000
"""Requests, most of them for files of a million that are no more: the book of demand is full."""


class _Nowhere:
    """A socket that takes everything at once."""

    def __init__(self) -> None:
        self.taken = 0

    async def send(self, text: bytes) -> None:
        self.taken += 1

    async def close(self, code: int, reason: str) -> None:
        pass


class World:
    """The session side, and pairs of sessions that signal to each other."""

    def __init__(self, side: SessionSide, registry: dict[SessionId, Session]) -> None:
        self.side, self.registry = side, registry
        self.nowhere = _Nowhere()
        self._pairs: list[tuple[Session, bytes]] = []

    async def meet(self, shape: FileShape, tasks: asyncio.TaskGroup) -> None:
        """Introduce `_PAIRS` pairs."""
        payload = {"kind": "candidate", "candidate": "x" * 120}
        for number in range(_PAIRS):
            ends = [SessionId(f"{2**100 + 2 * number + side:032x}") for side in (0, 1)]
            for name in ends:
                session = self.registry[name] = Session(name, network=name, region="EU/00", now_us=monotonic_us())
                session.state = "idle"
                tasks.create_task(session.outbox.run(self.nowhere))
            match = MatchId(f"{number:032x}")
            await self.side.state.add_match(
                MatchRecord(
                    match_id=match,
                    shape=shape,
                    downloader=ends[0],
                    donor=ends[1],
                    receipt_secret=b"",
                    lacked=((0, 1),),
                    lacked_bytes=shape.bytes_of(((0, 1),)),
                    made_at_us=monotonic_us(),
                )
            )
            text = json.dumps({"type": "signal", "match_id": match, "payload": payload}).encode()
            self._pairs.append((self.registry[ends[0]], text))

    def signals(self) -> Iterator[tuple[Session, bytes]]:
        """One pair after another, for ever; as if each match were a new one."""
        while True:
            for session, text in self._pairs:
                session.signals.clear()
                yield session, text

    async def at_a_rate(self, per_s: float, until: Callable[[], bool]) -> dict[str, float]:
        """Relay so many a second; milliseconds that they were late."""
        late_ms: list[float] = []
        began = time.perf_counter()
        for number, (session, text) in enumerate(self.signals()):
            due = began + number / per_s
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            late_ms.append((time.perf_counter() - due) * 1_000)
            await self.side.sessions.message(session, text)
            if until():
                break
        late_ms.sort()
        return {
            "signals": len(late_ms),
            "median_ms": round(late_ms[len(late_ms) // 2], 2),
            "p99_ms": round(late_ms[int(len(late_ms) * 0.99)], 2),
            "most_ms": round(late_ms[-1], 2),
        }

    async def flat_out(self, until: Callable[[], bool]) -> int:
        """Signals per second, as many as it takes; sixteen of them, then others have their turn."""
        began, count = time.perf_counter(), 0
        for session, text in self.signals():
            session.bucket = _no_limit()
            await self.side.sessions.message(session, text)
            count += 1
            if count % 16 == 0:
                await asyncio.sleep(0)
                if until():
                    break
        return round(count / (time.perf_counter() - began))


def _no_limit() -> Any:  # Any: stands for a bucket
    return _NO_LIMIT


class _Unlimited:
    def available_bytes(self, _now_us: int) -> int:
        return 1

    def reserve(self, _size_bytes: int, _now_us: int) -> int:
        return 0


_NO_LIMIT = _Unlimited()


def run(options: list[str]) -> bool:
    """Measure and write the result; True when signals are late by at most 50 ms, 99 of 100, in each part."""
    parser = argparse.ArgumentParser(prog="relay_beside_plan", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--donors", type=int, default=100_000)
    parser.add_argument("--segments", type=int, default=1_000_000)
    parser.add_argument("--regions", type=int, default=50)
    parser.add_argument("--signals", type=float, default=2_000.0)
    parser.add_argument("--changed", type=int, default=500)
    words = parser.parse_args(options)
    with tempfile.TemporaryDirectory(prefix="dio-") as folder:
        figures = asyncio.run(_measure(words, Path(folder)))
    write_result("relay_beside_plan", figures)
    return all(figures[part]["p99_ms"] <= 50.0 for part in ("quiet", "told", "round"))


async def _measure(words: argparse.Namespace, folder: Path) -> dict[str, Any]:  # Any: JSON of any shape
    rng = random.Random(1)
    config = CoordinatorConfig(data_dir=str(folder), sessions_max=10**6)
    store = open_sqlite(folder / "catalogue.sqlite")
    registry: dict[SessionId, Session] = {}
    side = build_sessions(
        config,
        catalogue=store,
        books=Books(store, time.time),
        public=public_address(config, port=1, stun_ports=(2, 3)),
        accused=_nobody,
    )
    registry = side.donors._sessions  # type: ignore[assignment]
    files, _demand, sums = catalogue(words.donors, words.segments, words.regions, rng)
    shapes = _fill_shapes(side.shapes, files)
    await _fill_donors(words, side, registry, files, sums, shapes, rng)
    for number in range(_ASKED):
        file_id = rng.choices(files, cum_weights=sums)[0].file_id if number % 8 == 0 else _gone(rng)
        side.demand.book.asked(file_id, f"EU/{number % words.regions:02d}", "unknown", side.demand.now_us())
    world = World(side, registry)
    figures: dict[str, Any] = {"donors": words.donors, "segments": words.segments, "signals_per_s": words.signals}
    gc.collect()
    async with asyncio.TaskGroup() as tasks:
        await world.meet(shapes[files[0].file_id], tasks)
        ends_at = time.perf_counter() + _QUIET_S
        figures["quiet"] = await world.at_a_rate(words.signals, lambda: time.perf_counter() > ends_at)
        for part in ("told", "round"):
            figures[part] = await _beside(side.donors.plan_standing, lambda over: world.at_a_rate(words.signals, over))
            for name in itertools.islice(registry, words.changed):
                side.donors._swarm.note(name)
        ends_at = time.perf_counter() + _FLAT_OUT_S
        alone = await world.flat_out(lambda: time.perf_counter() > ends_at)
        figures["flat_out_per_s"] = {"alone": alone, **await _beside(side.donors.plan_standing, world_flat_out(world))}
        figures["this_process_peak_memory_mb"] = round(peak_memory_bytes() / 1e6)
        for session in registry.values():
            session.outbox.close(1000, "")
    side.office.close()
    await store.close()
    return figures


def world_flat_out(world: World) -> Callable[[Callable[[], bool]], Awaitable[dict[str, Any]]]:
    """Relaying flat out as a part."""

    async def part(over: Callable[[], bool]) -> dict[str, Any]:  # Any: as above
        return {"beside_a_round": await world.flat_out(over)}

    return part


async def _beside(
    plan: Callable[[], Awaitable[None]], part: Callable[[Callable[[], bool]], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:  # Any: as above
    """A part of the measurement, for as long as a plan takes."""
    began = time.perf_counter()
    planning = asyncio.ensure_future(plan())
    figures = await part(planning.done)
    await planning
    return {"plan_s": round(time.perf_counter() - began, 2), **figures}


def _gone(rng: random.Random) -> FileId:
    return FileId(f"{2**64 + rng.randrange(1_000_000):064x}")


async def _nobody(_file_id: FileId, _url: str, _network: str) -> None:
    pass


def _fill_shapes(shapes: Shapes, files: list[FileView]) -> dict[FileId, FileShape]:
    made = {
        file.file_id: FileShape(
            file_id=file.file_id,
            cause=file.cause,
            segments=file.segments,
            size_bytes=file.size_bytes,
            segment_size_bytes=file.segment_size_bytes,
        )
        for file in files
    }
    for file_id, shape in made.items():
        shapes._put(file_id, shape)
    return made


async def _fill_donors(
    words: argparse.Namespace,
    side: SessionSide,
    registry: dict[SessionId, Session],
    files: list[FileView],
    sums: list[float],
    shapes: dict[FileId, FileShape],
    rng: random.Random,
) -> None:
    for number in range(words.donors):
        view = some_donor(number, files, sums, words.regions, rng).view
        session = Session(view.session_id, network="", region=view.region, now_us=monotonic_us())
        session.state, session.storage_bytes = "donating", view.storage_bytes
        registry[view.session_id] = session
        await side.state.put_donor(
            Donor(
                session_id=view.session_id,
                causes=frozenset(),
                storage_bytes=view.storage_bytes,
                up_bytes_per_s=view.up_bytes_per_s,
                takers_max=8,
                native=False,
                nat=view.nat,
                region=view.region,
                joined_at_us=0,
                ready=True,
            )
        )
        for file_id, runs in view.holdings.items():
            await side.state.put_holdings(view.session_id, shapes[file_id], runs)
        side.donors._ready[view.session_id] = None
