"""Regions as demand sees them: coarse enough that each has some requests."""

from __future__ import annotations

PARTS: int = 2
"""Continent and country; the finer parts would split the counts until nothing is significant."""


def coarse(region: str) -> str:
    """The first parts of a region, without the one that names a network.

    >>> coarse("EU/DE/AS3320/n-5e1f09aa"), coarse("campus/n-00000001"), coarse("")
    ('EU/DE', 'campus', '')
    """
    parts = [part for part in region.split("/")[:PARTS] if not part.startswith("n-")]
    return "/".join(parts)
