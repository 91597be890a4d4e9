"""Where a donor's help went: its credit by country, which is all that it is told of a downloader's place.

Rules:

1. The second part of a region is its country where it looks like an ISO 3166 code; an operator may say otherwise.
2. The first `COUNTRIES_MAX - 1` countries are told apart, all further ones go to the unknown, so that no session grows.
"""

from __future__ import annotations

import re
from typing import Final

from distribute_io.wire.limits import COUNTRIES_MAX
from distribute_io.wire.session import CountryCredit

_CODE: Final = re.compile(r"[A-Z]{2}")
_UNKNOWN: Final = ""


def country_of(region: str) -> str:
    """The country of a region (`regions.py`), empty when it is not known."""
    parts = region.split("/")
    return parts[1] if len(parts) > 1 and _CODE.fullmatch(parts[1]) else _UNKNOWN


class CountryCredits:
    """Credit of one donor's session by country. Mutable; owned by the session."""

    def __init__(self) -> None:
        """Begin without credit."""
        self._bytes: dict[str, int] = {}
        self._people: dict[str, int] = {}

    def add(self, country: str, size_bytes: int, *, is_new: bool) -> None:
        """Count bytes for a downloader's country; `is_new` when it is this downloader's first credit."""
        is_told_apart = country in self._bytes or len(self._bytes.keys() - {_UNKNOWN}) < COUNTRIES_MAX - 1
        key = country if is_told_apart else _UNKNOWN
        self._bytes[key] = self._bytes.get(key, 0) + size_bytes
        self._people[key] = self._people.get(key, 0) + is_new

    def told(self) -> list[CountryCredit]:
        """The sums, most bytes first, then by code."""
        ranked = sorted(self._bytes.items(), key=lambda entry: (-entry[1], entry[0]))
        return [CountryCredit(country=code, bytes=total, people=self._people[code]) for code, total in ranked]
