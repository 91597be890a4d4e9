"""Forecasts beside what came."""

from __future__ import annotations

from distribute_io.coordinator.hour_books import HOUR_US, Forecast, HourBook, HourBooks
from distribute_io.ids import FileId

A, B = FileId("a" * 64), FileId("b" * 64)


class Clock:
    now_us = 1_000 * HOUR_US

    def __call__(self) -> int:
        return self.now_us


def test_the_last_hours_forecast_stands_beside_what_came_by_region_and_by_file() -> None:
    clock = Clock()
    books = HourBooks(lambda: Forecast({"EU/DE": 36.0}, {A: 30.0, B: 6.0}), clock)
    books.turn()
    for _ in range(20):
        books.came("EU/DE", A)
    books.came("NA/US", B)
    assert books.regions.came_of("EU/DE") == 0  # the hour is not over
    clock.now_us += HOUR_US
    books.turn()
    assert (books.regions.foretold("EU/DE"), books.regions.came_of("EU/DE")) == (36.0, 20)
    assert (books.regions.foretold("NA/US"), books.regions.came_of("NA/US")) == (0.0, 1)
    assert [(books.files.foretold(file), books.files.came_of(file)) for file in (A, B)] == [(30.0, 20), (6.0, 1)]
    clock.now_us += 5 * HOUR_US
    books.turn()
    assert books.files.known() == set()


def test_keys_are_bounded() -> None:
    book: HourBook[str] = HourBook(2)
    for key in ("x", "y", "z", "x"):
        book.came(key)
    book.turn({}, follows=True)
    assert {key: book.came_of(key) for key in ("x", "y", "z")} == {"x": 2, "y": 1, "z": 0}
