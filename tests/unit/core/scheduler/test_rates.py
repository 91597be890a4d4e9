from __future__ import annotations

from distribute_io.core.scheduler.rates import RateEstimate


def fed(*arrivals: tuple[int, int]) -> RateEstimate:
    rate = RateEstimate()
    for now_us, count in arrivals:
        rate.bytes_came(count, now_us)
    return rate


def test_unknown_before_the_first_window() -> None:
    assert fed((0, 1_000), (99_999, 1_000)).at(99_999) is None


def test_the_bytes_that_open_a_window_do_not_count() -> None:
    assert fed((0, 1_000_000), (100_000, 5_000)).at(100_000) == 50_000


def test_a_new_window_weighs_by_its_length_against_half_a_second() -> None:
    rate = fed((0, 0), (100_000, 10_000), (600_000, 100_000))
    assert rate.at(600_000) == 100_000 * 500_000 // 1_000_000 + 100_000 * 1_000_000 // 1_000_000


def test_silence_lowers_the_rate_at_once_after_a_second() -> None:
    rate = fed((0, 0), (100_000, 10_000))
    assert rate.at(1_100_000) == 100_000
    assert rate.at(1_100_001) == 1
    rate.bytes_came(3_000, 100_001)
    assert rate.at(3_100_000) == 1_000


def test_a_source_that_falls_idle_closes_its_window() -> None:
    rate = fed((0, 0), (30_000, 3_000))
    rate.fell_idle(30_000, 3_000, 50_000)
    assert rate.at(30_000) == 100_000
    rate.fell_idle(9_000_000, 0, 1)
    assert rate.at(9_000_000) == 100_000, "idle time is no slowness"


def test_without_a_window_the_last_request_as_a_whole_is_the_measure() -> None:
    rate = fed((10_000, 5_000))
    rate.fell_idle(10_000, 5_000, 20_000)
    assert rate.at(10_000) == 250_000


def test_nothing_is_learnt_from_a_request_without_bytes() -> None:
    rate = RateEstimate()
    rate.fell_idle(10_000, 0, 10_000)
    assert rate.at(10_000) is None


def test_latency_is_averaged_three_to_one() -> None:
    rate = RateEstimate()
    assert rate.latency_us == 50_000
    rate.first_byte_came(10_000)
    assert rate.latency_us == 10_000
    rate.first_byte_came(30_001)
    assert rate.latency_us == 15_000


def test_forgetting_makes_the_rate_unknown() -> None:
    rate = fed((0, 0), (100_000, 10_000))
    rate.forget()
    assert rate.at(100_000) is None
