"""Stays: learned by age and kind, censored ones included."""

from __future__ import annotations

import random

import msgspec
import pytest

from distribute_io.core.placement.stays import Stays, StaysState


def test_before_anything_was_seen_servers_stay_longer_than_visitors() -> None:
    stays = Stays()
    assert stays.left_s("native", 0.0) > 10 * stays.left_s("browser", 0.0)
    assert 600 < stays.left_s("browser", 0.0) < 3_600


def test_short_visits_are_learned() -> None:
    stays, rng = Stays(), random.Random(1)
    for _ in range(500):
        stays.ended("browser", rng.expovariate(1 / 120))
    assert stays.left_s("browser", 0.0) == pytest.approx(120, rel=0.25)


def test_who_stayed_long_stays_longer_where_two_kinds_of_people_come() -> None:
    stays, rng = Stays(), random.Random(2)
    for place in range(1_000):
        stays.ended("browser", rng.expovariate(1 / 60 if place % 2 else 1 / 10_000))
    assert stays.left_s("browser", 600.0) > 1.5 * stays.left_s("browser", 0.0)


def test_those_still_here_count_for_what_they_lived_through() -> None:
    stays = Stays()
    before = stays.left_s("browser", 0.0)
    for _ in range(50):
        stays.lasts("browser", 40_000.0)
    assert stays.left_s("browser", 0.0) > 5 * before


def test_nothing_is_expected_beyond_the_horizon() -> None:
    assert Stays().left_s("native", 0.0, horizon_s=60.0) == pytest.approx(60.0, rel=0.01)


def test_old_evidence_fades() -> None:
    stays = Stays()
    for _ in range(4_000):
        stays.ended("browser", 10.0)
    for _ in range(4_000):
        stays.ended("browser", 900.0)
    assert stays.left_s("browser", 0.0) > 300.0


def test_what_was_learned_survives_a_restart() -> None:
    stays = Stays()
    for second in range(100):
        stays.ended("native", float(second))
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(stays.state()), type=StaysState)
    assert Stays(state).left_s("native", 5.0) == stays.left_s("native", 5.0)
