"""By region: what came from near and far, and what was saved there."""

from __future__ import annotations

from distribute_io.coordinator.hour_books import HourBook
from distribute_io.coordinator.region_books import RegionBooks
from distribute_io.stores.catalogue import Totals


def test_bytes_count_where_the_downloader_is_and_near_where_the_donor_is_too() -> None:
    books = RegionBooks(HourBook(8))
    assert books.asked("EU/DE/AS1/n-00000001") == "EU/DE"
    books.served("EU/DE", "EU/DE/AS2", 5)
    books.served("EU/DE", "NA/US", 7)
    books.booked("EU/DE/AS1", Totals(mirrors_bytes=8))
    (numbers,) = books.told()
    assert (numbers.region, numbers.downloads) == ("EU/DE", 1)
    assert (numbers.bytes_served_by_donors, numbers.bytes_served_nearby, numbers.bytes_served_by_mirrors) == (12, 5, 8)


def test_offload_of_a_region_pays_for_the_fills_there() -> None:
    books = RegionBooks(HourBook(8))
    books.served("EU/DE", "NA/US", 60)
    books.booked("EU/DE", Totals(mirrors_bytes=40, rejected_bytes=5))
    books.booked("EU/DE", Totals(pushed_mirrors_bytes=10, pushed_donors_bytes=5))
    books.booked("NA/US", Totals(pushed_mirrors_bytes=20))
    germany, america = books.told()
    assert (germany.bytes_pushed, germany.bytes_rejected) == (15, 5)
    assert (germany.gross_offload, germany.net_offload) == (0.6, 0.4)
    assert (america.region, america.bytes_pushed, america.net_offload) == ("NA/US", 20, 0.0)
