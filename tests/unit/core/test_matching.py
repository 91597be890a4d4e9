"""Whom a downloader is introduced to, and whom not, with the reason."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from distribute_io.core.matching import Candidate, Choice, Demand, choose_donors
from distribute_io.core.runs import Runs
from distribute_io.ids import SessionId
from distribute_io.wire.session import NatClass

VECTORS = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "matching.json").read_text())
Vector = dict[str, Any]  # Any: a vector's fields


class Drawn:
    """Random numbers as a vector gives them."""

    def __init__(self, draws: Iterator[int]) -> None:
        self._draws = draws

    def getrandbits(self, k: int, /) -> int:
        return next(self._draws)


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: str(vector["name"]))
def test_vector(vector: Vector) -> None:
    usual: Vector = {"nat": "unrestricted", "region": "", "takers": 0, "takers_max": 8}
    candidates = [
        Candidate(
            session_id=SessionId(fields["id"]),
            runs=tuple(tuple(run) for run in fields["runs"]),
            **(usual | {name: value for name, value in fields.items() if name not in ("id", "runs")}),
        )
        for fields in vector["candidates"]
    ]
    asked: Vector = {"nat": "unknown", "region": "", "missing": ((0, 8),)} | vector["demand"]
    demand = Demand(session_id=SessionId("asker"), **asked)
    # Without draws the outcome must not depend on them: two kinds of chance have to agree.
    for draws in [vector["draws"]] if "draws" in vector else ([0], [0, 1]):
        rng = Drawn(itertools.cycle(draws))
        choice = choose_donors(demand, candidates, frozenset(map(SessionId, vector.get("matched", []))), rng)
        assert names(choice) == vector["chosen"]
        assert [[row.session_id, row.reason] for row in choice.excluded] == vector.get("excluded", [])


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
