from __future__ import annotations

import pytest

from distribute_io.core.scheduler.choice import Drop, Fetch, Hedge, Steal
from distribute_io.core.scheduler.endgame import choose
from distribute_io.core.scheduler.messages import Policy
from tests.unit.core.scheduler.builders import BLOCK, SEGMENT, Stage

RATE = 10 * SEGMENT


# Steals (rule S10)


def test_an_idle_source_takes_what_lets_both_end_together() -> None:
    stage = Stage(40)
    victim = stage.request(stage.source(rate=3 * RATE), 0, 40 * SEGMENT)
    thief = stage.source(rate=RATE)
    thief.finished_in_a_row = 3
    assert choose(stage.outlook(), thief) == Steal(30 * SEGMENT, 40 * SEGMENT, victim)


def test_the_thief_takes_no_more_than_its_own_length() -> None:
    stage = Stage(100)
    victim = stage.request(stage.source(rate=RATE), 0, 100 * SEGMENT)
    thief = stage.source(rate=RATE)
    thief.finished_in_a_row = 0
    assert choose(stage.outlook(), thief) == Steal(50 * SEGMENT, 60 * SEGMENT, victim)


def test_an_unknown_thief_splits_in_half_and_takes_its_first_request() -> None:
    stage = Stage(100)
    victim = stage.request(stage.source(rate=RATE), 0, 100 * SEGMENT)
    assert choose(stage.outlook(), stage.source()) == Steal(50 * SEGMENT, 51 * SEGMENT, victim)


def test_between_unknown_rates_half_is_taken_once_the_victim_had_its_chance() -> None:
    stage = Stage(2)
    victim = stage.request(stage.source(), 0, 2 * SEGMENT, age_us=249_999)
    assert choose(stage.outlook(), stage.source()) is None
    victim.started_us -= 1
    assert choose(stage.outlook(), stage.source()) == Steal(SEGMENT, 2 * SEGMENT, victim)


def test_a_victim_of_unknown_rate_counts_as_what_it_has_shown() -> None:
    stage = Stage(2)
    victim = stage.request(stage.source(), 0, 2 * SEGMENT, received=7 * BLOCK, age_us=500_000)
    # With the next block it would be 1 MiB/s: four fifths of what is left are the thief's, begun at a segment.
    thief = stage.source(rate=4 * SEGMENT)
    assert choose(stage.outlook(), thief) == Steal(SEGMENT, 2 * SEGMENT, victim)


def test_a_slow_victim_is_raced_before_its_rate_is_known() -> None:
    stage = Stage(1)
    victim = stage.request(stage.source(), 0, SEGMENT, received=BLOCK, age_us=600_000)
    assert choose(stage.outlook(), stage.source(rate=100 * SEGMENT)) == Hedge(
        BLOCK, SEGMENT, victim, for_slowness=False
    )


def test_the_one_that_ends_last_is_stolen_from() -> None:
    stage = Stage(20)
    stage.request(stage.source(rate=RATE), 0, 10 * SEGMENT)
    slow = stage.request(stage.source(rate=RATE // 2), 10 * SEGMENT, 20 * SEGMENT)
    pick = choose(stage.outlook(), stage.source(rate=RATE))
    assert isinstance(pick, Steal)
    assert pick.victim is slow


def test_inside_the_last_segment_blocks_are_stolen() -> None:
    stage = Stage(1)
    victim = stage.request(stage.source(rate=SEGMENT), 0, SEGMENT, received=3 * BLOCK)
    assert choose(stage.outlook(), stage.source(rate=SEGMENT)) == Steal(10 * BLOCK, SEGMENT, victim)


def test_what_the_victim_delivers_in_the_meantime_stays_with_it() -> None:
    stage = Stage(40)
    victim = stage.request(stage.source(rate=RATE), 0, 40 * SEGMENT)
    thief = stage.source(rate=RATE, latency_us=1_000_000)
    thief.finished_in_a_row = 3
    assert choose(stage.outlook(), thief) == Steal(25 * SEGMENT, 40 * SEGMENT, victim)


def test_a_steal_that_saves_little_is_left() -> None:
    stage = Stage(1)
    stage.request(stage.source(rate=RATE), 0, SEGMENT, received=SEGMENT // 2)
    assert choose(stage.outlook(), stage.source(rate=RATE)) is None


def test_a_thief_that_would_get_nothing_done_takes_nothing() -> None:
    stage = Stage(1)
    stage.request(stage.source(rate=9 * SEGMENT), 0, SEGMENT)
    assert choose(stage.outlook(), stage.source(rate=1)) is None


def test_the_end_of_a_request_that_comes_at_once_is_left() -> None:
    stage = Stage(1)
    stage.request(stage.source(rate=RATE), 0, SEGMENT, received=SEGMENT - BLOCK)
    assert choose(stage.outlook(), stage.source()) is None


def test_a_peer_steals_the_last_run_that_it_holds() -> None:
    stage = Stage(40)
    victim = stage.request(stage.source(rate=RATE), 0, 40 * SEGMENT)
    peer = stage.source(rate=RATE, kind="peer", holdings=[(4, 6), (20, 22)])
    assert choose(stage.outlook(), peer) == Steal(20 * SEGMENT, 22 * SEGMENT, victim)
    other = stage.source(rate=RATE, kind="peer", holdings=[(50, 60)])
    assert choose(stage.outlook(), other) is None


def test_nothing_is_stolen_into_full_memory() -> None:
    stage = Stage(40, memory_segments=1)
    stage.request(stage.source(rate=RATE), 0, 40 * SEGMENT)
    assert choose(stage.outlook(), stage.source(rate=RATE)) is None


@pytest.mark.parametrize("suspect", ["thief", "victim"])
def test_suspects_steal_and_give_up_whole_segments_only(suspect: str) -> None:
    stage = Stage(2)
    victim_source, thief = stage.source(rate=SEGMENT), stage.source(rate=SEGMENT)
    victim = stage.request(victim_source, 0, 2 * SEGMENT)
    (thief if suspect == "thief" else victim_source).suspect()
    assert choose(stage.outlook(), thief) == Steal(SEGMENT, 2 * SEGMENT, victim)
    stage.ledger.receive(victim, SEGMENT + BLOCK)
    assert choose(stage.outlook(), thief) is None


def test_a_suspect_takes_nothing_where_only_a_piece_could_be_had() -> None:
    stage = Stage(3)
    victim = stage.request(stage.source(rate=100 * SEGMENT), 0, 3 * SEGMENT, received=2 * SEGMENT - BLOCK)
    thief = stage.source(rate=SEGMENT // 8)
    thief.suspect()
    assert victim.remaining_bytes > SEGMENT
    assert choose(stage.outlook(), thief) is None


def test_a_solo_segment_is_not_stolen_from() -> None:
    stage = Stage(1)
    for _ in range(2):
        stage.source(rate=SEGMENT)
    first, second = stage.sources
    stage.ledger.finish(stage.request(first, 0, BLOCK, received=BLOCK))
    stage.ledger.finish(stage.request(second, BLOCK, SEGMENT, received=SEGMENT))
    stage.ledger.reject(0, solo=True)
    stage.request(first, 0, SEGMENT)
    assert choose(stage.outlook(), stage.source(rate=20 * SEGMENT)) is None


@pytest.mark.parametrize(("policy", "steals"), [("fast", True), ("balanced", True), ("spare-mirrors", False)])
def test_policy_of_stealing_from_peers(policy: Policy, steals: bool) -> None:
    stage = Stage(8, policy=policy)
    stage.request(stage.source(rate=SEGMENT, kind="peer"), 0, 8 * SEGMENT)
    assert (choose(stage.outlook(), stage.source(rate=SEGMENT)) is not None) == steals


def test_a_source_does_not_steal_from_itself() -> None:
    stage = Stage(8)
    source = stage.source(rate=SEGMENT, slots=3)
    stage.request(source, 0, 8 * SEGMENT)
    assert choose(stage.outlook(), source) is None


# Hedges at the end (rule S11)


def test_the_rest_of_a_much_slower_request_is_raced() -> None:
    stage = Stage(1)
    slow = stage.request(stage.source(rate=SEGMENT // 4), 0, SEGMENT, received=BLOCK + 7)
    pick = choose(stage.outlook(), stage.source(rate=20 * SEGMENT))
    assert pick == Hedge(BLOCK, SEGMENT, slow, for_slowness=False)


def test_a_request_has_one_rival_at_most() -> None:
    stage = Stage(1)
    slow = stage.request(stage.source(rate=SEGMENT // 4), 0, SEGMENT)
    hedge = stage.request(stage.source(rate=SEGMENT // 4), 0, SEGMENT)
    slow.rival, hedge.rival = hedge, slow
    assert choose(stage.outlook(), stage.source(rate=20 * SEGMENT)) is None


def test_who_does_not_hold_the_segment_cannot_race() -> None:
    stage = Stage(2)
    stage.request(stage.source(rate=SEGMENT // 4), 0, SEGMENT)
    stage.request(stage.source(rate=9 * RATE), SEGMENT, 2 * SEGMENT)
    assert choose(stage.outlook(), stage.source(rate=9 * RATE, kind="peer", holdings=[(1, 2)])) is None


# Stalls and crawlers (rule S12)


def test_a_stalled_request_is_hedged_before_all_other_work() -> None:
    stage = Stage(8)
    stalled = stage.request(stage.source(rate=RATE), 0, SEGMENT, received=BLOCK + 1)
    stalled.stalled = True
    assert choose(stage.outlook(), stage.source()) == Hedge(BLOCK, SEGMENT, stalled, for_slowness=False)


def test_who_does_not_hold_the_stalled_segment_works_on() -> None:
    stage = Stage(8)
    stage.request(stage.source(rate=RATE), 0, SEGMENT).stalled = True
    peer = stage.source(kind="peer", holdings=[(5, 6)])
    assert choose(stage.outlook(), peer) == Fetch(5 * SEGMENT, 6 * SEGMENT)


def test_a_sole_source_hedges_itself_and_does_nothing_else() -> None:
    stage = Stage(8)
    source = stage.source(rate=RATE)
    stalled = stage.request(source, 0, SEGMENT)
    stalled.stalled = True
    assert choose(stage.outlook(), source) == Hedge(0, SEGMENT, stalled, for_slowness=False)
    stage.source()
    assert choose(stage.outlook(), source) is None


def test_a_suspect_leaves_a_stalled_request_to_one_who_may_mix() -> None:
    stage = Stage(8)
    stalled = stage.request(stage.source(), 0, SEGMENT)
    stalled.stalled = True
    suspect, clean = stage.source(), stage.source()
    suspect.suspect()
    assert choose(stage.outlook(), suspect) == Fetch(SEGMENT, 2 * SEGMENT)
    clean.hold([(5, 6)])
    assert choose(stage.outlook(), suspect) == Drop(stalled), "nobody else can: it ends, and is fetched whole"


def test_a_stalled_request_that_must_not_be_mixed_ends() -> None:
    stage = Stage(8)
    suspect = stage.source()
    stalled = stage.request(suspect, 0, SEGMENT)
    stalled.stalled = True
    suspect.suspect()
    assert choose(stage.outlook(), suspect) is None, "it does not end its own, if it is the only source"
    assert choose(stage.outlook(), stage.source()) == Drop(stalled)


def test_a_crawler_is_shortened_and_hedged_by_one_much_faster() -> None:
    stage = Stage(8)
    crawler = stage.request(stage.source(rate=SEGMENT // 32), 0, 8 * SEGMENT, received=BLOCK)
    assert choose(stage.outlook(), stage.source(rate=SEGMENT)) == Hedge(BLOCK, SEGMENT, crawler, for_slowness=True)


def test_a_crawler_that_must_not_be_mixed_is_cancelled() -> None:
    stage = Stage(8)
    source = stage.source(rate=SEGMENT // 32)
    crawler = stage.request(source, 0, SEGMENT)
    source.suspect()
    assert choose(stage.outlook(), stage.source(rate=SEGMENT)) == Drop(crawler)


@pytest.mark.parametrize(
    ("rate", "rescuer", "age_us"),
    [
        (SEGMENT // 32, SEGMENT, 1_999_999),
        (SEGMENT // 8, 9 * SEGMENT, 5_000_000),
        (SEGMENT // 32, SEGMENT // 8, 5_000_000),
    ],
    ids=["too young", "fast enough", "rescuer too slow"],
)
def test_no_crawler_is_one_too_early_or_without_a_faster_source(rate: int, rescuer: int, age_us: int) -> None:
    stage = Stage(8)
    stage.request(stage.source(rate=rate), 0, SEGMENT, age_us=age_us)
    pick = choose(stage.outlook(), stage.source(rate=rescuer))
    assert isinstance(pick, Fetch)
