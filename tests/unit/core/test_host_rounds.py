"""Checks are polite: one per host, a bounded number of all, and a rest between two."""

from __future__ import annotations

import pytest

from distribute_io.core.host_rounds import HostRounds

REST_US = 5_000_000


def test_a_host_is_busy_then_rests_then_is_forgotten() -> None:
    rounds = HostRounds(checks_max=2, rest_us=REST_US)
    rounds.begin("a")
    assert (set(rounds.busy()), set(rounds.resting(0)), rounds.room) == ({"a"}, set(), 1)
    rounds.end("a", now_us=100)
    assert (set(rounds.busy()), set(rounds.resting(100)), rounds.room) == (set(), {"a"}, 2)
    assert rounds.resting(100 + REST_US) == frozenset()
    assert rounds.resting(100) == frozenset()  # forgotten


def test_no_more_checks_than_allowed_and_one_per_host() -> None:
    rounds = HostRounds(checks_max=2, rest_us=REST_US)
    rounds.begin("a")
    with pytest.raises(ValueError, match="may not begin"):
        rounds.begin("a")
    rounds.begin("b")
    with pytest.raises(ValueError, match="may not begin"):
        rounds.begin("c")
