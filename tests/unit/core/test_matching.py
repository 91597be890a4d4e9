"""Whom a downloader is introduced to, and whom not, with the reason."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from distribute_io.core.matching import Candidate, Choice, Demand, choose_donors
from distribute_io.core.runs import Runs
from distribute_io.ids import SessionId
from distribute_io.wire.session import NatClass


def a_candidate(
    name: str,
    runs: Runs = ((0, 8),),
    *,
    nat: NatClass = "unrestricted",
    region: str = "",
    takers: int = 0,
    takers_max: int = 8,
) -> Candidate:
    return Candidate(
        session_id=SessionId(name), runs=runs, nat=nat, region=region, takers=takers, takers_max=takers_max
    )


def chosen(
    candidates: list[Candidate],
    *,
    missing: Runs = ((0, 8),),
    nat: NatClass = "unrestricted",
    region: str = "",
    donors_max: int = 1,
    matched: tuple[str, ...] = (),
    seed: int = 1,
) -> Choice:
    demand = Demand(session_id=SessionId("me"), missing=missing, nat=nat, region=region, donors_max=donors_max)
    return choose_donors(demand, candidates, frozenset(SessionId(name) for name in matched), random.Random(seed))


def names(choice: Choice) -> list[str]:
    return [str(candidate.session_id) for candidate in choice.chosen]


@pytest.mark.parametrize(
    ("candidate", "nat", "matched", "reason"),
    [
        (a_candidate("me"), "unknown", (), "itself"),
        (a_candidate("a"), "unknown", ("a",), "matched_already"),
        (a_candidate("a", takers=8), "unknown", (), "full"),
        (a_candidate("a", ((8, 9),)), "unknown", (), "holds_nothing_missing"),
        (a_candidate("a", nat="restricted"), "restricted", (), "nat_incompatible"),
    ],
)
def test_excluded_donor_has_its_reason(
    candidate: Candidate, nat: NatClass, matched: tuple[str, ...], reason: str
) -> None:
    choice = chosen([candidate], nat=nat, matched=matched)
    assert names(choice) == []
    assert [row.reason for row in choice.excluded] == [reason]


@pytest.mark.parametrize(("left", "right"), [("restricted", "unknown"), ("unknown", "restricted")])
def test_unknown_nat_has_the_benefit_of_the_doubt(left: NatClass, right: NatClass) -> None:
    assert names(chosen([a_candidate("a", nat=left)], nat=right)) == ["a"]


def test_nearer_donor_comes_first() -> None:
    candidates = [a_candidate("far", region="eu/fr"), a_candidate("near", region="eu/de"), a_candidate("none")]
    assert names(chosen(candidates, region="eu/de/3320", donors_max=3)) == ["near", "far", "none"]


def test_what_nobody_chosen_holds_comes_before_nearness() -> None:
    candidates = [
        a_candidate("near", ((0, 4),), region="eu"),
        a_candidate("near too", ((0, 4),), region="eu"),
        a_candidate("far", ((4, 8),), region="na"),
    ]
    assert names(chosen(candidates, region="eu", donors_max=2))[1] == "far"


def test_restricted_donor_is_taken_while_the_downloader_can() -> None:
    candidates = [a_candidate("open"), a_candidate("restricted", nat="restricted")]
    assert names(chosen(candidates, donors_max=2)) == ["restricted", "open"]


def test_less_loaded_donors_get_more() -> None:
    candidates = [a_candidate("busy", takers=6), a_candidate("idle", takers=1), a_candidate("half", takers=4)]
    count = Counter(names(chosen(candidates, seed=seed))[0] for seed in range(300))
    assert count["idle"] > count["half"] > count["busy"] > 0


def test_load_is_relative_to_what_a_donor_allows() -> None:
    candidates = [a_candidate("small", takers=1, takers_max=2), a_candidate("large", takers=4, takers_max=64)]
    count = Counter(names(chosen(candidates, seed=seed))[0] for seed in range(100))
    assert count["large"] > count["small"]


def test_no_more_than_asked_for_and_nobody_twice() -> None:
    picked = names(chosen([a_candidate(str(i)) for i in range(10)], donors_max=4))
    assert len(picked) == len(set(picked)) == 4


def test_nothing_missing_means_nobody() -> None:
    assert names(chosen([a_candidate("a")], missing=())) == []
