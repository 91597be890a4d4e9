"""The traces of spec/vectors/scheduler: scenarios as data, and what the scheduler does in each.

Run `python -m tests.unit.core.scheduler.traces` to write them anew after a rule changed; read the difference before you
commit it. The Python tests hold that the files are what this module makes; the TypeScript tests run the same files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from distribute_io.core.scheduler import messages as m
from distribute_io.core.scheduler.scheduler import Scheduler
from distribute_io.ids import SourceId
from tests.unit.core.scheduler.simulated_download import MIB, SimulatedDownload, SimulatedSource, Step

VECTORS = Path(__file__).parents[4] / "spec" / "vectors" / "scheduler"
SECOND = 1_000_000
EVER = 1 << 50


class Trace(msgspec.Struct, frozen=True, rename="camel"):
    """One file of spec/vectors/scheduler."""

    why: str
    """What it is for."""
    rules: tuple[str, ...]
    config: m.SchedulerConfig
    steps: tuple[Step, ...]
    sources: tuple[m.SourceStatus, ...]
    """The source table at the end."""


@dataclass(frozen=True)
class _Scenario:
    why: str
    rules: str
    run: Callable[[], tuple[m.SchedulerConfig, list[Step], tuple[m.SourceStatus, ...]]]


def make_traces() -> dict[str, Trace]:
    """Every trace by its file's name without `.json`."""
    traces = {}
    for name, scenario in _SCENARIOS.items():
        config, steps, sources = scenario.run()
        traces[name] = Trace(scenario.why, tuple(scenario.rules.split()), config, tuple(steps), sources)
    return traces


def encode(trace: Trace) -> bytes:
    """The file's bytes: one step a line, so that a difference can be read."""
    whole = msgspec.to_builtins(trace)
    steps = b",\n    ".join(msgspec.json.encode(step) for step in whole.pop("steps"))
    sources = b",\n    ".join(msgspec.json.encode(source) for source in whole.pop("sources"))
    head = b",\n".join(
        b"  " + msgspec.json.encode(key) + b": " + msgspec.json.encode(value) for key, value in whole.items()
    )
    return b"{\n" + head + b',\n  "steps": [\n    ' + steps + b'\n  ],\n  "sources": [\n    ' + sources + b"\n  ]\n}\n"


def _simulated(
    config: m.SchedulerConfig,
    *sources: SimulatedSource,
    compares: bool = True,
    verify_us: int = 20_000,
    pauses: tuple[tuple[int, int], ...] = (),
    sink_blocked: tuple[tuple[int, int], ...] = (),
) -> Callable[[], tuple[m.SchedulerConfig, list[Step], tuple[m.SourceStatus, ...]]]:
    def run() -> tuple[m.SchedulerConfig, list[Step], tuple[m.SourceStatus, ...]]:
        download = SimulatedDownload(
            config,
            list(sources),
            compares=compares,
            verify_us=verify_us,
            step_us=50_000,
            sink_blocked=sink_blocked,
        )
        outcome = download.run(pauses=pauses)
        assert outcome.last is not None
        return config, outcome.steps, tuple(outcome.sources.values())

    return run


def _scripted(
    config: m.SchedulerConfig, *script: tuple[int, m.Event]
) -> Callable[[], tuple[m.SchedulerConfig, list[Step], tuple[m.SourceStatus, ...]]]:
    def run() -> tuple[m.SchedulerConfig, list[Step], tuple[m.SourceStatus, ...]]:
        scheduler = Scheduler(config, 0)
        steps = []
        for now_us, event in script:
            actions = scheduler.handle(event, now_us)
            steps.append(Step(now_us, event, actions, scheduler.next_deadline_us()))
        return config, steps, scheduler.sources()

    return run


def _config(
    mib: int,
    *,
    extra_bytes: int = 0,
    missing: tuple[tuple[int, int], ...] | None = None,
    policy: m.Policy = "balanced",
    max_in_flight_bytes: int = 32 * MIB,
) -> m.SchedulerConfig:
    return m.SchedulerConfig(
        size_bytes=mib * MIB + extra_bytes,
        segment_size_bytes=MIB,
        missing=missing,
        policy=policy,
        max_in_flight_bytes=max_in_flight_bytes,
    )


def _mirror(name: str, mib_per_s: float) -> SimulatedSource:
    return SimulatedSource(name, int(mib_per_s * MIB))


def _peer(name: str, mib_per_s: float, *held: tuple[int, int], joins_us: int = 0) -> SimulatedSource:
    return SimulatedSource(name, int(mib_per_s * MIB), kind="peer", holdings=held, joins_us=joins_us)


def _frozen_peer(name: str, mib_per_s: float, *held: tuple[int, int], from_us: int) -> SimulatedSource:
    return replace(_peer(name, mib_per_s, *held), silent=((from_us, EVER),))


def _faulty(name: str, mib_per_s: float, **fault: object) -> SimulatedSource:
    source = _mirror(name, mib_per_s)
    for key, value in fault.items():
        setattr(source, key, value)
    return source


def _request_done(request_id: int, size_bytes: int, now_us: int) -> tuple[tuple[int, m.Event], ...]:
    return (
        (now_us, m.BytesReceived(request_id=request_id, received_bytes=size_bytes)),
        (now_us, m.RequestFinished(request_id=request_id)),
    )


_SCENARIOS: dict[str, _Scenario] = {
    "one-mirror": _Scenario(
        "One mirror gets a first request of 1 MiB and then the rest in one.",
        "S6 S7",
        _simulated(_config(16), _mirror("a", 8)),
    ),
    "one-mirror-two-lanes": _Scenario(
        "The lanes of a sole mirror share what is left, and stay together: no request exceeds half of memory.",
        "S6 S7",
        _simulated(_config(48, max_in_flight_bytes=16 * MIB), _faulty("a", 8, slots=3)),
    ),
    "two-mirrors-of-two-lanes": _Scenario(
        "Each lane gets its part of its source's fair share, so both lanes of both mirrors end together.",
        "S6 S7 S10",
        _simulated(_config(24), _faulty("a", 6, slots=3), _faulty("b", 2, slots=3)),
    ),
    "four-mirrors": _Scenario(
        "Four mirrors of unequal rate end together: the far part of the slowest is stolen.",
        "S5 S6 S7 S10",
        _simulated(_config(24), _mirror("a", 5), _mirror("b", 2), _mirror("c", 1), _mirror("d", 0.5)),
    ),
    "odd-size": _Scenario(
        "The last segment is shorter than the others, and its end is not aligned.",
        "S1 S2",
        _simulated(_config(3, extra_bytes=70_001), _mirror("a", 4), _mirror("b", 2)),
    ),
    "empty-file": _Scenario(
        "A file without bytes is complete at the first event.",
        "S15",
        _scripted(_config(0), (0, m.DeadlineReached())),
    ),
    "resume": _Scenario(
        "Only what is missing is fetched, in runs.",
        "S1 S8",
        _simulated(_config(16, missing=((1, 2), (4, 9), (15, 16))), _mirror("a", 4)),
    ),
    "small-memory": _Scenario(
        "With memory for two segments no third is begun, and slow checking is not a stall.",
        "S4",
        _simulated(_config(6, max_in_flight_bytes=2 * MIB), _mirror("a", 4), _mirror("b", 4), verify_us=2_500_000),
    ),
    "peers-and-mirror": _Scenario(
        "Mirrors take what nobody holds; peers what they hold, the rarest first.",
        "S8 S9",
        _simulated(_config(24), _mirror("a", 3), _peer("p", 1, (4, 12), joins_us=500_000), _peer("q", 1, (8, 16))),
    ),
    "fast-mirror-and-slow-peer": _Scenario(
        "Beside a slow peer a fast mirror's requests stay long, and it races the peer's end.",
        "S8 S10 S11",
        _simulated(_config(64), _mirror("a", 100), _peer("p", 0.25, (0, 64), joins_us=100_000)),
    ),
    "spare-mirrors": _Scenario(
        "With spare-mirrors the mirror leaves alone what a peer holds.",
        "S9",
        _simulated(_config(8, policy="spare-mirrors"), _mirror("a", 4), _peer("p", 2, (2, 8))),
    ),
    "fast-policy": _Scenario(
        "With fast the mirror goes along the file, whoever holds what.",
        "S9",
        _simulated(_config(8, policy="fast"), _mirror("a", 4), _peer("p", 2, (0, 4))),
    ),
    "mirror-dies": _Scenario(
        "A mirror breaks off and stays away: its rest goes to the other, it is tried again with backoff.",
        "S3 S14",
        _simulated(_config(16), _faulty("a", 4, down=((1_500_000, EVER),)), _mirror("b", 2)),
    ),
    "mirror-stalls": _Scenario(
        "No byte for two seconds: the segment is hedged, the rest given away, the source put on probation.",
        "S12 S14",
        _simulated(_config(16), _faulty("a", 4, silent=((1_500_000, EVER),)), _mirror("b", 2)),
    ),
    "peer-freezes-near-the-end": _Scenario(
        "The mirror that has nothing to do relieves a peer that fell silent, soon and although it spares mirrors.",
        "S9 S10 S11",
        _simulated(_config(4), _mirror("a", 1), _frozen_peer("p", 8, (0, 4), from_us=400_000)),
    ),
    "slow-checks-with-an-idle-source": _Scenario(
        "All memory waits for verdicts: sources that are not read are not silent, and nothing is asked for twice.",
        "S4 S10",
        _simulated(_config(6, max_in_flight_bytes=2 * MIB), _mirror("a", 10), _mirror("b", 1), verify_us=600_000),
    ),
    "sole-mirror-stalls": _Scenario(
        "A sole mirror that stalls is asked once more over a new connection.",
        "S12",
        _simulated(_config(8), _faulty("a", 2, silent=((1_000_000, 7_000_000),))),
    ),
    "mirror-crawls": _Scenario(
        "A source that needs too long for one segment is rescued by a much faster one.",
        "S11 S12 S14",
        _simulated(_config(16), _mirror("a", 2), _mirror("z", 0.02)),
    ),
    "mirror-breaks-often": _Scenario(
        "Every request breaks in the middle of a segment: what is whole to 64 KiB is kept, the rest comes again.",
        "S2 S3 S14",
        _simulated(_config(3), _faulty("a", 4, breaks_after_bytes=700_001)),
    ),
    "retry-after": _Scenario(
        "The source's own word about when to come back is honoured.",
        "S14 S15",
        _simulated(_config(4), _faulty("a", 4, busy_until_us=9 * SECOND)),
    ),
    "one-connection-too-many": _Scenario(
        "A mirror that refuses a second connection while the first delivers keeps one; it is no failure.",
        "S6 S14",
        _simulated(_config(8), _faulty("a", 2, connections_max=1)),
    ),
    "mirrors-of-one-host": _Scenario(
        "Three mirrors on one host have four connections together; a fourth on another host has its own.",
        "S6",
        _simulated(
            _config(32),
            _faulty("a", 4, host="h", slots=3),
            _faulty("b", 2, host="h", slots=3),
            _faulty("c", 2, host="h", slots=3),
            _faulty("d", 1, host="i", slots=3),
        ),
    ),
    "source-refuses": _Scenario(
        "A permanent failure excludes a source without accusing it.",
        "S14",
        _simulated(_config(4), _faulty("a", 4, refuses=True), _mirror("b", 4)),
    ),
    "all-refuse": _Scenario(
        "Nobody is left: the download fails, for want of availability.",
        "S15",
        _simulated(_config(4), _faulty("a", 4, refuses=True), _faulty("b", 4, refuses=True)),
    ),
    "never-connects": _Scenario(
        "Before the first byte, a few failures of every source suffice.",
        "S14 S15",
        _simulated(_config(4), _faulty("a", 4, down=((0, EVER),))),
    ),
    "liar": _Scenario(
        "A wrong segment from one source alone bans that source; its other unverified bytes are dropped.",
        "S13",
        _simulated(_config(12), _faulty("a", 4, lies=lambda index: True), _mirror("b", 2)),
    ),
    "all-lie": _Scenario(
        "Everybody lied: the download fails, for want of integrity.",
        "S13 S15",
        _simulated(_config(6), _faulty("a", 4, lies=lambda i: True), _faulty("b", 2, lies=lambda i: True)),
    ),
    "mixed-liar-compared": _Scenario(
        "Two sources sent a wrong segment: both suspected, fetched whole by a third, the liar found by comparing.",
        "S11 S13",
        _simulated(
            _config(2),
            _faulty("a", 1, lies=lambda index: index == 0),
            _mirror("b", 4),
            _faulty("c", 1, joins_us=1_500_000),
        ),
    ),
    "mixed-liar-not-compared": _Scenario(
        "The same where the driver does not compare: the suspects stay suspected and deliver whole segments only.",
        "S11 S13",
        _simulated(
            _config(8),
            _faulty("a", 0.25, lies=lambda index: index == 0),
            _faulty("b", 4, joins_us=500_000),
            _faulty("c", 1, joins_us=2 * SECOND),
            compares=False,
        ),
    ),
    "mixed-liar-found-by-refetch": _Scenario(
        "Two sources only, both suspected: one of them fetches the segment alone.",
        "S13",
        _scripted(
            _config(2),
            (0, m.SourceAdded(source_id=SourceId("a"), kind="mirror", slots=1)),
            (0, m.BytesReceived(request_id=1, received_bytes=400_000)),
            (1_000, m.RequestFailed(request_id=1, reason="mirror_unreachable")),
            (2_000, m.SourceAdded(source_id=SourceId("b"), kind="mirror", slots=1)),
            *_request_done(2, MIB - 393_216, 500_000),
            (510_000, m.SegmentRejected(segment_index=0)),
            *_request_done(3, MIB, 900_000),
            *_request_done(4, MIB, 900_000),
            (910_000, m.SegmentRejected(segment_index=0)),
            (910_000, m.SegmentVerified(segment_index=1)),
        ),
    ),
    "solo-not-left-to-probation": _Scenario(
        "Who had no part in a solo segment, but is on probation, is not waited for.",
        "S13",
        _scripted(
            _config(2),
            (0, m.SourceAdded(source_id=SourceId("c"), kind="mirror", slots=1)),
            (1_000, m.RequestFailed(request_id=1, reason="mirror_busy", retry_after_us=30 * SECOND)),
            (2_000, m.SourceAdded(source_id=SourceId("a"), kind="mirror", slots=1)),
            (3_000, m.BytesReceived(request_id=2, received_bytes=MIB // 2)),
            (4_000, m.RequestFailed(request_id=2, reason="mirror_unreachable")),
            (5_000, m.SourceAdded(source_id=SourceId("b"), kind="mirror", slots=1)),
            *_request_done(3, MIB // 2, 6_000),
            (7_000, m.SegmentRejected(segment_index=0)),
            *_request_done(4, MIB, 300_000),
            (310_000, m.SegmentVerified(segment_index=1)),
        ),
    ),
    "crooked-end": _Scenario(
        "A ban leaves a hole that ends inside a block: the block's bytes that are there are discarded, too.",
        "S2 S12 S13",
        _scripted(
            _config(2),
            (0, m.SourceAdded(source_id=SourceId("a"), kind="mirror", slots=3)),
            (100_000, m.BytesReceived(request_id=2, received_bytes=MIB)),
            (100_000, m.RequestFinished(request_id=2)),
            (200_000, m.BytesReceived(request_id=1, received_bytes=100_000)),
            (2_200_000, m.SourceAdded(source_id=SourceId("b"), kind="mirror", slots=1)),
            (2_400_000, m.BytesReceived(request_id=3, received_bytes=200_000)),
            (2_500_000, m.SourceAdded(source_id=SourceId("c"), kind="mirror", slots=1)),
            (2_600_000, m.SegmentRejected(segment_index=1)),
        ),
    ),
    "peer-leaves": _Scenario(
        "A peer closes its channel in the middle: what it sent stays, what it holds counts no more.",
        "S3 S8",
        _simulated(_config(12), _mirror("a", 2), _faulty("p", 2, kind="peer", leaves_us=1_500_000)),
    ),
    "holdings-change": _Scenario(
        "A peer that says what it holds now gets work by that.",
        "S8",
        _scripted(
            _config(8),
            (0, m.SourceAdded(source_id=SourceId("p"), kind="peer", holdings=((6, 7),))),
            (10_000, m.HoldingsChanged(source_id=SourceId("p"), holdings=((2, 3), (6, 7)))),
            *_request_done(1, MIB, 400_000),
            (410_000, m.SegmentVerified(segment_index=6)),
            (420_000, m.HoldingsChanged(source_id=SourceId("p"), holdings=None)),
        ),
    ),
    "peer-asked-by-hearsay": _Scenario(
        "A peer that says that it does not hold what it was asked for, and refuses it, is no failure and goes on.",
        "S8 S14",
        _scripted(
            _config(8),
            (0, m.SourceAdded(source_id=SourceId("p"), kind="peer", holdings=((6, 7),))),
            (10_000, m.HoldingsChanged(source_id=SourceId("p"), holdings=((2, 3),))),
            (11_000, m.RequestFailed(request_id=1, reason="not_held")),
            *_request_done(2, MIB, 400_000),
            (410_000, m.SegmentVerified(segment_index=2)),
            (420_000, m.HoldingsChanged(source_id=SourceId("p"), holdings=((4, 5),))),
            (430_000, m.RequestFailed(request_id=3, reason="not_held")),
        ),
    ),
    "peer-takes-its-word-back": _Scenario(
        "A peer that takes back what it said and refuses it has failed: hearsay ends with its first word.",
        "S14",
        _scripted(
            _config(8),
            (0, m.SourceAdded(source_id=SourceId("p"), kind="peer", holdings=((6, 7),))),
            (10_000, m.HoldingsChanged(source_id=SourceId("p"), holdings=((2, 3),))),
            (11_000, m.RequestFailed(request_id=1, reason="not_held")),
            (20_000, m.HoldingsChanged(source_id=SourceId("p"), holdings=())),
            (21_000, m.RequestFailed(request_id=2, reason="not_held")),
            (30_000, m.HoldingsChanged(source_id=SourceId("p"), holdings=((2, 3),))),
        ),
    ),
    "pause": _Scenario(
        "A pause cancels what is open and stops the clocks; what is there stays.",
        "S16",
        _simulated(_config(8), _mirror("a", 2), pauses=((1_000_000, 90_000_000),)),
    ),
    "in-order": _Scenario(
        "With inOrder nothing is asked for beyond the window, and a slow sink is no lack of progress.",
        "S7 S15 S17",
        _simulated(
            m.SchedulerConfig(
                size_bytes=12 * MIB,
                segment_size_bytes=MIB,
                max_in_flight_bytes=4 * MIB,
                in_order=True,
                give_up_us=2 * SECOND,
            ),
            _mirror("a", 6),
            _mirror("b", 1),
            sink_blocked=((1 * SECOND, 4 * SECOND),),
        ),
    ),
    "sleep": _Scenario(
        "An event long after the deadline: the machine slept, nothing is stalled by that.",
        "S16",
        _scripted(
            _config(4),
            (0, m.SourceAdded(source_id=SourceId("a"), kind="mirror")),
            (100_000, m.BytesReceived(request_id=1, received_bytes=100_000)),
            (3_600 * SECOND, m.DeadlineReached()),
            (3_600 * SECOND + 50_000, m.BytesReceived(request_id=1, received_bytes=200_000)),
        ),
    ),
    "late-events": _Scenario(
        "Events of unknown or finished requests and sources change nothing.",
        "S3",
        _scripted(
            _config(2),
            (0, m.SourceAdded(source_id=SourceId("a"), kind="mirror", slots=1)),
            (1_000, m.BytesReceived(request_id=7, received_bytes=5)),
            (1_000, m.RequestFinished(request_id=7)),
            (1_000, m.RequestFailed(request_id=7, reason="mirror_unreachable")),
            (1_000, m.SourceRemoved(source_id=SourceId("z"))),
            (1_000, m.HoldingsChanged(source_id=SourceId("z"), holdings=None)),
            (1_000, m.SourceAdded(source_id=SourceId("a"), kind="peer", slots=9)),
            (1_000, m.SegmentRejected(segment_index=0)),
            (1_000, m.PartsCompared(segment_index=0, wrong_source_ids=(SourceId("a"),))),
            *_request_done(1, 5 * MIB, 2_000),
            (2_000, m.BytesReceived(request_id=1, received_bytes=MIB)),
            (3_000, m.SegmentVerified(segment_index=0)),
            (3_000, m.SegmentVerified(segment_index=0)),
        ),
    ),
}


def _write() -> None:
    VECTORS.mkdir(parents=True, exist_ok=True)
    for name, trace in make_traces().items():
        (VECTORS / f"{name}.json").write_bytes(encode(trace))


if __name__ == "__main__":
    _write()
