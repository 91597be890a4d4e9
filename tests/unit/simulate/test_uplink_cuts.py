"""The minimum cut is the maximum flow, as a linear program finds it, and bounds what other holdings can send."""

from __future__ import annotations

import numpy as np
import pytest

from distribute_io.simulate.bound import minimise
from distribute_io.simulate.people import Floats, Rates, draw_people
from distribute_io.simulate.scenario import load_scenario
from distribute_io.simulate.uplink_cuts import Crowd, Cut, Draws, cut


def some_crowd(seed: int) -> tuple[Crowd, Floats, float]:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 20))
    begin_s = rng.uniform(0.0, 40.0, size)
    crowd = Crowd(begin_s, begin_s + rng.uniform(0.5, 15.0, size), rng.uniform(1.0, 20.0, size))
    return crowd, rng.uniform(0.0, 8.0, size) * (rng.random(size) < 0.8), float(rng.uniform(0.1, 3.0))


def value(found: Cut, held: Floats, uplink: float) -> float:
    return found.busy_s * uplink + found.most + float(held[found.counted].sum())


def flow(crowd: Crowd, held: Floats, uplink: float) -> float:
    """The most that can be sent, second by second between all beginnings and ends."""
    moments = np.unique(np.concatenate([crowd.begin_s, crowd.end_s]))
    pairs = [
        (download, moment)
        for download in range(len(held))
        for moment in range(len(moments) - 1)
        if crowd.begin_s[download] <= moments[moment] and moments[moment + 1] <= crowd.end_s[download]
    ]
    row = np.array([[download, len(held) + moment] for download, moment in pairs]).ravel()
    column = np.repeat(np.arange(len(pairs)), 2)
    limits = np.concatenate([np.minimum(held, crowd.most), uplink * np.diff(moments)])
    sent = minimise(-np.ones(len(pairs)), np.full(len(pairs), 1e3), row, column, np.ones(len(row)), limits)
    return float(sent.sum())


@pytest.mark.parametrize("seed", range(12))
def test_the_cut_is_the_most_that_can_be_sent(seed: int) -> None:
    crowd, held, uplink = some_crowd(seed)
    assert value(cut(crowd, held, uplink), held, uplink) == pytest.approx(flow(crowd, held, uplink), abs=1e-3)


def test_a_cut_taken_at_some_holdings_bounds_all_others() -> None:
    for seed in range(200):
        crowd, held, uplink = some_crowd(seed)
        other = np.random.default_rng(seed + 1_000).permutation(held)
        assert value(cut(crowd, held, uplink), other, uplink) >= value(cut(crowd, other, uplink), other, uplink) - 1e-9


def test_draws_have_the_scenarios_rate_and_are_the_same_again() -> None:
    scenario = load_scenario("steady")
    draws = Draws(scenario, Rates(scenario))
    visit = next(visit for visit in draw_people(scenario, 1).visits if visit.pool)
    drawn, again = draws.of(visit, 600.0, 1800.0), draws.of(visit, 600.0, 1800.0)
    assert (drawn.at_s == again.at_s).all()
    reach = 0.5 if visit.restricted else 1.0
    assert len(drawn.file) / drawn.times == pytest.approx(scenario.downloads_per_s * 1200.0 * reach, rel=0.15)
