"""A run is the same again, loses no byte, and no rule beats the bound or is beaten by what it must beat."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.coordinator.session_side import planning_policy
from distribute_io.core.placement.downlinks import FIRST_BYTES_PER_S
from distribute_io.simulate.ledger import Outcome
from distribute_io.simulate.matchers import CoreMatcher
from distribute_io.simulate.parties import Donor, Download
from distribute_io.simulate.people import draw_people
from distribute_io.simulate.planned import PlannedPlacer
from distribute_io.simulate.runs import POLICIES, run_policy
from distribute_io.simulate.scenario import Catalogue, Donors, Network, Scenario, Trouble, load_scenario
from distribute_io.simulate.swarm import Swarm

SMALL = Scenario(
    title="small",
    about="quick",
    duration_s=1200.0,
    donors=Donors(online=12, quota_segments=8),
    catalogue=Catalogue(files=4, segments=16),
)


def run(policy: str, scenario: Scenario = SMALL, seed: int = 3) -> Outcome:
    return run_policy(scenario, seed, policy).outcome


@pytest.mark.parametrize("policy", ["planned", "leconte"])
def test_same_seed_same_result(policy: str) -> None:
    assert run(policy) == run(policy)
    assert run(policy) != run(policy, seed=4)


@pytest.mark.parametrize("policy", POLICIES)
def test_no_byte_is_lost_and_no_download_waits_for_donors(policy: str) -> None:
    # Every finished download is checked to the byte by the ledger itself, and storage by the swarm.
    outcome = run(policy)
    assert outcome.downloads > 50
    assert outcome.served_bytes <= outcome.delivered_bytes
    assert outcome.delivered_bytes <= outcome.downloads * 16 << 20
    assert outcome.completion_ratio[1] <= 1.05


def test_the_planner_serves_most() -> None:
    planned = run("planned").net_offload
    assert run("http").net_offload == 0.0
    assert planned > run("lru").net_offload
    assert planned > run("rendezvous").net_offload
    assert run("oracle").net_offload > 0.2


def test_a_scenario_is_planned_as_a_coordinator_plans() -> None:
    coordinators = planning_policy(CoordinatorConfig())
    told = msgspec.structs.replace(SMALL, network=Network(far_weight=CoordinatorConfig().far_byte_weight))
    simulated = PlannedPlacer(told).policy
    # The simulator has no leases; all else that plans are made by is the same.
    assert msgspec.structs.replace(coordinators, lease_us=simulated.lease_us) == simulated
    assert PlannedPlacer(load_scenario("wandering-far")).policy.far_weight == 0.5
    assert Scenario(title="", about="").network.down_median_bit_per_s == 8 * FIRST_BYTES_PER_S


def test_standing_donors_are_looked_at_again_when_one_has_left() -> None:
    placer = PlannedPlacer(SMALL)
    swarm = Swarm(SMALL, draw_people(SMALL, 3), placer, CoreMatcher(), 3)
    swarm.run()
    assert len(placer.full_s) > SMALL.duration_s / SMALL.plan_every_s + 5


def test_poisoners_cost_what_they_send_and_are_dropped() -> None:
    poisoned = msgspec.structs.replace(SMALL, trouble=Trouble(poisoner_share=0.3))
    outcome = run("planned", poisoned)
    assert outcome.rejected_bytes > 0
    assert outcome.net_offload < run("planned").net_offload
    assert outcome.rejected_bytes < outcome.served_bytes


def test_while_no_mirror_answers_donors_still_serve() -> None:
    outage = msgspec.structs.replace(SMALL, trouble=Trouble(mirror_outage_s=(600.0, 720.0)))
    series = run("planned", outage).series
    # What is left is what donors sent before they went: it counts as the mirrors'.
    assert series.from_mirrors[11] < 0.2 * series.from_mirrors[9]
    assert series.from_donors[11] > 0.0


def test_of_connected_donors_as_many_are_asked_as_may_be_active(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[int, int] = {}
    begin_segment = Swarm._begin_segment

    def noted(self: Swarm, link: int, donor: Donor, download: Download, left: float) -> bool:
        begun = begin_segment(self, link, donor, download, left)
        fetching = sum(bool(self._links.fetching[each]) for each in download.connections)
        asked[len(download.connections)] = max(asked.get(len(download.connections), 0), fetching)
        return begun

    monkeypatch.setattr(Swarm, "_begin_segment", noted)
    network = msgspec.structs.replace(SMALL.network, peers_max=6, active_max=2)
    outcome = run("planned", msgspec.structs.replace(SMALL, network=network))
    assert outcome.net_offload > 0.2
    assert max(asked) == 6
    assert max(asked.values()) == 2


def test_fills_of_what_others_hold_begin_later_where_donors_are_asked_first() -> None:
    donors = msgspec.structs.replace(SMALL.donors, fill_after_s=60.0)
    slow = run("planned", msgspec.structs.replace(SMALL, donors=donors))
    assert slow.gross_offload < run("planned").gross_offload


@pytest.mark.parametrize("kind", ["detailed", "coarse"])
def test_mirrors_that_are_limited_share_it_among_fills_and_downloads(kind: Literal["detailed", "coarse"]) -> None:
    limit = 0.6 * run("planned").mirror_peak_bytes_per_s
    limited = msgspec.structs.replace(SMALL, kind=kind, trouble=Trouble(mirror_bit_per_s=8 * limit))
    outcome = run("planned", limited)
    sent = [sum(each) / 60 for each in zip(outcome.series.from_mirrors, outcome.series.pushed, strict=True)]
    # Whole segments are counted, of which some may have been sent in the minute before.
    assert max(sent) <= limit * 1.02 + SMALL.catalogue.segment_bytes
    assert max(sent) > 0.8 * limit
    assert outcome.pushed_bytes > 0


def test_coarse_scenarios_are_run_by_classes() -> None:
    outcome = run_policy(load_scenario("release-day"), 1, "planned").outcome
    assert 0.9e6 < outcome.downloads < 1.1e6
    assert 0.0 < outcome.net_offload < outcome.gross_offload < 1.0


def test_the_coarse_model_is_near_the_detailed_one_where_both_run() -> None:
    detailed = msgspec.structs.replace(load_scenario("steady"), duration_s=2700.0)
    coarse = msgspec.structs.replace(detailed, kind="coarse")
    assert abs(run("planned", coarse).net_offload - run("planned", detailed).net_offload) < 0.12
