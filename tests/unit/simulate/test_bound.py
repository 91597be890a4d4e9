"""The bound against enumeration, and no policy beyond it."""

from __future__ import annotations

from itertools import product

import msgspec
import numpy as np
import pytest

from distribute_io.simulate.bound import BoundProgram, minimise
from distribute_io.simulate.people import People, Rates, Visit, draw_people
from distribute_io.simulate.runs import POLICIES, run_policy
from distribute_io.simulate.scenario import Catalogue, Demand, Donors, Network, Scenario
from distribute_io.simulate.uplink_cuts import Draws, cut

TINY = Scenario(
    title="tiny",
    about="for enumeration",
    duration_s=600.0,
    bound_window_s=600.0,
    donors=Donors(online=2, quota_segments=2),
    catalogue=Catalogue(files=2, segments=2),
    demand=Demand(load=0.002),
    network=Network(regions=1, restricted_share=0.0),
)


def visit(index: int, up: float) -> Visit:
    return Visit(
        index=index,
        person=index,
        start_s=0.0,
        end_s=600.0,
        up=up,
        down=10.0,
        restricted=False,
        region=0,
        pool=True,
        poisoner=False,
        previous=-1,
    )


@pytest.mark.parametrize("ups", [(1.0, 1.0), (0.004, 1.0), (0.002, 0.003)])
def test_the_bound_is_the_best_of_all_whole_plans_or_more(ups: tuple[float, float]) -> None:
    people = People([visit(0, ups[0]), visit(1, ups[1])], [])
    program = BoundProgram(TINY, people)
    bound = program.solve(cuts=0).net_offload
    downloads = program._rates.mean(0.0, 600.0).sum(axis=1) * 600.0
    asked = float(downloads.sum()) * 2
    best = 0.0
    # Each donor holds 0 to 2 segments of each file; what is held serves all requests, up to uplink and demand.
    for held in product(range(3), repeat=4):
        plan = np.array(held, dtype=float).reshape(2, 2)
        if (plan.sum(axis=1) > 2).any():
            continue
        best = max(best, (_served(plan, downloads, np.array(ups) * 600.0) - plan.sum()) / asked)
    assert bound >= best - 1e-6
    # Fractions of segments win little: the bound is no number out of the air.
    assert bound <= best + 0.12


def _served(plan: np.ndarray, downloads: np.ndarray, uplinks: np.ndarray) -> float:
    """The most that two donors serve of two files, by trying all splits of the uplinks in steps."""
    best = 0.0
    steps = np.linspace(0.0, 1.0, 41)
    for first, second in product(steps, repeat=2):
        shares = np.array([[first, 1 - first], [second, 1 - second]])
        served = np.minimum(plan * downloads, shares * uplinks[:, None])
        best = max(best, float(np.minimum(served.sum(axis=0), downloads * 2).sum()))
    return best


CROWDED = msgspec.structs.replace(TINY, demand=Demand(load=0.5))


def test_with_cuts_it_is_still_the_best_of_all_whole_plans_or_more() -> None:
    scenario = msgspec.structs.replace(CROWDED, catalogue=Catalogue(files=2, segments=8))
    program = BoundProgram(scenario, People([visit(0, 0.3)], []))
    rates = Rates(scenario)
    # Other downloads than those that the cuts are taken from.
    drawn = Draws(scenario, rates).of(visit(7, 0.3), 0.0, 600.0)
    asked = float(rates.mean(0.0, 600.0).sum()) * 600.0 * 8
    best = 0.0
    for plan in product(range(3), repeat=2):
        if sum(plan) <= 2:
            held = np.array(plan, dtype=float)[drawn.file]
            found = cut(drawn.crowd, held, 0.3)
            sent = (found.busy_s * 0.3 + found.most + float(held[found.counted].sum())) / drawn.times
            best = max(best, (sent - sum(plan)) / asked)
    assert best > 0.05
    bound = program.solve(cuts=3).net_offload
    assert best * 0.95 <= bound <= best * 1.25


def test_cuts_only_lower_the_bound() -> None:
    program = BoundProgram(CROWDED, draw_people(CROWDED, 1))
    assert program.solve(cuts=2).net_offload <= program.solve(cuts=0).net_offload + 1e-6


def test_the_solver_solves() -> None:
    # max x + 2y with x + y <= 3, y <= 2
    rows, columns = np.array([0, 0]), np.array([0, 1])
    found = minimise(np.array([-1.0, -2.0]), np.array([9.0, 2.0]), rows, columns, np.ones(2), np.array([3.0]))
    assert found == pytest.approx([1.0, 2.0], abs=1e-5)


def test_no_policy_passes_the_bound() -> None:
    scenario = Scenario(
        title="small",
        about="quick",
        duration_s=1200.0,
        bound_window_s=600.0,
        donors=Donors(online=10, quota_segments=8),
        catalogue=Catalogue(files=4, segments=16),
    )
    bound = BoundProgram(scenario, draw_people(scenario, 5)).solve(cuts=1).net_offload
    assert 0.3 < bound < 1.0
    for policy in POLICIES:
        assert run_policy(scenario, 5, policy).outcome.net_offload <= bound, policy
