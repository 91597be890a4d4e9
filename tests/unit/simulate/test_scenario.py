"""Scenarios are data: all that come with the program are valid, and what is drawn of them has their figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distribute_io.core.runs import of_indices
from distribute_io.errors import UsageError
from distribute_io.simulate import masks
from distribute_io.simulate.people import Rates, draw_people
from distribute_io.simulate.questions import Question, ask
from distribute_io.simulate.scenario import clipped_lognormal_mean, load_scenario, scenario_names


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_that_comes_with_the_program_is_valid(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.title
    assert scenario.about
    assert scenario.downloads_per_s > 0


def test_what_is_no_scenario_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there are .*steady"):
        load_scenario("no-such")
    path = tmp_path / "mine.toml"
    path.write_text('title = "t"\nabout = "a"\nspeed = 3\n')
    with pytest.raises(UsageError, match="speed"):
        load_scenario(str(path))


def test_the_base_scenario_is_the_one_of_the_study() -> None:
    scenario = load_scenario("steady")
    people = [draw_people(scenario, seed) for seed in range(5)]
    asked = sum(len(one.requests) for one in people) / 5 * scenario.catalogue.segments
    possible = scenario.donors.online * scenario.up_mean_segments_per_s * scenario.duration_s
    assert asked / possible == pytest.approx(0.35, rel=0.05)
    online = [
        sum(visit.start_s <= at < visit.end_s for visit in one.visits) for one in people for at in range(0, 5400, 60)
    ]
    assert np.mean(online) == pytest.approx(30, rel=0.15)
    visits = [visit for one in people for visit in one.visits]
    assert np.mean([visit.restricted for visit in visits]) == pytest.approx(0.5, abs=0.06)
    assert {visit.region for visit in visits} == {0, 1, 2}


def test_the_mean_of_clipped_uplinks_is_the_drawn_one() -> None:
    drawn = np.clip(5.0 * np.exp(np.random.default_rng(1).standard_normal(400_000)), 0.2, 50.0)
    assert clipped_lognormal_mean(5.0, 1.0, 0.2, 50.0) == pytest.approx(drawn.mean(), rel=0.01)
    assert clipped_lognormal_mean(5.0, 0.0, 0.2, 50.0) == 5.0


def test_a_flash_crowd_peaks_at_its_multiple_and_halves() -> None:
    scenario = load_scenario("flash")
    rates = Rates(scenario)
    other = float(rates.at(0.0).sum())
    cold = float(rates.at(0.0)[rates.flash_file].sum())
    assert rates.at(2520.0)[rates.flash_file].sum() == pytest.approx(3 * other + cold)
    assert rates.at(3720.0)[rates.flash_file].sum() == pytest.approx(1.5 * other + cold)
    assert rates.at(2399.0).sum() == pytest.approx(other)


def test_phases_of_the_day_are_a_third_apart() -> None:
    rates = Rates(load_scenario("wandering"))
    by_region = rates.at(2700.0).sum(axis=0)
    assert by_region[0] > 2 * by_region[1]
    assert rates.at(2700.0).sum() == pytest.approx(rates.at(0.0).sum())


def test_own_figures_replace_the_scenarios() -> None:
    steady = load_scenario("steady")
    assert ask(steady, Question()) is steady
    asked = ask(steady, Question(visitors=7, stay_s=60.0, file_bytes=5 << 20, downloads_per_hour=90.0))
    assert asked.donors.online == 7
    assert asked.catalogue.segments == 5
    assert asked.downloads_per_s * 3600 == pytest.approx(90.0)
    assert ask(steady, Question(visitors=100_000)).kind == "coarse"
    with pytest.raises(UsageError, match="more than 0"):
        ask(steady, Question(visitors=0))


def test_masks_are_runs() -> None:
    for mask in (0, 1, 0b110011, 0b101 << 60, masks.full(70)):
        assert masks.to_runs(mask) == of_indices(masks.indices(mask))
        assert masks.from_runs(masks.to_runs(mask)) == mask
    assert masks.lowest(0b1100) == 0b100
