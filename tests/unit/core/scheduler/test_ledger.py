from __future__ import annotations

from distribute_io.core.scheduler.ledger import align_down, align_up
from tests.unit.core.scheduler.builders import BLOCK, SEGMENT, Stage


def test_a_request_takes_its_bytes_out_of_the_open_and_gives_the_rest_back() -> None:
    stage = Stage(4)
    request = stage.request(stage.source(), 0, 3 * SEGMENT, received=SEGMENT + 5)
    assert list(stage.ledger.open) == [(3 * SEGMENT, 4 * SEGMENT)]
    assert stage.ledger.left_bytes == 3 * SEGMENT - 5
    stage.ledger.finish(request)
    assert list(stage.ledger.open) == [(SEGMENT + 5, 4 * SEGMENT)]
    assert list(stage.ledger.fragments()) == [(SEGMENT + 5, 2 * SEGMENT)]
    assert stage.ledger.whole_run(0, 4) == (2, 4)


def test_surplus_and_earlier_figures_do_not_count() -> None:
    stage = Stage(2)
    request = stage.request(stage.source(), 0, SEGMENT, received=100)
    assert stage.ledger.receive(request, 50) == (0, 0)
    assert stage.ledger.receive(request, 5 * SEGMENT) == (SEGMENT - 100, 0)
    assert stage.ledger.is_awaiting()


def test_the_first_to_deliver_a_byte_is_its_sender() -> None:
    stage = Stage(1)
    first, second = stage.source(), stage.source()
    slow = stage.request(first, 0, SEGMENT, received=2 * BLOCK)
    hedge = stage.request(second, BLOCK, SEGMENT)
    slow.rival, hedge.rival = hedge, slow
    assert stage.ledger.receive(hedge, 2 * BLOCK) == (BLOCK, BLOCK)
    assert stage.ledger.partials[0].senders() == [first, second]
    assert stage.ledger.left_bytes == SEGMENT - 2 * BLOCK, "a hedge is counted once"
    stage.ledger.finish(slow)
    assert not stage.ledger.open, "the rival fetches what is left"
    assert hedge.rival is None


def test_bytes_of_verified_segments_are_duplicates() -> None:
    stage = Stage(2)
    request = stage.request(stage.source(), 0, 2 * SEGMENT)
    assert stage.ledger.verify(0) == ()
    assert stage.ledger.receive(request, SEGMENT + 7) == (7, SEGMENT)


def test_memory_counts_segments_begun_and_entered() -> None:
    stage = Stage(4, memory_segments=2)
    stage.request(stage.source(), 0, SEGMENT, received=SEGMENT)
    assert stage.ledger.has_room(3)
    assert not stage.ledger.is_held_up()
    stage.request(stage.source(), 2 * SEGMENT, 3 * SEGMENT)
    assert stage.ledger.has_room(2)
    assert not stage.ledger.has_room(3)
    assert stage.ledger.is_held_up()


def test_a_solo_segment_is_open_only_as_a_whole() -> None:
    stage = Stage(3)
    first, second = stage.source(), stage.source()
    stage.request(first, SEGMENT, SEGMENT + BLOCK, received=BLOCK)
    stage.request(second, SEGMENT + BLOCK, 2 * SEGMENT, received=SEGMENT)
    parts = stage.ledger.reject(1, solo=True)
    assert [part.source for part in parts] == [first, second]
    assert stage.ledger.solo_open == {1}
    assert list(stage.ledger.open) == [(0, SEGMENT), (2 * SEGMENT, 3 * SEGMENT)]
    again = stage.request(first, SEGMENT, 2 * SEGMENT, received=10)
    assert not stage.ledger.solo_open
    stage.ledger.finish(again)
    assert not stage.ledger.solo_open, "a part of it is still there"
    stage.ledger.drop(SEGMENT, 2 * SEGMENT, first)
    assert stage.ledger.solo_open == {1}
    assert stage.ledger.unfetched_bytes == 3 * SEGMENT


def test_dropping_what_is_not_there_does_nothing() -> None:
    stage = Stage(1)
    assert stage.ledger.drop(0, BLOCK, None) == []


def test_places_are_aligned_to_blocks() -> None:
    assert [align_down(BLOCK), align_down(BLOCK - 1), align_up(BLOCK), align_up(1)] == [BLOCK, 0, BLOCK, BLOCK]
