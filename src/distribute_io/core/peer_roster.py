"""How many donors a download keeps, and which: decides, does nothing. `client/src/core/peer-roster.ts` is its twin.

- R1 A donor that holds nothing which is still missing, and that nothing is asked of, is let go.
- R2 At most `ACTIVE` donors are asked at a time: more only double set-up and segment times. They are taken in the order
  of their coming.
- R3 `PREPARED` more are kept connected, so that the next one is there when one of 16 MB is empty.
- R4 With nothing missing nobody is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

ACTIVE: Final = 4
"""Donors that deliver at the same time."""

PREPARED: Final = 4
"""Donors that are connected and wait for their turn."""


class RosterPeer(Struct, frozen=True, kw_only=True):
    """One donor, as the roster sees it."""

    peer_id: int
    state: Literal["pending", "ready", "active"]
    """`pending`: introduced, not connected. `ready`: connected, waiting. `active`: given to the scheduler."""
    useful: bool
    """Whether it holds something that is still missing. Of pending ones it is not known and not asked."""
    busy: bool
    """Whether something is asked of it now."""


class RosterPlan(Struct, frozen=True, kw_only=True):
    """What to do about the donors."""

    leave: tuple[int, ...]
    promote: tuple[int, ...]
    wanted: int
    """How many introductions more are welcome."""


def plan_roster(peers: Sequence[RosterPeer], *, anything_missing: bool) -> RosterPlan:
    """Apply the rules to the donors, which are given in the order of their coming."""
    leave = tuple(each.peer_id for each in peers if each.state != "pending" and not each.useful and not each.busy)
    staying = [each for each in peers if each.peer_id not in leave]
    room = max(0, ACTIVE - sum(each.state == "active" for each in staying))
    promote = tuple(each.peer_id for each in staying if each.state == "ready")[:room]
    wanted = max(0, ACTIVE + PREPARED - len(staying)) if anything_missing else 0
    return RosterPlan(leave=leave, promote=promote, wanted=wanted)
