from __future__ import annotations

from distribute_io.core.scheduler.clocks import Clocks
from distribute_io.core.scheduler.messages import SchedulerConfig
from distribute_io.core.scheduler.tuning import RETRY_AFTER_US_MAX
from tests.unit.core.scheduler.builders import SEGMENT, Stage

SECOND = 1_000_000
CONFIG = SchedulerConfig(size_bytes=1, segment_size_bytes=65_536)


def with_source() -> Clocks:
    """The first five seconds, in which more sources may come, are over."""
    clocks = Clocks(CONFIG, -5 * SECOND)
    clocks.note_usable(True, 0)
    clocks.progressed(0)
    clocks.advance(0, None, [])
    return clocks


def test_the_end_of_the_first_seconds_is_a_deadline() -> None:
    clocks = Clocks(CONFIG, 0)
    clocks.note_usable(True, 0)
    assert clocks.is_patient(0)
    assert clocks.next_deadline_us([], [], held_up=False) == 5 * SECOND
    clocks.advance(5 * SECOND, None, [])
    assert not clocks.is_patient(5 * SECOND)
    assert clocks.next_deadline_us([], [], held_up=False) == 60 * SECOND


def test_time_does_not_go_back() -> None:
    clocks = Clocks(CONFIG, 100)
    assert clocks.advance(50, None, []) == 100
    assert clocks.now_us == 100


def test_without_a_source_five_seconds_are_given() -> None:
    clocks = Clocks(CONFIG, 0)
    assert clocks.next_deadline_us([], [], held_up=False) == 5 * SECOND
    assert not clocks.is_time_up(5 * SECOND - 1)
    assert clocks.is_time_up(5 * SECOND)


def test_the_five_seconds_begin_when_the_last_source_goes() -> None:
    clocks = with_source()
    clocks.note_usable(False, 7 * SECOND)
    clocks.note_usable(False, 9 * SECOND)
    assert clocks.is_time_up(12 * SECOND)
    assert not clocks.is_time_up(12 * SECOND - 1)


def test_without_progress_a_minute_is_given() -> None:
    clocks = with_source()
    clocks.progressed(3 * SECOND)
    assert clocks.next_deadline_us([], [], held_up=False) == 63 * SECOND


def test_a_promised_retry_is_waited_for_up_to_a_bound() -> None:
    clocks = with_source()
    clocks.retry_promised(None, 0)
    clocks.retry_promised(100 * SECOND, 0)
    assert clocks.next_deadline_us([], [], held_up=False) == 160 * SECOND
    clocks.retry_promised(10 * RETRY_AFTER_US_MAX, 90 * SECOND)
    assert clocks.next_deadline_us([], [], held_up=False) == RETRY_AFTER_US_MAX + 60 * SECOND


def test_long_after_the_deadline_no_clock_ran() -> None:
    clocks = with_source()
    stage = Stage(1)
    request = stage.request(stage.source(), 0, SEGMENT)
    request.last_byte_us = 0
    clocks.advance(3_602 * SECOND, 2 * SECOND, [request])
    assert request.last_byte_us == 3_600 * SECOND
    assert not clocks.is_time_up(3_602 * SECOND)
    clocks.note_usable(False, 3_602 * SECOND)
    clocks.advance(7_000 * SECOND, 3_607 * SECOND, [])
    assert not clocks.is_time_up(7_000 * SECOND - 1)


def test_a_little_late_is_late() -> None:
    clocks = with_source()
    clocks.advance(64 * SECOND, 60 * SECOND, [])
    assert clocks.is_time_up(64 * SECOND)


def test_the_next_stall_or_its_end_is_a_deadline_unless_we_hold_up_ourselves() -> None:
    clocks = with_source()
    stage = Stage(2)
    request = stage.request(stage.source(), 0, SEGMENT)
    request.last_byte_us = SECOND
    done = stage.request(stage.source(), SEGMENT, 2 * SEGMENT, received=SEGMENT)
    done.last_byte_us = 0
    assert clocks.next_deadline_us([request, done], [], held_up=False) == 3 * SECOND
    request.stalled = True
    assert clocks.next_deadline_us([request, done], [], held_up=False) == 9 * SECOND
    assert clocks.next_deadline_us([request, done], [], held_up=True) == 60 * SECOND
    clocks.held_up(4 * SECOND)
    assert clocks.silent_since_us(request) == 4 * SECOND


def test_the_end_of_a_probation_and_the_next_review_are_deadlines() -> None:
    clocks = with_source()
    source = Stage(1).source()
    source.put_on_probation("mirror_unreachable", 0, None)
    assert clocks.next_deadline_us([], [source], held_up=False) == 500_000
    clocks.planned(0, 100_000)
    assert clocks.next_deadline_us([], [source], held_up=False) == 100_000
    assert clocks.review_is_due(100_000)
    assert not clocks.review_is_due(99_999)


def test_after_a_pause_the_clocks_begin_anew() -> None:
    clocks = Clocks(CONFIG, 0)
    clocks.advance(100 * SECOND, None, [])
    clocks.restart(100 * SECOND)
    assert clocks.next_deadline_us([], [], held_up=False) == 105 * SECOND
    clocks.note_usable(True, 100 * SECOND)
    clocks.restart(200 * SECOND)
    assert clocks.next_deadline_us([], [], held_up=False) == 260 * SECOND
