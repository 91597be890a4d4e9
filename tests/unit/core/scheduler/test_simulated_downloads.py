"""What the scheduler promises, in virtual time: shares of the possible rate, and every fault survived."""

from __future__ import annotations

import pytest

from distribute_io.core.scheduler import messages as m
from tests.unit.core.scheduler.simulated_download import MIB, Outcome, SimulatedDownload, SimulatedSource

SECOND = 1_000_000
EVER = 1 << 50


def config(mib: int = 64, *, segment_size_bytes: int = MIB, policy: m.Policy = "balanced") -> m.SchedulerConfig:
    return m.SchedulerConfig(size_bytes=mib * MIB, segment_size_bytes=segment_size_bytes, policy=policy)


def source(name: str, mib_per_s: float, *, latency_us: int = 20_000) -> SimulatedSource:
    return SimulatedSource(name, int(mib_per_s * MIB), latency_us=latency_us)


def run(settings: m.SchedulerConfig, *sources: SimulatedSource, verify_us: int = 10_000) -> Outcome:
    return SimulatedDownload(settings, list(sources), verify_us=verify_us).run()


def assert_complete(outcome: Outcome) -> None:
    assert outcome.last == m.Complete()
    assert outcome.duplicate_bytes <= 0.03 * outcome.size_bytes


# Speed


@pytest.mark.parametrize(
    ("latency_us", "segment_size_bytes", "share"),
    [(20_000, MIB, 0.98), (100_000, MIB, 0.96), (20_000, 4 * MIB, 0.97), (0, 262_144, 0.98)],
)
def test_four_unequal_mirrors_give_nearly_the_sum(latency_us: int, segment_size_bytes: int, share: float) -> None:
    mirrors = [source(name, rate, latency_us=latency_us) for name, rate in (("a", 5), ("b", 2), ("c", 1), ("d", 0.5))]
    outcome = run(config(64, segment_size_bytes=segment_size_bytes), *mirrors)
    assert_complete(outcome)
    assert outcome.rate_bytes_per_s >= share * 8.5 * MIB


def test_one_fast_mirror_gets_two_requests_and_is_never_idle() -> None:
    outcome = run(config(1024), source("a", 200))
    assert_complete(outcome)
    assert outcome.requests == {"a": 2}
    assert outcome.rate_bytes_per_s >= 0.98 * 200 * MIB


@pytest.mark.parametrize("tiny", [0.001, 0.05, 0.2])
def test_a_mirror_that_does_not_help_does_not_delay(tiny: float) -> None:
    outcome = run(config(64), source("a", 20), source("z", tiny))
    assert_complete(outcome)
    assert outcome.rate_bytes_per_s >= 0.98 * 20 * MIB


def test_a_slow_donor_does_not_delay_a_fast_mirror() -> None:
    donor = SimulatedSource("p", MIB, kind="peer", joins_us=500_000)
    outcome = run(config(256), source("a", 100), donor)
    assert_complete(outcome)
    assert outcome.rate_bytes_per_s >= 0.97 * 100 * MIB


def test_four_donors_alone_give_nearly_the_sum() -> None:
    donors = [SimulatedSource(f"p{i}", 2 * MIB, kind="peer") for i in range(4)]
    outcome = run(config(64), *donors)
    assert_complete(outcome)
    assert outcome.rate_bytes_per_s >= 0.97 * 8 * MIB


def test_sixty_four_small_donors_one_after_another() -> None:
    donors = [
        SimulatedSource(
            f"p{i}",
            4 * MIB,
            kind="peer",
            holdings=((i, i + 1),),
            joins_us=i // 4 * 250_000,
            leaves_us=i // 4 * 250_000 + 600_000,
        )
        for i in range(64)
    ]
    outcome = run(config(64), *donors)
    assert_complete(outcome)
    assert outcome.seconds <= 4.5


def test_rates_that_change_are_followed() -> None:
    first = SimulatedSource("a", 5 * MIB, rates=((2 * SECOND, MIB), (8 * SECOND, 5 * MIB)))
    second = SimulatedSource("b", 2 * MIB, rates=((4 * SECOND, 6 * MIB),))
    outcome = run(config(100), first, second)
    assert_complete(outcome)
    possible_s = 8 + (100 - (2 * 5 + 6 * 1) - (4 * 2 + 4 * 6)) / 11
    assert outcome.seconds <= possible_s / 0.96


def test_mirrors_fill_what_donors_do_not_hold() -> None:
    donors = [SimulatedSource(f"p{i}", 2 * MIB, kind="peer", holdings=((i * 8, i * 8 + 8),)) for i in range(3)]
    outcome = run(config(64), source("a", 5), *donors)
    assert_complete(outcome)
    assert all(outcome.sources[f"p{i}"].verified_bytes >= 6 * MIB for i in range(3))
    assert outcome.seconds <= 40 / 5 / 0.96


@pytest.mark.parametrize(("policy", "most"), [("fast", 8.0), ("balanced", 8.0), ("spare-mirrors", 2.0)])
def test_policy_says_how_much_the_mirror_gives(policy: m.Policy, most: float) -> None:
    donor = SimulatedSource("p", 2 * MIB, kind="peer", holdings=((2, 16),))
    outcome = run(config(16, policy=policy), source("a", 4), donor)
    assert_complete(outcome)
    given = outcome.sources["a"].verified_bytes / MIB
    assert given <= most + 4
    assert (given <= 2) == (policy == "spare-mirrors")


# Faults


@pytest.mark.parametrize(
    "fault",
    [
        SimulatedSource("a", 5 * MIB, down=((3 * SECOND, EVER),)),
        SimulatedSource("a", 5 * MIB, silent=((3 * SECOND, EVER),)),
        SimulatedSource("a", 5 * MIB, down=((3 * SECOND, 5 * SECOND),)),
        SimulatedSource("a", 5 * MIB, silent=((3 * SECOND, 5 * SECOND),)),
        SimulatedSource("a", 5 * MIB, rates=((3 * SECOND, 1_000),)),
        SimulatedSource("a", 5 * MIB, breaks_after_bytes=3_000_000),
        SimulatedSource("a", 5 * MIB, busy_until_us=4 * SECOND),
        SimulatedSource("a", 5 * MIB, refuses=True),
    ],
    ids=["dies", "stalls", "breaks and comes back", "stalls and wakes", "crawls", "truncates", "busy", "refuses"],
)
def test_a_faulty_mirror_beside_a_good_one_costs_at_most_a_little(fault: SimulatedSource) -> None:
    outcome = run(config(64), fault, source("b", 4))
    assert_complete(outcome)
    assert not outcome.banned
    assert outcome.seconds <= 64 / 4 + 0.5


@pytest.mark.parametrize("kind", ["peer", "mirror"])
@pytest.mark.parametrize("from_us", [0, 300_000, 600_000])
def test_a_source_that_falls_silent_near_the_end_is_not_waited_for(kind: m.SourceKind, from_us: int) -> None:
    silent = SimulatedSource("s", 4 * MIB, kind=kind, silent=((from_us, EVER),))
    outcome = run(config(32), source("a", 50), silent)
    assert_complete(outcome)
    assert outcome.seconds <= 32 / 50 + 0.5


@pytest.mark.parametrize("kind", ["silent", "down"])
def test_a_network_lost_for_twenty_seconds_is_survived(kind: str) -> None:
    outage = ((3 * SECOND, 23 * SECOND),)
    sources = [source("a", 5), source("b", 2)]
    for lost in sources:
        setattr(lost, kind, outage)
    outcome = run(config(64), *sources)
    assert_complete(outcome)
    assert outcome.seconds <= 64 / 7 + 20 + 9


def test_a_truncating_sole_mirror_makes_progress() -> None:
    outcome = run(config(4), SimulatedSource("a", 4 * MIB, breaks_after_bytes=100_000))
    assert_complete(outcome)


def test_a_mirror_that_lies_everywhere_is_banned_at_its_first_segment() -> None:
    outcome = run(config(64), SimulatedSource("a", 5 * MIB, lies=lambda index: True), source("b", 4))
    assert_complete(outcome)
    assert outcome.banned == {"a"}
    assert outcome.sources["a"].verified_bytes == 0
    assert outcome.rejected_bytes <= 3 * MIB


def test_a_mirror_that_lies_in_one_of_ten_is_banned_and_nobody_else() -> None:
    liar = SimulatedSource("a", 5 * MIB, lies=lambda index: index % 10 == 3)
    outcome = run(config(64), liar, source("b", 2), source("c", 1))
    assert_complete(outcome)
    assert outcome.banned == {"a"}


@pytest.mark.parametrize("compares", [True, False])
@pytest.mark.parametrize("where", [0, 3, 11, 14, 15])
def test_one_wrong_segment_never_bans_the_honest(where: int, compares: bool) -> None:
    liar = SimulatedSource("a", 5 * MIB, lies=lambda index: index == where)
    download = SimulatedDownload(config(16), [liar, source("b", 2), source("c", 1)], compares=compares)
    outcome = download.run()
    assert_complete(outcome)
    assert outcome.banned <= {"a"}


@pytest.mark.parametrize("liars", [1, 2, 3])
def test_lying_donors_that_mix_at_the_end_are_found(liars: int) -> None:
    donors = [
        SimulatedSource(
            f"p{i}", MIB // 2, kind="peer", lies=(lambda index: index >= 6) if i < liars else lambda _: False
        )
        for i in range(4)
    ]
    outcome = run(config(8), source("a", 1), *donors)
    assert_complete(outcome)
    assert outcome.banned <= {f"p{i}" for i in range(liars)}


def test_all_sources_lying_is_a_failure_of_integrity() -> None:
    liars = [SimulatedSource(name, 4 * MIB, lies=lambda index: True) for name in "ab"]
    outcome = run(config(16), *liars)
    assert outcome.last == m.Fail(reason="integrity", code="all_sources_bad")
    assert outcome.banned == {"a", "b"}
    assert outcome.seconds <= 7


def test_no_usable_source_is_a_failure_of_availability() -> None:
    outcome = run(config(16), SimulatedSource("a", MIB, refuses=True))
    assert outcome.last == m.Fail(reason="availability", code="all_sources_failed")
    assert outcome.sources["a"].reason == "mirror_ignores_range"


def test_a_dead_mirror_is_given_up_soon_when_nothing_ever_came() -> None:
    outcome = run(config(16), SimulatedSource("a", MIB, down=((0, EVER),)))
    assert outcome.last == m.Fail(reason="availability", code="all_sources_failed")
    assert outcome.seconds <= 6


def test_a_donor_that_comes_after_dead_mirrors_is_waited_for() -> None:
    donor = SimulatedSource("p", 4 * MIB, kind="peer", joins_us=4 * SECOND)
    outcome = run(config(16), SimulatedSource("a", MIB, down=((0, EVER),)), donor)
    assert_complete(outcome)


def test_donors_with_parts_that_vanish_are_survived() -> None:
    donors = [
        SimulatedSource(
            f"p{i}",
            2 * MIB,
            kind="peer",
            holdings=((i * 8, i * 8 + 16),),
            joins_us=i * 100_000,
            leaves_us=2 * SECOND + i * 300_000,
        )
        for i in range(6)
    ]
    outcome = run(config(64), source("a", 3), *donors)
    assert_complete(outcome)
    assert outcome.seconds <= 64 / 3


@pytest.mark.parametrize(("window", "share"), [(16, 0.9), (64, 0.97)])
def test_sources_stay_together_where_segments_must_leave_in_order(window: int, share: float) -> None:
    settings = m.SchedulerConfig(
        size_bytes=128 * MIB, segment_size_bytes=MIB, max_in_flight_bytes=window * MIB, in_order=True
    )
    outcome = run(settings, source("a", 5), source("b", 2), source("c", 1), source("d", 0.5))
    assert_complete(outcome)
    assert outcome.segments_in_memory_max <= window
    assert outcome.rate_bytes_per_s >= share * 8.5 * MIB


def test_a_mirror_that_stalls_does_not_block_the_window() -> None:
    settings = m.SchedulerConfig(
        size_bytes=64 * MIB, segment_size_bytes=MIB, max_in_flight_bytes=16 * MIB, in_order=True
    )
    stalled = source("a", 5)
    stalled.silent = ((2 * SECOND, EVER),)
    outcome = run(settings, stalled, source("b", 5))
    assert_complete(outcome)
    assert outcome.seconds <= 20  # 10 MiB of two, 54 of one; 2 s until the stall is seen


def test_a_blocked_sink_is_waited_for_without_end() -> None:
    settings = m.SchedulerConfig(size_bytes=8 * MIB, segment_size_bytes=MIB, max_in_flight_bytes=4 * MIB, in_order=True)
    download = SimulatedDownload(settings, [source("a", 8)], sink_blocked=((200_000, 400 * SECOND),))
    outcome = download.run()
    assert_complete(outcome)
    assert outcome.seconds >= 400


def test_memory_stays_within_its_bound_with_a_slow_disk() -> None:
    settings = m.SchedulerConfig(size_bytes=32 * MIB, segment_size_bytes=MIB, max_in_flight_bytes=4 * MIB)
    outcome = run(settings, source("a", 20), source("b", 10), verify_us=1_000_000)
    assert_complete(outcome)
    assert outcome.segments_in_memory_max <= 4
    assert not any(isinstance(action, m.ProbateSource) for _, action in outcome.actions)


def test_a_pause_keeps_what_is_there() -> None:
    download = SimulatedDownload(config(16), [source("a", 4)])
    outcome = download.run(pauses=((SECOND, 100 * SECOND),))
    assert_complete(outcome)
    assert outcome.seconds <= 100 + 16 / 4
    assert outcome.rejected_bytes <= 65_536


def test_resume_fetches_only_what_is_missing() -> None:
    settings = m.SchedulerConfig(size_bytes=64 * MIB, segment_size_bytes=MIB, missing=((3, 5), (60, 64)))
    outcome = run(settings, source("a", 4))
    assert_complete(outcome)
    assert outcome.sources["a"].received_bytes == 6 * MIB
