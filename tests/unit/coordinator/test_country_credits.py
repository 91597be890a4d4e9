"""Credit by country: sums, order, and the bound."""

from __future__ import annotations

import pytest

from distribute_io.coordinator.country_credits import CountryCredits, country_of
from distribute_io.wire.limits import COUNTRIES_MAX
from distribute_io.wire.session import CountryCredit


@pytest.mark.parametrize(
    ("region", "country"),
    [("EU/DE/AS3320/n-1a2b3c4d", "DE"), ("NA/US", "US"), ("EU/n-1a2b3c4d", ""), ("lab/rack-1", ""), ("", "")],
)
def test_the_second_part_of_a_region_is_its_country(region: str, country: str) -> None:
    assert country_of(region) == country


def test_bytes_are_summed_and_people_counted_once_most_bytes_first() -> None:
    credits = CountryCredits()
    credits.add("DE", 10, is_new=True)
    credits.add("", 5, is_new=True)
    credits.add("US", 20, is_new=True)
    credits.add("DE", 15, is_new=False)
    assert credits.told() == [CountryCredit("DE", 25, 1), CountryCredit("US", 20, 1), CountryCredit("", 5, 1)]


def test_more_countries_than_are_told_apart_go_to_the_unknown() -> None:
    credits = CountryCredits()
    for number in range(COUNTRIES_MAX + 5):
        credits.add(f"{chr(65 + number // 26)}{chr(65 + number % 26)}", 1, is_new=True)
    told = credits.told()
    assert len(told) == COUNTRIES_MAX
    assert told[0] == CountryCredit("", 6, 6)
