"""NAT classes as introductions show them."""

from __future__ import annotations

import pytest

from distribute_io.core.reach import COUNT_MAX, MISSES_MIN, Reach
from distribute_io.wire.session import NatClass


@pytest.mark.parametrize("stated", ["unrestricted", "restricted", "unknown"])
def test_without_introductions_the_stated_class_counts(stated: NatClass) -> None:
    assert Reach().nat_class(stated) == stated


def test_who_met_a_restricted_peer_is_not_restricted() -> None:
    reach = Reach()
    reach.opened("unrestricted")
    assert reach.nat_class("restricted") == "restricted"
    reach.opened("restricted")
    assert reach.nat_class("restricted") == "unrestricted"


def test_restricted_peers_that_meet_within_one_network_are_as_restricted_as_before() -> None:
    reach = Reach()
    reach.opened("restricted", are_neighbours=True)
    assert reach.nat_class("restricted") == "restricted"


def test_who_is_hardly_ever_connected_counts_as_restricted_until_it_is() -> None:
    reach = Reach()
    for _ in range(MISSES_MIN):
        assert reach.nat_class("unrestricted") == "unrestricted"
        reach.missed()
    assert reach.nat_class("unrestricted") == "restricted"
    reach.opened("unknown")
    assert reach.nat_class("unrestricted") == "unrestricted"


def test_a_network_that_changed_is_noticed() -> None:
    reach = Reach()
    for _ in range(10 * COUNT_MAX):
        reach.missed()
    for _ in range(COUNT_MAX):
        reach.opened("unrestricted")
    assert reach.nat_class("unrestricted") == "unrestricted"
