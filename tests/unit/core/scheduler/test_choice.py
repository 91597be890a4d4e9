from __future__ import annotations

import pytest

from distribute_io.core.scheduler.choice import Fetch, can_take_more, choose_open_work, request_segments
from distribute_io.core.scheduler.messages import Policy
from tests.unit.core.scheduler.builders import BLOCK, SEGMENT, Stage


def segments(pick: object) -> tuple[int, int]:
    assert isinstance(pick, Fetch)
    return pick.start // SEGMENT, -(-pick.end // SEGMENT)


# Slots (rule S6)


def test_a_source_takes_one_request_at_a_time() -> None:
    stage = Stage(8)
    source = stage.source(rate=SEGMENT)
    assert can_take_more(stage.outlook(), source)
    stage.request(source, 0, 4 * SEGMENT)
    assert not can_take_more(stage.outlook(), source)


def test_the_next_request_may_overlap_the_end_of_the_open_one() -> None:
    stage = Stage(8)
    source = stage.source(rate=SEGMENT, latency_us=100_000)
    stage.request(source, 0, 4 * SEGMENT, received=4 * SEGMENT - SEGMENT // 9)
    assert can_take_more(stage.outlook(), source)


def test_without_a_second_slot_nothing_overlaps() -> None:
    stage = Stage(8)
    source = stage.source(rate=SEGMENT, slots=1)
    stage.request(source, 0, 4 * SEGMENT, received=4 * SEGMENT - 1)
    assert not can_take_more(stage.outlook(), source)


def test_three_slots_are_two_lanes() -> None:
    stage = Stage(8)
    source = stage.source(rate=SEGMENT, slots=3)
    stage.request(source, 0, 2 * SEGMENT)
    assert can_take_more(stage.outlook(), source)
    stage.request(source, 2 * SEGMENT, 4 * SEGMENT)
    assert not can_take_more(stage.outlook(), source)


def test_a_stalled_source_gets_nothing_unless_it_is_the_only_one() -> None:
    stage = Stage(8)
    source = stage.source(rate=SEGMENT)
    stage.request(source, 0, SEGMENT).stalled = True
    assert can_take_more(stage.outlook(), source)
    stage.source()
    assert not can_take_more(stage.outlook(), source)


# Length (rule S7)


def test_a_source_of_unknown_rate_gets_the_first_request() -> None:
    stage = Stage(8)
    assert request_segments(stage.outlook(), stage.source()) == 1


def test_a_request_lasts_the_horizon_which_finished_requests_double() -> None:
    stage = Stage(400)
    source, _ = stage.source(rate=4 * SEGMENT), stage.source(rate=SEGMENT)
    for finished, expected in ((0, 4), (1, 8), (3, 32), (9, 32)):
        source.finished_in_a_row = finished
        assert request_segments(stage.outlook(), source) == expected


def test_a_request_is_no_longer_than_the_fair_share_but_a_segment() -> None:
    stage = Stage(10)
    source, slow = stage.source(rate=40_000_000), stage.source(rate=10_000_000)
    source.finished_in_a_row = 3
    assert request_segments(stage.outlook(), source) == 8
    assert request_segments(stage.outlook(), slow) == 2
    stage.request(source, 0, 8 * SEGMENT, received=8 * SEGMENT)
    assert request_segments(stage.outlook(), slow) == 1


def test_the_only_source_gets_the_whole_run_once_it_has_delivered() -> None:
    stage = Stage(50)
    source = stage.source()
    assert segments(choose_open_work(stage.outlook(), source)) == (0, 1)
    stage.request(source, 0, SEGMENT, received=SEGMENT // 2)
    source.received_bytes = SEGMENT // 2
    assert segments(choose_open_work(stage.outlook(), source)) == (1, 50)


def test_several_lanes_share_the_horizon_and_the_fair_share() -> None:
    stage = Stage(400)
    source, _ = stage.source(rate=8 * SEGMENT, slots=3), stage.source(rate=SEGMENT, slots=3)
    assert request_segments(stage.outlook(), source) == 8
    stage = Stage(10)
    source, _ = stage.source(rate=80 * SEGMENT, slots=3), stage.source(rate=10 * SEGMENT, slots=3)
    assert request_segments(stage.outlook(), source) == 4


@pytest.mark.parametrize("busy", [False, True])
def test_several_lanes_share_the_run_of_the_only_source_busy_or_not(busy: bool) -> None:
    stage = Stage(21)
    source = stage.source(rate=SEGMENT, slots=3)
    source.received_bytes = SEGMENT
    source.finished_in_a_row = 1
    if busy:
        stage.request(source, 0, SEGMENT)
    first, end = segments(choose_open_work(stage.outlook(), source))
    assert end - first == (10 if busy else 11)


def test_lanes_of_the_only_source_stay_together() -> None:
    stage = Stage(5000)
    source = stage.source(rate=800 * SEGMENT, slots=3)
    source.received_bytes = SEGMENT
    source.finished_in_a_row = 1
    in_flight = stage.outlook().config.max_in_flight_bytes // SEGMENT
    assert segments(choose_open_work(stage.outlook(), source)) == (0, in_flight // 2)


# Which (rule S8)


def test_pieces_of_segments_come_before_whole_runs() -> None:
    stage = Stage(8)
    source = stage.source(rate=SEGMENT)
    broken = stage.request(source, 4 * SEGMENT, 6 * SEGMENT, received=SEGMENT + BLOCK + 9)
    stage.ledger.finish(broken)
    assert choose_open_work(stage.outlook(), source) == Fetch(5 * SEGMENT + BLOCK, 6 * SEGMENT)


def test_a_suspect_takes_no_pieces_of_segments() -> None:
    stage = Stage(8)
    source = stage.source(rate=SEGMENT)
    stage.ledger.finish(stage.request(source, 0, SEGMENT, received=BLOCK))
    source.suspect()
    clean = stage.source(kind="peer", holdings=[(0, 1)])
    assert segments(choose_open_work(stage.outlook(), source))[0] == 1
    clean.hold([(7, 8)])
    assert choose_open_work(stage.outlook(), source) == Fetch(0, SEGMENT), "nobody else can go on with it"


def test_a_mirror_takes_what_no_peer_holds() -> None:
    stage = Stage(8)
    mirror = stage.source(rate=SEGMENT)
    stage.source(kind="peer", holdings=[(0, 3), (5, 8)])
    assert segments(choose_open_work(stage.outlook(), mirror)) == (3, 5)


def test_a_peer_takes_the_rarest_that_it_holds() -> None:
    stage = Stage(8)
    peer = stage.source(kind="peer", holdings=[(0, 6)])
    stage.source(kind="peer", holdings=[(0, 4)])
    assert segments(choose_open_work(stage.outlook(), peer)) == (4, 5)


def test_a_stalled_peer_counts_as_no_holder() -> None:
    stage = Stage(8)
    mirror, peer = stage.source(rate=SEGMENT), stage.source(kind="peer")
    stage.request(peer, 7 * SEGMENT, 8 * SEGMENT).stalled = True
    assert segments(choose_open_work(stage.outlook(), mirror))[0] == 0


def test_where_peers_hold_all_a_mirror_helps_where_they_would_end_last() -> None:
    stage = Stage(16)
    mirror = stage.source(rate=4 * SEGMENT)
    stage.source(rate=4 * SEGMENT, kind="peer", holdings=[(0, 6)])
    stage.source(rate=SEGMENT, kind="peer", holdings=[(6, 16)])
    first, end = segments(choose_open_work(stage.outlook(), mirror))
    assert first == 6
    assert end - first <= 9, "the slow peer keeps its share"


def test_peers_choose_before_mirrors_and_small_holders_first() -> None:
    stage = Stage(16)
    mirror, everything = stage.source(), stage.source(kind="peer")
    small = stage.source(kind="peer", holdings=[(0, 2)])
    assert stage.outlook().in_order_of_choice() == [small, everything, mirror]


def test_a_source_that_holds_nothing_open_gets_nothing() -> None:
    stage = Stage(8)
    peer = stage.source(kind="peer", holdings=[(2, 4)])
    stage.request(stage.source(), 2 * SEGMENT, 4 * SEGMENT)
    assert choose_open_work(stage.outlook(), peer) is None


def test_no_new_segment_is_begun_while_memory_is_full() -> None:
    stage = Stage(8, memory_segments=1)
    stage.request(stage.source(), 0, SEGMENT)
    assert choose_open_work(stage.outlook(), stage.source()) is None


# Policy (rule S9)


@pytest.mark.parametrize(("policy", "start"), [("fast", (0, 1)), ("balanced", (0, 1)), ("spare-mirrors", None)])
def test_policy_of_what_peers_hold(policy: Policy, start: tuple[int, int] | None) -> None:
    stage = Stage(8, policy=policy)
    mirror = stage.source()
    stage.source(kind="peer", rate=SEGMENT)
    pick = choose_open_work(stage.outlook(), mirror)
    assert (None if pick is None else segments(pick)) == start


def test_balanced_leaves_to_peers_what_they_soon_finish() -> None:
    stage = Stage(8)
    stage.now_us = 1_000_000_000
    mirror = stage.source()
    stage.source(kind="peer", rate=SEGMENT)
    assert choose_open_work(stage.outlook(), mirror) is None


# Solo segments (rule S13)


def test_a_solo_segment_goes_to_one_who_had_no_part_in_it_if_there_is_one() -> None:
    stage = Stage(4)
    first, second = stage.source(rate=SEGMENT), stage.source(rate=SEGMENT)
    for source, start, end in ((first, SEGMENT, SEGMENT + BLOCK), (second, SEGMENT + BLOCK, 2 * SEGMENT)):
        stage.ledger.finish(stage.request(source, start, end, received=end - start))
    stage.ledger.reject(1, solo=True)
    assert choose_open_work(stage.outlook(), first) == Fetch(SEGMENT, 2 * SEGMENT)
    outsider = stage.source(kind="peer", holdings=[(1, 4)])
    assert segments(choose_open_work(stage.outlook(), first))[0] == 0
    assert choose_open_work(stage.outlook(), outsider) == Fetch(SEGMENT, 2 * SEGMENT)
    stage.request(outsider, 3 * SEGMENT, 4 * SEGMENT)
    assert choose_open_work(stage.outlook(), first) == Fetch(SEGMENT, 2 * SEGMENT), "nobody is waited for"


def test_a_solo_segment_waits_for_a_holder_and_for_memory() -> None:
    stage = Stage(4, memory_segments=1)
    source = stage.source()
    stage.ledger.finish(stage.request(source, 0, SEGMENT, received=SEGMENT))
    stage.ledger.reject(0, solo=True)
    other = stage.source(kind="peer", holdings=[(1, 2)])
    assert segments(choose_open_work(stage.outlook(), other)) == (1, 2)
    stage.request(other, SEGMENT, 2 * SEGMENT)
    assert choose_open_work(stage.outlook(), source) is None
