"""The choice of donors against a slow and obvious one: sets of segments, every rule in its own words, no short cuts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core import runs as sets
from distribute_io.core.matching import Candidate, Demand, choose_donors
from distribute_io.core.placement.model import Rng
from distribute_io.ids import SessionId
from distribute_io.wire.session import NatClass

_SEGMENTS = 12
_NATS: st.SearchStrategy[NatClass] = st.sampled_from(get_args(NatClass))
_REGIONS = st.sampled_from(["", "EU", "EU/DE", "EU/DE/AS1", "EU/DE/AS1/n-00000001", "EU/FR", "NA/US"])
_HELD = st.frozensets(st.integers(0, _SEGMENTS - 1))


def segments_of(candidate: Candidate) -> set[int]:
    return {index for start, end in candidate.runs for index in range(start, end)}


def equal_parts(left: str, right: str) -> int:
    pairs = list(zip(left.split("/"), right.split("/"), strict=False))
    same = [bool(a) and a == b for a, b in pairs]
    return next((place for place, is_same in enumerate(same) if not is_same), len(same))


def round_trip_class(candidate: Candidate, near: int) -> int:
    took_ms = candidate.round_trip_ms
    if took_ms is None:
        took_ms = {0: 160, 1: 80, 2: 40}.get(near, 20)
    bounds = [10 * 2**step for step in range(20)]
    return next(place for place, bound in enumerate(bounds) if took_ms < bound)


def may(demand: Demand, candidate: Candidate, matched: frozenset[SessionId], missing: set[int]) -> bool:
    """Rules 1 and 3."""
    if candidate.session_id == demand.session_id or candidate.session_id in matched:
        return False
    if demand.fill and not candidate.takers < candidate.takers_max / 2:
        return False
    if not demand.fill and candidate.takers - candidate.fills >= candidate.takers_max:
        return False
    if not segments_of(candidate) & missing:
        return False
    return not (demand.nat == "restricted" and candidate.nat == "restricted")


def naive_choice(
    demand: Demand, candidates: Sequence[Candidate], matched: frozenset[SessionId], rng: Rng
) -> list[SessionId]:
    missing = {index for start, end in demand.missing for index in range(start, end)}
    left = [candidate for candidate in candidates if may(demand, candidate, matched, missing)]
    covered: set[int] = set()
    chosen: list[SessionId] = []
    while left and len(chosen) < demand.donors_max:
        # Rule 2, criterion by criterion: whoever is worse in one is out.
        best = left
        bringing = [each for each in best if segments_of(each) & (missing - covered)]
        best = bringing or best
        nearest = max(equal_parts(demand.region, each.region) for each in best)
        best = [each for each in best if equal_parts(demand.region, each.region) == nearest]
        shortest = min(round_trip_class(each, nearest) for each in best)
        best = [each for each in best if round_trip_class(each, nearest) == shortest]
        if demand.nat == "unrestricted":
            best = [each for each in best if each.nat == "restricted"] or best
        # Rule 4.
        one, other = (best[rng.getrandbits(32) % len(best)] for _ in range(2))
        taken = one if one.takers * other.takers_max <= other.takers * one.takers_max else other
        covered |= segments_of(taken)
        chosen.append(taken.session_id)
        left.remove(taken)
    return chosen


@st.composite
def candidates_of(draw: st.DrawFn) -> list[Candidate]:
    return [
        Candidate(
            session_id=SessionId(str(place)),
            runs=sets.of_indices(draw(_HELD)),
            nat=draw(_NATS),
            region=draw(_REGIONS),
            round_trip_ms=draw(st.none() | st.integers(0, 2_000)),
            takers=(takers := draw(st.integers(0, 8))),
            takers_max=draw(st.integers(1, 8)),
            fills=draw(st.integers(0, takers)),
        )
        for place in range(draw(st.integers(0, 9)))
    ]


@given(
    candidates=candidates_of(),
    missing=_HELD,
    nat=_NATS,
    region=_REGIONS,
    donors_max=st.integers(0, 6),
    fill=st.booleans(),
    matched=st.frozensets(st.sampled_from([SessionId(str(place)) for place in range(9)]), max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_choice_is_the_obvious_one(
    candidates: list[Candidate],
    missing: frozenset[int],
    nat: NatClass,
    region: str,
    donors_max: int,
    fill: bool,
    matched: frozenset[SessionId],
    seed: int,
) -> None:
    demand = Demand(
        session_id=SessionId("3"),
        missing=sets.of_indices(missing),
        nat=nat,
        region=region,
        donors_max=donors_max,
        fill=fill,
    )
    choice = choose_donors(demand, candidates, matched, random.Random(seed))
    assert [each.session_id for each in choice.chosen] == naive_choice(demand, candidates, matched, random.Random(seed))
    told = {each.session_id for each in choice.chosen} | {each.session_id for each in choice.excluded}
    assert len(told) == len(choice.chosen) + len(choice.excluded)
