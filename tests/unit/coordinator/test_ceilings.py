"""Ceilings for callers."""

from __future__ import annotations

from distribute_io.coordinator.ceilings import Ceiling

S = 1_000_000


def test_a_burst_passes_and_then_the_rate() -> None:
    ceiling = Ceiling(rate_per_s=2, burst=5)
    assert [ceiling.allows("a", 0) for _ in range(6)] == [True] * 5 + [False]
    assert [ceiling.allows("a", S) for _ in range(3)] == [True, True, False]


def test_callers_do_not_share() -> None:
    ceiling = Ceiling(rate_per_s=1, burst=1)
    assert ceiling.allows("a", 0)
    assert not ceiling.allows("a", 0)
    assert ceiling.allows("b", 0)


def test_the_callers_told_apart_are_bounded() -> None:
    ceiling = Ceiling(rate_per_s=1, burst=1, callers_max=2)
    assert ceiling.allows("a", 0)
    assert ceiling.allows("b", 0)
    assert not ceiling.allows("a", 0)  # a was heard of later than b
    assert ceiling.allows("c", 0)
    assert not ceiling.allows("a", 0)
    assert ceiling.allows("b", 0)  # forgotten, and so forgiven
