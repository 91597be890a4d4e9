"""Who is many at one place: donors of one network or of one provider, and how much of a run such a group may hold.

Rules:

1. A donor is in up to two groups: its network (a /24 or /48), the part `n-…` of its region, and the provider that it
   has in its country, the autonomous system `AS…`.
2. A group of which there is a copy already gets no further one that would make its copies more than
   `Policy.network_share_max` of all, where there are three networks here, or three providers in its country.
3. A provider may always hold as many copies as its share of the country's donors would by chance, rounded up: where one
   has most of them, a flat cap would leave segments to the few others, whose uplinks carry little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from distribute_io.core.demand.regions import coarse
from distribute_io.core.placement.curves import Floats

Groups = tuple[str, str]
"""A donor's network and provider; empty where it is not known."""

NOBODY: Final[Groups] = ("", "")

GROUPS_MIN: Final = 3
"""Of fewer one cannot be told from the others (rule 2)."""

UNBOUND: Final = 2.0
"""A provider's share where there are too few: no number of copies is too many."""


def groups_of(region: str) -> Groups:
    """The groups of a region.

    >>> groups_of("EU/DE/AS3320/n-5e1f09aa"), groups_of("campus/n-00000001"), groups_of("EU")
    (('n-5e1f09aa', 'EU/DE/AS3320'), ('n-00000001', ''), ('', ''))
    """
    rest, _, last = region.rpartition("/")
    if not last.startswith("n-"):
        rest, last = region, ""
    provider = rest.rpartition("/")[2]
    return last, rest if provider.startswith("AS") and provider[2:].isdigit() else ""


def shares(regions: Iterable[str]) -> Mapping[str, float]:
    """Of each group that rule 2 binds the share of donors that rule 3 grants it: none for a network.

    Args:
        regions: of all donors that are here.
    """
    groups = Counter(map(groups_of, regions))
    networks = {network for network, _ in groups if network}
    providers: Counter[str] = Counter()
    for (_, provider), donors in groups.items():
        providers[provider] += donors
    del providers[""]
    here: Counter[str] = Counter()
    rivals: Counter[str] = Counter()
    for provider, donors in providers.items():
        here[coarse(provider)] += donors
        rivals[coarse(provider)] += 1
    bound = {
        provider: donors / here[coarse(provider)]
        for provider, donors in providers.items()
        if rivals[coarse(provider)] >= GROUPS_MIN
    }
    return bound | (dict.fromkeys(networks, 0.0) if len(networks) >= GROUPS_MIN else {})


def copies_max(copies: Floats, share_max: float, own_share: float) -> Floats:
    """How many of so many copies, the one that is to come included, a group may hold (rules 2 and 3)."""
    return np.asarray(np.maximum(share_max * copies, np.ceil(own_share * copies)), dtype=np.float64)
