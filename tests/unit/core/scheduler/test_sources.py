from __future__ import annotations

from distribute_io.core.scheduler.requests import Request
from distribute_io.core.scheduler.sources import Host, Source
from distribute_io.ids import SourceId

SECOND = 1_000_000


def a_source() -> Source:
    return Source(SourceId("a"), 0, "mirror", 2)


def test_backoff_doubles_with_each_failure_in_a_row_up_to_eight_seconds() -> None:
    source = a_source()
    waits = []
    for _ in range(7):
        assert source.put_on_probation("mirror_unreachable", 0, None)
        waits.append(source.probation_until_us)
        source.return_from_probation()
    assert waits == [500_000, SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND, 8 * SECOND, 8 * SECOND]


def test_slowness_waits_longer_and_is_no_failure() -> None:
    source = a_source()
    waits = []
    for _ in range(6):
        source.put_on_probation("slow", 0, None)
        waits.append(source.probation_until_us)
        source.return_from_probation()
    assert waits == [10 * SECOND, 20 * SECOND, 40 * SECOND, 80 * SECOND, 160 * SECOND, 160 * SECOND]
    assert source.failures == 0


def test_its_own_word_counts_if_it_is_longer_up_to_ten_minutes() -> None:
    source = a_source()
    source.put_on_probation("mirror_status", 0, 100)
    assert source.probation_until_us == 500_000
    source.return_from_probation()
    source.put_on_probation("mirror_status", 0, 10**12)
    assert source.probation_until_us == 600 * SECOND


def test_two_requests_that_fail_together_are_one_failure() -> None:
    source = a_source()
    assert source.put_on_probation("mirror_unreachable", 0, None)
    assert not source.put_on_probation("mirror_unreachable", 0, None)
    assert source.failures == 1


def test_a_later_promise_extends_a_probation_and_an_earlier_one_does_not() -> None:
    source = a_source()
    source.put_on_probation("mirror_unreachable", 0, 5 * SECOND)
    assert not source.put_on_probation("mirror_status", 0, SECOND)
    assert source.put_on_probation("mirror_status", 0, 9 * SECOND)
    assert source.probation_until_us == 9 * SECOND


def test_who_is_gone_is_not_put_on_probation() -> None:
    source = a_source()
    source.leave("banned", "segment_mismatch")
    assert not source.put_on_probation("mirror_unreachable", 0, 5)
    assert not source.usable
    assert source.status(0).reason == "segment_mismatch"


def test_a_suspect_clears_itself_by_more_segments_each_time() -> None:
    source = a_source()
    for needed in (1, 2, 4):
        source.suspect()
        for delivered in range(needed):
            assert source.suspected, delivered
            source.delivered_whole_segment()
        assert not source.suspected
    source.delivered_whole_segment()
    assert not source.suspected


def test_who_was_cleared_by_comparison_has_one_suspicion_less() -> None:
    source = a_source()
    source.suspect()
    source.clear()
    source.suspect()
    source.delivered_whole_segment()
    assert not source.suspected


def test_holding_everything_or_runs() -> None:
    source = a_source()
    assert source.holds(0, 99)
    source.hold([(1, 3), (3, 5), (8, 9)])
    assert source.holds(1, 5)
    assert not source.holds(4, 9)


def test_slots_are_at_least_one() -> None:
    assert Source(SourceId("a"), 0, "peer", 0).slots == 1


def test_a_host_that_refuses_one_more_connection_keeps_those_that_deliver() -> None:
    host = Host(4)
    first, second = (Source(SourceId(name), place, "mirror", 2, host) for place, name in enumerate("ab"))
    for source in (first, second):
        source.requests.append(Request(1, source, 0, 10, 0))
    assert not host.refused_another(), "nothing delivers: the host may be down as well"
    first.requests[0].delivered_any = True
    assert host.refused_another()
    assert host.connections_max == 1
    second.requests[0].delivered_any = True
    assert host.refused_another()
    assert host.connections_max == 1, "it never grows again"
