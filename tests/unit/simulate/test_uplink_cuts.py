"""The minimum cut is the maximum flow, as a linear program finds it, and bounds what other holdings can send."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from distribute_io.simulate.bound import minimise
from distribute_io.simulate.people import Floats, Rates, draw_downlinks, draw_people
from distribute_io.simulate.scenario import load_scenario, setups_s
from distribute_io.simulate.uplink_cuts import Crowd, Cut, Draws, carried, cut, late_shares


def some_crowd(seed: int) -> tuple[Crowd, Floats, float]:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 20))
    begin_s = rng.uniform(0.0, 40.0, size)
    crowd = Crowd(begin_s, begin_s + rng.uniform(0.5, 15.0, size), rng.uniform(0.2, 4.0, size))
    return crowd, rng.uniform(0.0, 8.0, size) * (rng.random(size) < 0.8), float(rng.uniform(0.1, 3.0))


def value(found: Cut, held: Floats) -> float:
    return found.others + float(held[found.counted].sum())


def flow(crowd: Crowd, held: Floats, uplink: float, *, rates: bool = True) -> float:
    """The most that can be sent, piece by piece between all beginnings and ends; without `rates` what a download takes
    in all is bounded, not what it takes at a moment."""
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
    most = np.array([crowd.rate[download] * np.diff(moments)[moment] for download, moment in pairs])
    upper = most if rates else np.full(len(pairs), 1e3)
    sent = minimise(-np.ones(len(pairs)), upper, row, column, np.ones(len(row)), limits)
    return float(sent.sum())


@pytest.mark.parametrize("seed", range(12))
def test_the_cut_is_no_less_than_what_can_be_sent_and_no_more_than_if_rates_bound_sums_only(seed: int) -> None:
    crowd, held, uplink = some_crowd(seed)
    found = value(cut(crowd, held, uplink), held)
    assert flow(crowd, held, uplink) - 1e-3 <= found <= flow(crowd, held, uplink, rates=False) + 1e-3


def test_the_cut_counts_what_paths_take_at_each_moment() -> None:
    # Two downloads of 10 s, one after another, that each take 1 segment a second; the uplink could send 4.
    crowd = Crowd(np.array([0.0, 10.0]), np.array([10.0, 20.0]), np.array([1.0, 1.0]))
    found = cut(crowd, np.array([30.0, 30.0]), 4.0)
    assert not found.counted.any()
    assert found.others == pytest.approx(20.0)
    # Both at once, and an uplink that sends 1.5: that is less than they take.
    at_once = Crowd(np.zeros(2), np.full(2, 10.0), np.ones(2))
    assert carried(at_once, 1.5) == pytest.approx(15.0)


def test_a_cut_taken_at_some_holdings_bounds_all_others() -> None:
    for seed in range(200):
        crowd, held, uplink = some_crowd(seed)
        other = np.random.default_rng(seed + 1_000).permutation(held)
        if seed < 40:
            assert value(cut(crowd, held, uplink), other) >= flow(crowd, other, uplink) - 1e-3
        assert value(cut(crowd, held, uplink), held) <= float(np.minimum(held, crowd.most).sum()) + 1e-9


def test_draws_have_the_scenarios_rate_and_are_the_same_again() -> None:
    scenario = load_scenario("steady")
    draws = Draws(scenario, Rates(scenario))
    visit = next(visit for visit in draw_people(scenario, 1).visits if visit.pool)
    drawn, again = draws.of(visit, 600.0, 1800.0), draws.of(visit, 600.0, 1800.0)
    assert (drawn.at_s == again.at_s).all()
    reach = 0.5 if visit.restricted else 1.0
    assert len(drawn.file) / drawn.times == pytest.approx(scenario.downloads_per_s * 1200.0 * reach, rel=0.15)


def test_draws_leave_out_the_time_in_which_no_connection_can_be_used() -> None:
    scenario = load_scenario("steady")
    far_s, near_s = setups_s(scenario)
    visit = next(visit for visit in draw_people(scenario, 1).visits if visit.pool)
    drawn = Draws(scenario, Rates(scenario)).of(visit, 600.0, 1800.0)
    late_s = (drawn.crowd.begin_s - drawn.at_s) % 1201.0
    assert set(np.round(late_s, 6).tolist()) == {round(far_s, 6), round(near_s, 6)}


def test_what_mirrors_send_before_any_connection_is_a_hundredth_and_more_far_away() -> None:
    scenario = load_scenario("steady")
    far, near = late_shares(scenario)
    downs = draw_downlinks(scenario, np.random.default_rng(1), 200_000)
    drawn = [
        float(np.minimum(scenario.catalogue.segments, downs * setup_s).mean()) / scenario.catalogue.segments
        for setup_s in setups_s(scenario)
    ]
    assert [far, near] == pytest.approx(drawn, rel=0.01)
    assert 0.01 < near < far < 0.04


def test_a_swarm_sends_what_is_asked_or_what_its_uplinks_can() -> None:
    scenario = load_scenario("steady")
    draws = Draws(scenario, Rates(scenario))
    visit = next(visit for visit in draw_people(scenario, 1).visits if visit.pool)
    asked = scenario.downloads_per_s * 600.0 * scenario.catalogue.segments * (1.0 - late_shares(scenario)[1])

    def carried_by(up: float) -> float:
        return draws.swarm_carries([replace(visit, up=up, end_s=9e9)], 600.0, 1200.0, hidden_only=False)

    assert carried_by(1e6) == pytest.approx(asked, rel=1e-6)
    # So slow that somebody nearly always waits: it sends all the time, also while the last downloads end.
    assert 0.1 * 600.0 * 0.8 < carried_by(0.1) < 0.1 * 800.0
    middle = scenario.downloads_per_s * scenario.catalogue.segments
    assert carried_by(middle) < min(asked, middle * 700.0) * 0.95
    assert draws.swarm_carries([], 600.0, 1200.0, hidden_only=False) == pytest.approx(0.0, abs=0.001 * asked)
