"""By region: what came from near and far, and forecasts beside what came."""

from __future__ import annotations

from distribute_io.coordinator.region_books import HOUR_US, RegionBooks


class Clock:
    now_us = 1_000 * HOUR_US

    def __call__(self) -> int:
        return self.now_us


def test_bytes_count_where_the_downloader_is_and_near_where_the_donor_is_too() -> None:
    books = RegionBooks(dict, Clock())
    books.asked("EU/DE/AS1/n-00000001")
    books.served("EU/DE", "EU/DE/AS2", 5)
    books.served("EU/DE", "NA/US", 7)
    books.mirrored("EU/DE/AS1", 11)
    (numbers,) = books.told()
    assert (numbers.region, numbers.downloads) == ("EU/DE", 1)
    assert (numbers.bytes_served_by_donors, numbers.bytes_served_nearby, numbers.bytes_served_by_mirrors) == (12, 5, 11)


def test_the_last_hours_forecast_stands_beside_what_came() -> None:
    clock = Clock()
    books = RegionBooks(lambda: {"EU/DE": 0.01}, clock)
    books.turn()
    for _ in range(30):
        books.asked("EU/DE")
    clock.now_us += HOUR_US
    (numbers,) = books.told()
    assert (numbers.forecast_last_hour, numbers.came_last_hour) == (36.0, 30)
    clock.now_us += 5 * HOUR_US
    (numbers,) = books.told()
    assert (numbers.forecast_last_hour, numbers.came_last_hour, numbers.downloads) == (0.0, 0, 30)
