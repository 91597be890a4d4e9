"""Whom to introduce to a downloader: holders of what it misses, near before far, the less loaded of two.

Rules:

1. Out of the question, each with its reason: the downloader itself, a donor that it is matched with already, one that
   serves as many as it allows, one that holds nothing of what is missing, and a pair of two restricted NATs, which
   cannot connect (RFC 4787 section 4: address- and port-dependent mapping on both ends).
2. Among the rest one donor after another is chosen. Those that hold something nobody chosen so far holds come first;
   then the nearest by region; of equally near ones those with the shorter round trip, in classes that double; then a
   restricted donor for an unrestricted downloader, so that the scarce unrestricted ones stay free for those who need
   them: an unknown downloader may be one of those, as where UDP is blocked no STUN server answers. Places between
   which nothing was measured stand in the class that is usual for their nearness, so that each pair of places is
   tried.
3. Downloads come before fills: takers that fill themselves do not make a donor full for a download (it lets one go),
   and a donor fills others only while less than half of its places are taken.
4. Of two drawn from what is left of rule 2 the less loaded one is taken (power of two choices, Mitzenmacher 2001).

Same input and random source give the same choice. Loads are takers standing over takers allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from distribute_io.core import runs as sets
from distribute_io.core.placement.model import Rng
from distribute_io.core.runs import Runs
from distribute_io.ids import SessionId
from distribute_io.wire.session import NatClass

ExclusionReason = Literal["itself", "matched_already", "full", "holds_nothing_missing", "nat_incompatible"]


_CLASS_MS: Final = 10
"""Round trips below this are one class, below twice this the next: a choice among as good ones spreads the load."""

_USUAL_MS: Final = (160, 80, 40, 20)
"""Round trip by how many leading parts of two regions are equal: other continent, country, provider; the same."""


class Candidate(Struct, frozen=True, kw_only=True):
    """A donor that holds some of the file."""

    session_id: SessionId
    runs: Runs
    nat: NatClass
    region: str
    """From coarse to fine, parts separated by `/`; empty when unknown."""
    round_trip_ms: int | None = None
    """Between the two places, as measured; None: not known."""
    takers: int
    takers_max: int
    fills: int = 0
    """Those of `takers` that are donors which fill themselves."""


class Demand(Struct, frozen=True, kw_only=True):
    """What a downloader asks for."""

    session_id: SessionId
    missing: Runs
    nat: NatClass
    region: str
    donors_max: int
    """Donors to introduce at most."""
    fill: bool = False
    """Whether it is a donor that fills itself."""


class Exclusion(Struct, frozen=True):
    """A donor that was not introduced, with the reason."""

    session_id: SessionId
    reason: ExclusionReason


class Choice(Struct, frozen=True):
    """Whom to introduce, best first; and whom not, and why (those merely not needed are not listed)."""

    chosen: tuple[Candidate, ...]
    excluded: tuple[Exclusion, ...]


def can_connect(left: NatClass, right: NatClass) -> bool:
    """Whether a direct connection is likely; an unknown class is given the benefit of the doubt."""
    return not (left == right == "restricted")


def choose_donors(demand: Demand, candidates: Sequence[Candidate], matched: frozenset[SessionId], rng: Rng) -> Choice:
    """Choose at most `demand.donors_max` donors.

    Args:
        demand: who asks, and what is missing.
        candidates: donors of the file, in an order that does not depend on chance.
        matched: donors that this downloader has a standing match of this file with.
        rng: draws the two of rule 4.
    """
    usable: list[Candidate] = []
    excluded: list[Exclusion] = []
    for candidate in candidates:
        reason = _exclusion(demand, candidate, matched)
        if reason is None:
            usable.append(candidate)
        else:
            excluded.append(Exclusion(candidate.session_id, reason))

    chosen: list[Candidate] = []
    uncovered = demand.missing
    # What does not change from pick to pick is reckoned once: there may be hundreds of candidates.
    standing = [(*_closeness(demand, candidate), _spares(demand, candidate)) for candidate in usable]
    brings = [True] * len(usable)
    while usable and len(chosen) < demand.donors_max:
        ranks = list(zip(brings, standing, strict=True))
        best = max(ranks)
        places = [place for place, rank in enumerate(ranks) if rank == best]
        place = _less_loaded(usable, places, rng)
        uncovered = sets.difference(uncovered, usable[place].runs)
        chosen.append(usable.pop(place))
        del standing[place], brings[place]
        # Who brings nothing new now never will.
        brings = [had and sets.meet(one.runs, uncovered) for one, had in zip(usable, brings, strict=True)]
    return Choice(tuple(chosen), tuple(excluded))


def _exclusion(demand: Demand, candidate: Candidate, matched: frozenset[SessionId]) -> ExclusionReason | None:
    if candidate.session_id == demand.session_id:
        return "itself"
    if candidate.session_id in matched:
        return "matched_already"
    if _is_full(demand, candidate):
        return "full"
    if not sets.meet(candidate.runs, demand.missing):
        return "holds_nothing_missing"
    if not can_connect(demand.nat, candidate.nat):
        return "nat_incompatible"
    return None


def _is_full(demand: Demand, candidate: Candidate) -> bool:
    """Rule 3."""
    if demand.fill:
        return 2 * candidate.takers >= candidate.takers_max
    return candidate.takers - candidate.fills >= candidate.takers_max


def _spares(demand: Demand, candidate: Candidate) -> bool:
    """Whether taking it leaves the scarce unrestricted donors to those who need them."""
    return demand.nat == "unrestricted" and candidate.nat == "restricted"


def _closeness(demand: Demand, candidate: Candidate) -> tuple[int, int]:
    """Nearness by region, then the class of the round trip; larger is closer."""
    near = _nearness(demand.region, candidate.region)
    took_ms = candidate.round_trip_ms
    if took_ms is None:
        took_ms = _USUAL_MS[min(near, len(_USUAL_MS) - 1)]
    return near, -(took_ms // _CLASS_MS).bit_length()


def _nearness(left: str, right: str) -> int:
    """How many leading parts of two regions are equal."""
    near = 0
    for a, b in zip(left.split("/"), right.split("/"), strict=False):
        if not a or a != b:
            break
        near += 1
    return near


def _less_loaded(usable: Sequence[Candidate], places: Sequence[int], rng: Rng) -> int:
    """Rule 4: the place of one of two drawn."""
    one = places[rng.getrandbits(32) % len(places)]
    other = places[rng.getrandbits(32) % len(places)]
    # Cross-multiplied, so that loads compare exactly in integers.
    left, right = usable[one], usable[other]
    return one if left.takers * right.takers_max <= right.takers * left.takers_max else other
