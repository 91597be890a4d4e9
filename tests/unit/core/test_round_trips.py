"""What pairs of places are known to be apart, and that nobody can fill or bend it."""

from __future__ import annotations

import pytest

from distribute_io.core import round_trips
from distribute_io.core.round_trips import RoundTrips, pair_of

HERE, THERE = "EU/DE", "NA/US/AS7018"


def told(*round_trips_ms: int, left: str = HERE, right: str = THERE) -> RoundTrips:
    book = RoundTrips()
    pair = pair_of(left, right)
    assert pair is not None
    for round_trip_ms in round_trips_ms:
        book.measured(pair, round_trip_ms)
    return book


def test_a_pair_has_no_direction_and_no_network() -> None:
    assert pair_of(HERE, f"{THERE}/n-00000001") == pair_of(f"{THERE}/n-00000002", f"{HERE}/n-00000003")
    assert pair_of("n-00000001", THERE) is None
    assert pair_of("", THERE) is None


def test_two_measurements_are_not_believed_yet_and_three_are_averaged() -> None:
    assert told(90, 100).between_ms(HERE, THERE) is None
    assert told(90, 100, 110).between_ms(f"{HERE}/n-00000009", THERE) == 100
    assert told(90, 100, 110).between_ms(HERE, "NA/CA") is None


def test_a_later_measurement_moves_the_mean_by_an_eighth() -> None:
    assert told(*[100] * 8, 180).between_ms(HERE, THERE) == 110
    assert told(*[100] * 50, 108, 108, 108).between_ms(HERE, THERE) == 102


def test_a_liar_counts_as_two_seconds_at_most() -> None:
    assert told(*[80] * 8, 60_000).between_ms(HERE, THERE) == 80 + (2_000 - 80) // 8


def test_the_pair_measured_longest_ago_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_trips, "PAIRS_MAX", 2)
    book = told(50, 50, 50)
    for other in ("AS/JP", "AS/KR"):
        for _ in range(3):
            book.measured((other, HERE), 200)
        book.measured((HERE, THERE), 50)
    assert book.between_ms(HERE, THERE) == 50
    assert book.between_ms(HERE, "AS/JP") is None
    assert book.between_ms(HERE, "AS/KR") == 200
