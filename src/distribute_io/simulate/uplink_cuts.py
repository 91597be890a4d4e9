"""What one uplink can send to downloads that come by chance and end soon: the concave part of the bound.

Rules:

1. A download lasts `segments / downlink` from its first moment on, whoever sends (rule 2 of `swarm.py`). A donor sends
   from the moment on at which the two can be connected (rule 4 there) until the end, at most what it holds of the file,
   and at each moment at most what the downlink and the path take. So what a donor can send in all is a maximum flow:
   from downloads to the time that they last, of which the uplink serves one second's worth a second.
2. By any cut, for any set `R` of downloads: sent <= sum over `R` of what is held + the sum over time of what the others
   that are there take at that moment, or the uplink, whichever is less. The right-hand side is linear in what is held,
   so one cut, taken at some holdings, bounds all others.
3. `R` is that of the minimum cut of a simpler flow, in which a path's rate bounds only what it takes in all: there,
   serving the earliest end first is a maximum flow, for each download's time is one interval (Glover 1967).
4. `R` may depend on the downloads but not on the holdings; holdings may not depend on the downloads. Then the
   expectation of rule 2 is a row of the bound, with the expected number of downloads in `R` for each file.
5. Expectations are means over drawn downloads. A maximum over holdings with means in place of expectations is too high
   on average, never too low (Mak, Morton and Wood 1999): the bound stays one, and more draws only lower it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from distribute_io.simulate.people import Floats, Rates, Visit, draw_downlinks
from distribute_io.simulate.scenario import Scenario, clipped_lognormal_mean, path_rates, setups_s

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_EPSILON = 1e-9
_DRAWN_S: Final = 1_800.0
"""So much time is drawn for each visit, and at least `_TIMES_MIN` times the visit."""
_TIMES_MIN: Final = 6
_BIN_S: Final = 10.0
_SWARM_TIMES: Final = 256
"""How many times over all downloads of a window are drawn."""


@dataclass(frozen=True)
class Crowd:
    """Downloads that were drawn for one donor, one after another in time (draws do not overlap)."""

    begin_s: Floats
    end_s: Floats
    rate: Floats
    """What its downlink and the path to it take, in segments per second."""

    @property
    def most(self) -> Floats:
        """What it takes between the two, in segments."""
        return self.rate * (self.end_s - self.begin_s)

    def only(self, places: Ints | Bools) -> Crowd:
        """Some of them."""
        return Crowd(self.begin_s[places], self.end_s[places], self.rate[places])


@dataclass(frozen=True)
class Drawn:
    """A visit's crowd, drawn `times` times over."""

    crowd: Crowd
    at_s: Floats
    """When each began, in the scenario's time."""
    file: Ints
    times: int


@dataclass(frozen=True)
class Cut:
    """`sent <= others + sum over R of what is held`."""

    counted: Bools
    """The downloads in `R`, at what the donor holds for them."""
    others: float
    """Segments that all others could be sent (rule 2)."""


def cut(crowd: Crowd, held: Floats, uplink: float) -> Cut:
    """A cut that is low at these holdings (rule 3).

    Args:
        crowd: the downloads.
        held: for each of them, what the donor holds for it, in segments.
        uplink: segments per second.
    """
    wants = np.minimum(held, crowd.most)
    log, left = _serve(crowd, wants, uplink)
    regions, reached = _reached(crowd, log, left)
    others = reached | _within(regions, crowd) | (crowd.most < held)
    return Cut(~others, carried(crowd.only(others), uplink))


def carried(crowd: Crowd, uplink: float) -> float:
    """What an uplink can send to downloads of which it has enough, in segments: at each moment what those that are
    there take, or all that it can."""
    moment = np.concatenate([crowd.begin_s, crowd.end_s])
    order = np.argsort(moment, kind="stable")
    taken = np.cumsum(np.concatenate([crowd.rate, -crowd.rate])[order])
    return float(np.diff(moment[order]) @ np.minimum(np.maximum(taken[:-1], 0.0), uplink)) if len(moment) else 0.0


def _serve(crowd: Crowd, wants: Floats, uplink: float) -> tuple[list[tuple[float, float, int]], Floats]:
    """Earliest end first; what was sent when and to whom, and what each did not get."""
    begin, end = crowd.begin_s.tolist(), crowd.end_s.tolist()
    left: list[float] = wants.tolist()
    order = [place for place in np.argsort(crowd.begin_s, kind="stable").tolist() if left[place] > _EPSILON]
    log: list[tuple[float, float, int]] = []
    waiting: list[tuple[float, int]] = []
    now, following = 0.0, 0
    while following < len(order) or waiting:
        if not waiting:
            now = max(now, begin[order[following]])
        while following < len(order) and begin[order[following]] <= now:
            heappush(waiting, (end[order[following]], order[following]))
            following += 1
        ends, place = waiting[0]
        if ends - now <= _EPSILON or left[place] <= _EPSILON:
            heappop(waiting)
            continue
        until = min(ends, now + left[place] / uplink)
        if following < len(order):
            until = min(until, begin[order[following]])
        log.append((now, until, place))
        left[place] -= (until - now) * uplink
        now = until
    return log, np.array(left)


def _reached(
    crowd: Crowd, log: list[tuple[float, float, int]], left: Floats
) -> tuple[list[tuple[float, float]], Bools]:
    """What an unserved download could displace, and what that could: times (all busy), and downloads.

    Ends only grow towards the last unserved one, so times are closed by going back once.
    """
    short = [place for place in np.argsort(-crowd.end_s, kind="stable").tolist() if left[place] > _EPSILON]
    reached = np.zeros(len(left), dtype=bool)
    reached[short] = True
    regions: list[tuple[float, float]] = []
    since, following = np.inf, 0
    for start, stop, place in reversed(log):
        while following < len(short) and crowd.end_s[short[following]] > start + _EPSILON:
            since = min(since, float(crowd.begin_s[short[following]]))
            following += 1
        if stop <= since + _EPSILON:
            since = np.inf
            continue
        reached[place] = True
        since = min(since, float(crowd.begin_s[place]))
        if regions and regions[-1][0] - stop <= _EPSILON:
            regions[-1] = (start, regions[-1][1])
        else:
            regions.append((start, stop))
    return regions[::-1], reached


def _within(regions: list[tuple[float, float]], crowd: Crowd) -> Bools:
    """Downloads that last within such times only: they cost nothing more."""
    if not regions:
        return np.zeros(len(crowd.begin_s), dtype=bool)
    starts, ends = np.array(regions).T
    place = np.searchsorted(starts, crowd.begin_s + _EPSILON, side="right") - 1
    return np.asarray((place >= 0) & (crowd.end_s <= ends[np.maximum(place, 0)] + _EPSILON), dtype=bool)


class Draws:
    """Downloads of a scenario's true rates, drawn for one visit after another; the same again for the same visit."""

    def __init__(self, scenario: Scenario, rates: Rates) -> None:
        self._scenario = scenario
        bins = ceil(scenario.duration_s / _BIN_S)
        self._rates = np.array([rates.at((number + 0.5) * _BIN_S) for number in range(bins)])
        network = scenario.network
        self._mean_s = scenario.catalogue.segments * scenario.segment_bits / network.down_median_bit_per_s
        """How long a download lasts, in the middle."""

    def of(self, visit: Visit, start_s: float, end_s: float) -> Drawn:
        """Downloads that begin between two moments and that this donor can serve."""
        scenario, rng = self._scenario, np.random.default_rng([visit.index, 3])
        span_s = end_s - start_s
        times = max(_TIMES_MIN, ceil(_DRAWN_S / (span_s + self._mean_s)))
        hidden = scenario.network.restricted_share if visit.restricted else 0.0
        first, last = int(start_s / _BIN_S), min(len(self._rates), ceil(end_s / _BIN_S))
        means = self._rates[first:last] * (_BIN_S * (1.0 - hidden) * times)
        cell = np.repeat(np.arange(means.size), rng.poisson(means).ravel())
        of_bin, file, region = np.unravel_index(cell, means.shape)
        at_s = (first + of_bin + rng.random(len(cell))) * _BIN_S
        down = draw_downlinks(scenario, rng, len(cell))
        near = (region == visit.region).astype(np.int64)
        begin_s = at_s + np.array(setups_s(scenario))[near]
        until_s = np.minimum(at_s + scenario.catalogue.segments / down, end_s)
        shift_s = rng.integers(times, size=len(cell)) * (span_s + 1.0)
        rate = np.minimum(down, np.array(path_rates(scenario))[near])
        there = np.flatnonzero((at_s >= start_s) & (until_s - begin_s > _EPSILON))
        crowd = Crowd(begin_s + shift_s, until_s + shift_s, rate).only(there)
        return Drawn(crowd, at_s[there], file[there], times)

    def swarm_carries(self, visits: Sequence[Visit], start_s: float, end_s: float, *, hidden_only: bool) -> float:
        """What some donors together can send to downloads that begin between two moments, as expected, in segments: at
        each moment what all downlinks take that connections can be used for, or what all uplinks send.

        Args:
            visits: the donors.
            start_s: the first moment.
            end_s: the last.
            hidden_only: count only downloaders behind restricted NATs.
        """
        scenario, rng = self._scenario, np.random.default_rng([round(start_s), 4])
        share = scenario.network.restricted_share if hidden_only else 1.0
        first, last = int(start_s / _BIN_S), min(len(self._rates), ceil(end_s / _BIN_S))
        means = self._rates[first:last].sum(axis=(1, 2)) * (_BIN_S * share)
        # All times together have as many as are expected: by chance is which of them each one is in.
        of_bin = np.repeat(np.arange(len(means)), np.rint(means * _SWARM_TIMES).astype(np.int64))
        time = rng.integers(_SWARM_TIMES, size=len(of_bin))
        at_s = (first + of_bin + rng.random(len(of_bin))) * _BIN_S
        down = draw_downlinks(scenario, rng, len(at_s))
        until_s = at_s + scenario.catalogue.segments / down
        begin_s = np.minimum(at_s + setups_s(scenario)[1], until_s)
        apart_s = float(until_s.max(initial=end_s)) + 1.0
        there = [visit for visit in visits if visit.start_s < apart_s and visit.end_s > start_s]
        ups = [(max(start_s, visit.start_s), min(apart_s, visit.end_s), visit.up) for visit in there]
        up_from_s, up_until_s, up = (np.tile(column, _SWARM_TIMES) for column in np.array(ups).reshape(-1, 3).T)
        shift_s, up_shift_s = time * apart_s, np.repeat(np.arange(_SWARM_TIMES), len(ups)) * apart_s
        moment = np.concatenate([begin_s + shift_s, until_s + shift_s, up_from_s + up_shift_s, up_until_s + up_shift_s])
        nothing, no_uplinks = np.zeros(2 * len(down)), np.zeros(2 * len(up))
        order = np.argsort(moment, kind="stable")
        taken = np.cumsum(np.concatenate([down, -down, no_uplinks])[order])
        sent = np.cumsum(np.concatenate([nothing, up, -up])[order])
        beyond = float(np.diff(moment[order]) @ np.maximum(0.0, taken - sent)[:-1]) / _SWARM_TIMES
        # The mean of what all take is known; only what is beyond the uplinks is drawn.
        return float(means.sum()) * scenario.catalogue.segments * (1.0 - late_shares(scenario)[1]) - beyond


def late_shares(scenario: Scenario) -> tuple[float, float]:
    """The share of a download that mirrors have sent, on average, before a connection to a far donor can be used, and
    to a near one."""
    network, segments = scenario.network, scenario.catalogue.segments
    far, near = (
        setup_s
        / segments
        * clipped_lognormal_mean(
            network.down_median_bit_per_s,
            network.down_sigma,
            network.down_min_bit_per_s,
            min(network.down_max_bit_per_s, segments / max(setup_s, _EPSILON) * scenario.segment_bits),
        )
        / scenario.segment_bits
        for setup_s in setups_s(scenario)
    )
    return far, near
