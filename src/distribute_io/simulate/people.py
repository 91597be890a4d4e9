"""Who comes and goes, and who asks for what: drawn from the scenario and the seed, before any policy is asked.

Rules:

1. The same scenario and seed give the same visits and downloads, whatever the policy: policies are compared in pairs.
2. Visits begin in their steady state: they are drawn from `_BEFORE_S` before the start on. All stores are empty at the
   start. A visit that returns has its previous one's number, so that it can be given what was held.
3. Downloads are a Poisson process of the true rates. Of these, new visitors make their own; the others make the rest,
   so that all together have the scenario's rate.
4. A region's demand is `1/regions` of the file's, times its phase of the day. Where demand moves, file `f` is in group
   `f % regions`, and after `p` moves region `r` asks for group `(r + p) % regions` alone, as much as else for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, pi

import numpy as np
from numpy.typing import NDArray

from distribute_io.simulate.scenario import Scenario

Floats = NDArray[np.float64]

_BEFORE_S = 14_400.0
_BIN_S = 10.0
"""Rates are taken as constant for so long when downloads are drawn."""


@dataclass(slots=True)
class Visit:
    """One stay of one donor."""

    index: int
    person: int
    start_s: float
    end_s: float
    up: float
    """Segments per second that it can send."""
    down: float
    """Segments per second that it can receive."""
    restricted: bool
    region: int
    pool: bool
    poisoner: bool
    previous: int
    """Its visit before, whose holdings it still has; -1 for none."""
    own_file: int = -1
    """The file that it downloads when it comes; -1 for none."""


@dataclass(slots=True)
class Request:
    """One download that somebody asked for."""

    index: int
    at_s: float
    file: int
    region: int
    restricted: bool
    down: float
    """Segments per second that the downloader can receive."""
    visit: int
    """The donor that asks; -1 when it is nobody who donates."""


@dataclass(frozen=True)
class People:
    """All visits by their start, all requests by their time."""

    visits: list[Visit]
    requests: list[Request]


class Rates:
    """The true demand: downloads per second of each file and region."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        files = scenario.files
        weights = np.array([1.0 / (rank + 1) ** scenario.catalogue.zipf for rank in range(scenario.catalogue.files)])
        shares = np.zeros(files)
        shares[: scenario.catalogue.files] = weights / weights.sum()
        self._base: Floats = np.outer(
            shares, np.full(scenario.network.regions, scenario.downloads_per_s / scenario.network.regions)
        )
        self.flash_file = files - 1

    def at(self, time_s: float) -> Floats:
        """Downloads per second at a moment, `[file, region]`."""
        scenario = self._scenario
        regions = scenario.network.regions
        rates = self._base.copy()
        if scenario.demand.day_amplitude:
            phase = 2 * pi * (time_s / scenario.demand.day_s + np.arange(regions) / regions)
            rates *= 1.0 + scenario.demand.day_amplitude * np.sin(phase)
        if scenario.demand.moves_at_s is not None:
            rates *= regions * self.asks_for(time_s)
        flash = scenario.demand.flash
        if flash:
            rates[self.flash_file] += scenario.flash_peak_per_s * self._flash_shape(time_s) / regions
        return rates

    def asks_for(self, time_s: float) -> NDArray[np.bool_]:
        """Which region asks for which file at a moment, where demand moves, `[file, region]`."""
        regions = self._scenario.network.regions
        phase = sum(time_s >= moved_s for moved_s in self._scenario.demand.moves_at_s or ())
        group = np.arange(self._scenario.files)[:, None] % regions
        return np.asarray(group == (np.arange(regions) + phase) % regions, dtype=np.bool_)

    def mean(self, start_s: float, end_s: float) -> Floats:
        """Mean rate over an interval, `[file, region]`."""
        steps = max(1, round((end_s - start_s) / _BIN_S))
        width = (end_s - start_s) / steps
        total: Floats = sum((self.at(start_s + (i + 0.5) * width) for i in range(steps)), np.zeros_like(self._base))
        return total / steps

    def announced_downloads(self) -> float:
        """The publisher's number of downloads of the announced release."""
        flash = self._scenario.demand.flash
        if flash is None:
            return 0.0
        seconds = flash.rise_s / 2 + flash.half_life_s / log(2)
        return flash.announced_share * self._scenario.flash_peak_per_s * seconds

    def _flash_shape(self, time_s: float) -> float:
        flash = self._scenario.demand.flash
        assert flash is not None
        since = time_s - flash.at_s
        if since <= 0:
            return 0.0
        if since < flash.rise_s:
            return since / flash.rise_s
        return float(0.5 ** ((since - flash.rise_s) / flash.half_life_s))


def newcomers_per_s(scenario: Scenario) -> float:
    """Visitors that come for the first time, per second, so that as many are there as the scenario says."""
    donors = scenario.donors
    stay_mean_s = donors.stay_median_s * exp(donors.stay_sigma * donors.stay_sigma / 2)
    visitors = donors.online - round(donors.pool_share * donors.online)
    return float(visitors * (1 - donors.return_chance) / stay_mean_s)


def draw_people(scenario: Scenario, seed: int) -> People:
    """All visits and requests of a run."""
    rng = np.random.default_rng([seed, 1])
    rates = Rates(scenario)
    visits = _draw_visits(scenario, rng)
    requests = _draw_requests(scenario, rates, visits, np.random.default_rng([seed, 2]))
    return People(visits, requests)


def _draw_visits(scenario: Scenario, rng: np.random.Generator) -> list[Visit]:
    donors = scenario.donors
    pool = round(donors.pool_share * donors.online)
    drawn: list[tuple[float, float, int, bool, int]] = []  # start, end, person, pool, the visit before in this list
    person = 0
    for _ in range(pool):
        at = 0.0
        while at < scenario.duration_s:
            stay = rng.exponential(donors.pool_half_life_s / log(2))
            drawn.append((at, at + stay, person, True, -1))
            at += stay
            person += 1
    arrivals_per_s = newcomers_per_s(scenario)
    at = -_BEFORE_S
    while arrivals_per_s > 0:
        at += rng.exponential(1 / arrivals_per_s)
        if at >= scenario.duration_s:
            break
        start, before = at, -1
        while True:
            stay = donors.stay_median_s * exp(donors.stay_sigma * rng.standard_normal())
            if start + stay > 0 and start < scenario.duration_s:
                drawn.append((start, start + stay, person, False, before))
                before = len(drawn) - 1
            if rng.random() >= donors.return_chance:
                break
            start += stay + rng.exponential(donors.return_after_mean_s)
        person += 1
    return _with_properties(scenario, drawn, person, rng)


def _with_properties(
    scenario: Scenario, drawn: list[tuple[float, float, int, bool, int]], people: int, rng: np.random.Generator
) -> list[Visit]:
    donors, network = scenario.donors, scenario.network
    ups = _clipped_lognormal(
        rng, people, donors.up_median_bit_per_s, donors.up_sigma, donors.up_min_bit_per_s, donors.up_max_bit_per_s
    )
    downs = draw_downlinks(scenario, rng, people)
    restricted = rng.random(people) < network.restricted_share
    regions = rng.integers(network.regions, size=people)
    if donors.as_many_in_each_region:
        # In turn they would come in step with the segments that they are given: each region would get every third.
        regions = rng.permutation(np.arange(people) % network.regions)
    poisoners = rng.random(people) < scenario.trouble.poisoner_share
    order = sorted(range(len(drawn)), key=lambda number: (max(0.0, drawn[number][0]), number))
    place = {number: index for index, number in enumerate(order)}
    visits = []
    for number in order:
        start, end, who, pool, before = drawn[number]
        visits.append(
            Visit(
                index=place[number],
                person=who,
                start_s=start,
                end_s=end,
                up=float(ups[who]) / scenario.segment_bits,
                down=float(downs[who]),
                restricted=bool(restricted[who]),
                region=int(regions[who]),
                pool=pool,
                poisoner=bool(poisoners[who]),
                previous=place[before] if before >= 0 else -1,
            )
        )
    return visits


def draw_downlinks(scenario: Scenario, rng: np.random.Generator, number: int) -> Floats:
    """Downlinks in segments per second."""
    network = scenario.network
    return (
        _clipped_lognormal(
            rng,
            number,
            network.down_median_bit_per_s,
            network.down_sigma,
            network.down_min_bit_per_s,
            network.down_max_bit_per_s,
        )
        / scenario.segment_bits
    )


def _clipped_lognormal(
    rng: np.random.Generator, number: int, median: float, sigma: float, low: float, high: float
) -> Floats:
    drawn: Floats = np.clip(median * np.exp(sigma * rng.standard_normal(number)), low, high)
    return drawn


def _draw_requests(scenario: Scenario, rates: Rates, visits: list[Visit], rng: np.random.Generator) -> list[Request]:
    rows: list[tuple[float, int, int, bool, float, int]] = []
    newcomers = [visit for visit in visits if not visit.pool and visit.previous < 0 and visit.start_s > 0]
    for visit in newcomers:
        if rng.random() < scenario.donors.downloads_chance:
            mix = rates.at(visit.start_s)[:, visit.region]
            visit.own_file = int(rng.choice(len(mix), p=mix / mix.sum()))
            rows.append((visit.start_s, visit.own_file, visit.region, visit.restricted, visit.down, visit.index))
    own_per_s = scenario.donors.downloads_chance * newcomers_per_s(scenario)
    bins = round(scenario.duration_s / _BIN_S)
    for number in range(bins):
        wanted = rates.at((number + 0.5) * _BIN_S)
        others = wanted * max(0.0, 1.0 - own_per_s / wanted.sum())
        counts = rng.poisson(others * _BIN_S)
        for file, region in zip(*np.nonzero(counts), strict=True):
            for _ in range(int(counts[file, region])):
                at = (number + rng.random()) * _BIN_S
                hidden = bool(rng.random() < scenario.network.restricted_share)
                rows.append((at, int(file), int(region), hidden, 0.0, -1))
    rows.sort(key=lambda row: row[0])
    downs = draw_downlinks(scenario, rng, len(rows))
    return [
        Request(index, at, file, region, hidden, down or float(downs[index]), visit)
        for index, (at, file, region, hidden, down, visit) in enumerate(rows)
    ]
