"""Whom a peer can be connected with: what its STUN answers say, overridden by what its introductions came to.

Rules:

1. Whoever was connected with a restricted peer is not restricted itself, whatever its STUN answers said (RFC 4787
   section 4: two that map by address and port cannot meet). Not where both were in one network: no NAT is between two
   in one house.
2. Whoever was introduced `MISSES_MIN` times or more, and connected with fewer than one in `MISSES_MIN` of them, is
   treated as restricted: a firewall does not show in STUN answers. Any later success counts again.
3. Introductions that failed for another reason (busy, gone, over budget) say nothing and are not counted here; nor are
   those to a donor that never said a word: it is gone, and nobody knows yet.
"""

from __future__ import annotations

from typing import Final

from distribute_io.wire.session import NatClass

MISSES_MIN: Final = 3
COUNT_MAX: Final = 64
"""Both counts are halved beyond this: a network can change."""

NETWORK_CODES: Final = frozenset({"no_channel", "peer_unreachable", "ticket_expired"})
"""How an introduction ends when no connection came about."""


class Reach:
    """What one session's introductions came to. Mutable; owned by the session."""

    def __init__(self) -> None:
        self._opened = 0
        self._missed = 0
        self._met_restricted = False

    def opened(self, other: NatClass, *, are_neighbours: bool = False) -> None:
        """A connection with a peer of this class came about; `are_neighbours` where both are in one network."""
        self._opened += 1
        self._met_restricted = self._met_restricted or (other == "restricted" and not are_neighbours)
        self._halve()

    def missed(self) -> None:
        """No connection came about."""
        self._missed += 1
        self._halve()

    def nat_class(self, stated: NatClass) -> NatClass:
        """The class that counts, given the stated one."""
        if self._met_restricted:
            return "unrestricted"
        if self._missed >= MISSES_MIN and self._opened * MISSES_MIN < self._missed:
            return "restricted"
        return stated

    def _halve(self) -> None:
        if max(self._opened, self._missed) > COUNT_MAX:
            self._opened //= 2
            self._missed //= 2
