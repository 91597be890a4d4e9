"""Whatever a few sources do, one good mirror beside them is enough, and costs little more than alone."""

from __future__ import annotations

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from distribute_io.core.scheduler import messages as m
from tests.unit.core.scheduler.simulated_download import MIB, SimulatedDownload, SimulatedSource

SECOND = 1_000_000
SEGMENTS = 24

times = st.integers(0, 12 * SECOND)
spans = st.tuples(times, st.integers(0, 10 * SECOND)).map(lambda span: ((span[0], span[0] + span[1]),))
holdings = st.one_of(
    st.none(),
    st.tuples(st.integers(0, SEGMENTS - 1), st.integers(1, SEGMENTS)).map(
        lambda run: ((run[0], min(SEGMENTS, run[0] + run[1])),)
    ),
)


def _lies(every: int, index: int) -> bool:
    return every > 0 and index % every == 0


@st.composite
def sources(draw: st.DrawFn) -> list[SimulatedSource]:
    made = []
    for place in range(draw(st.integers(0, 4))):
        kind: m.SourceKind = draw(st.sampled_from(["mirror", "peer"]))
        joins_us = draw(st.sampled_from([0, 0, SECOND]))
        made.append(
            SimulatedSource(
                f"s{place}",
                draw(st.sampled_from([1_000, 50_000, MIB // 2, MIB, 4 * MIB, 20 * MIB])),
                kind=kind,
                latency_us=draw(st.sampled_from([0, 20_000, 200_000])),
                holdings=draw(holdings) if kind == "peer" else None,
                slots=draw(st.integers(1, 3)),
                joins_us=joins_us,
                leaves_us=draw(st.sampled_from([None, joins_us, joins_us + 300_000, joins_us + 4 * SECOND])),
                down=draw(st.one_of(st.just(()), spans)),
                silent=draw(st.one_of(st.just(()), spans)),
                breaks_after_bytes=draw(st.sampled_from([None, None, 100_001, 3_000_000])),
                busy_until_us=draw(st.sampled_from([0, 0, 3 * SECOND])),
                refuses=draw(st.sampled_from([False, False, False, True])),
                lies=partial(_lies, draw(st.sampled_from([0, 0, 0, 1, 3, 10]))),
            )
        )
    return made


@settings(max_examples=40, deadline=None)
@given(sources(), st.sampled_from([MIB, 4 * MIB]), st.booleans())
def test_a_good_mirror_and_anybody_else(others: list[SimulatedSource], rate: int, compares: bool) -> None:
    config = m.SchedulerConfig(size_bytes=SEGMENTS * MIB, segment_size_bytes=MIB)
    good = SimulatedSource("good", rate)
    outcome = SimulatedDownload(config, [*others, good], compares=compares, step_us=20_000).run()
    assert outcome.last == m.Complete()
    assert "good" not in outcome.banned
    assert outcome.banned <= {other.name for other in others if any(other.lies(index) for index in range(SEGMENTS))}
    assert outcome.duplicate_bytes <= 0.03 * outcome.size_bytes + len(others) * MIB
    # Alone it would take this long; every fault may cost a stall and the segment that is fetched once more.
    alone_s = SEGMENTS * MIB / rate
    assert outcome.seconds <= 1.05 * alone_s + len(others) * (2.5 + MIB / rate) + 1
