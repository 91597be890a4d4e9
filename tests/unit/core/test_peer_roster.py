"""core/peer_roster.py: how many donors a download keeps, and which."""

from __future__ import annotations

from typing import Literal

from distribute_io.core.peer_roster import ACTIVE, PREPARED, RosterPeer, plan_roster

State = Literal["pending", "ready", "active"]


def peer(peer_id: int, state: State, *, useful: bool = True, busy: bool = False) -> RosterPeer:
    return RosterPeer(peer_id=peer_id, state=state, useful=useful, busy=busy)


def test_empty_roster_wants_all_it_may_have() -> None:
    plan = plan_roster([], anything_missing=True)
    assert (plan.leave, plan.promote, plan.wanted) == ((), (), ACTIVE + PREPARED)


def test_ready_donors_are_promoted_in_the_order_of_their_coming() -> None:
    peers = [peer(number, "ready") for number in range(1, 7)]
    assert plan_roster(peers, anything_missing=True).promote == (1, 2, 3, 4)
    assert plan_roster([peer(0, "active"), *peers], anything_missing=True).promote == (1, 2, 3)


def test_useless_donor_is_let_go_unless_it_is_busy_and_makes_room() -> None:
    peers = [peer(1, "active", useful=False), peer(2, "active", useful=False, busy=True), peer(3, "ready")]
    plan = plan_roster(peers, anything_missing=True)
    assert plan.leave == (1,)
    assert plan.promote == (3,)
    assert plan.wanted == ACTIVE + PREPARED - 2


def test_pending_donor_counts_and_is_not_judged() -> None:
    plan = plan_roster([peer(1, "pending", useful=False)], anything_missing=True)
    assert plan.leave == ()
    assert plan.wanted == ACTIVE + PREPARED - 1


def test_nothing_missing_wants_nobody() -> None:
    assert plan_roster([], anything_missing=False).wanted == 0
