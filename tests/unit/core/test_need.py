"""How much a cause needs help: what was asked for of late, not what ever was."""

from __future__ import annotations

from distribute_io.core.need import HALF_LIFE_US, LateDemand

GB = 1_000_000_000


def test_before_anything_was_asked_for_the_fewer_donors_the_more_need() -> None:
    fresh = LateDemand(now_us=0)
    assert [fresh.need(donors=count, now_us=5) for count in (0, 1, 3, 99)] == [1.0, 0.5, 0.25, 0.01]


def test_it_is_the_mirrors_share_of_late() -> None:
    late = LateDemand(now_us=0)
    late.add(donors_bytes=75 * GB, mirrors_bytes=25 * GB, now_us=0)
    assert late.need(donors=0, now_us=0) == 0.25


def test_what_was_long_ago_does_not_outweigh_what_is() -> None:
    late = LateDemand(now_us=0)
    late.add(donors_bytes=0, mirrors_bytes=1_000 * GB, now_us=0)
    late.add(donors_bytes=10 * GB, mirrors_bytes=0, now_us=12 * HALF_LIFE_US)
    assert late.need(donors=5, now_us=12 * HALF_LIFE_US) < 0.05


def test_with_time_the_number_of_donors_decides_again() -> None:
    late = LateDemand(now_us=0)
    late.add(donors_bytes=0, mirrors_bytes=GB, now_us=0)
    assert late.need(donors=9, now_us=0) > 0.9
    assert late.need(donors=9, now_us=40 * HALF_LIFE_US) == 0.1


def test_a_clock_that_goes_back_changes_nothing() -> None:
    late = LateDemand(now_us=1_000)
    late.add(donors_bytes=GB, mirrors_bytes=GB, now_us=1_000)
    assert late.need(donors=0, now_us=0) == late.need(donors=0, now_us=1_000)
