"""Whom to introduce in a simulated swarm: the choice of `core.matching`, given what the coordinator would know."""

from __future__ import annotations

from collections.abc import Sequence

from distribute_io.core.matching import Candidate, Demand, choose_donors
from distribute_io.ids import SessionId
from distribute_io.simulate import masks
from distribute_io.simulate.parties import Donor, Download
from distribute_io.simulate.swarm import Swarm
from distribute_io.wire.session import NatClass


class CoreMatcher:
    """The real one."""

    def choose(self, swarm: Swarm, download: Download, missing: int, room: int) -> Sequence[Donor]:
        """See `core.matching.choose_donors`."""
        request = download.request
        holders = swarm.holders[request.file]
        by_id: dict[SessionId, Donor] = {}
        candidates = []
        takers_max = swarm.scenario.network.takers_max
        for donor in holders.values():
            visit = donor.visit
            held = donor.holdings[request.file] & missing
            # Said here already, and not a hundred times over in the core: it would exclude all of these.
            if not held or visit.index == request.visit or visit.index in download.met:
                continue
            if len(donor.connections) >= takers_max or (visit.restricted and request.restricted):
                continue
            if swarm.is_banned(donor):
                continue
            session = SessionId(f"{visit.index:032x}")
            by_id[session] = donor
            candidates.append(
                Candidate(
                    session_id=session,
                    runs=masks.to_runs(held),
                    nat=nat_class(restricted=visit.restricted),
                    region=region_name(visit.region),
                    takers=len(donor.connections),
                    takers_max=takers_max,
                )
            )
        demand = Demand(
            session_id=SessionId(f"{request.index + (1 << 64):032x}"),
            missing=masks.to_runs(missing),
            nat=nat_class(restricted=request.restricted),
            region=region_name(request.region),
            donors_max=room,
        )
        choice = choose_donors(demand, candidates, frozenset(), swarm.rng)
        return [by_id[candidate.session_id] for candidate in choice.chosen]


def region_name(region: int) -> str:
    """What the planner calls a region."""
    return f"r{region}"


def nat_class(*, restricted: bool) -> NatClass:
    """What the coordinator calls it."""
    return "restricted" if restricted else "unrestricted"
