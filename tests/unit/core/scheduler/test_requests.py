from __future__ import annotations

from tests.unit.core.scheduler.builders import SEGMENT, Stage


def test_the_rate_of_a_source_is_shared_by_its_requests_that_still_deliver() -> None:
    stage = Stage(8)
    source = stage.source(rate=10 * SEGMENT)
    stage.request(source, 0, SEGMENT, received=SEGMENT)
    second = stage.request(source, SEGMENT, 3 * SEGMENT)
    assert second.remaining_us(stage.now_us) == 200_000
    stage.request(source, 3 * SEGMENT, 4 * SEGMENT)
    assert second.remaining_us(stage.now_us) == 400_000


def test_ending_is_told_by_time_at_a_known_rate() -> None:
    stage = Stage(8)
    request = stage.request(
        stage.source(rate=10 * SEGMENT, latency_us=80_000), 0, 2 * SEGMENT, received=SEGMENT - 1_000
    )
    assert not request.is_ending(stage.now_us)
    stage.ledger.receive(request, SEGMENT)
    assert request.is_ending(stage.now_us)


def test_at_an_unknown_rate_half_of_the_first_request_is_near_enough_to_its_end() -> None:
    stage = Stage(8)
    source = stage.source()
    request = stage.request(source, 0, 2 * SEGMENT, received=SEGMENT - 1)
    assert not request.is_ending(stage.now_us)
    stage.ledger.receive(request, SEGMENT)
    assert request.is_ending(stage.now_us)
    source.finished_in_a_row = 1
    assert not request.is_ending(stage.now_us)
