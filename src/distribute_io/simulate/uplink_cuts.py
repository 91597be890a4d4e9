"""What one uplink can send to downloads that come by chance and end soon: the concave part of the bound.

Rules:

1. A download lasts `segments / downlink` from its first moment on, whoever sends (rule 2 of `swarm.py`), and while it
   lasts, a donor sends it at most what it holds of the file and at most what its downlink takes. So what a donor can
   send in all is a maximum flow: from downloads to the time that they last, of which the uplink serves one second's
   worth a second.
2. Serving the earliest end first is a maximum flow: each download's time is one interval (Glover 1967).
3. By the minimum cut, for any set `R` of downloads: sent <= sum over `R` of what is held + uplink * |union of the times
   of all others|. The right-hand side is linear in what is held, so one cut, taken at some holdings, bounds all others.
4. `R` may depend on the downloads but not on the holdings; holdings may not depend on the downloads. Then the
   expectation of rule 3 is a row of the bound, with the expected number of downloads in `R` for each file.
5. Expectations are means over drawn downloads. A maximum over holdings with means in place of expectations is too high
   on average, never too low (Mak, Morton and Wood 1999): the bound stays one, and more draws only lower it.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from distribute_io.simulate.people import Floats, Rates, Visit, draw_downlinks
from distribute_io.simulate.scenario import Scenario

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_EPSILON = 1e-9
_DRAWN_S: Final = 1_800.0
"""So much time is drawn for each visit, and at least `_TIMES_MIN` times the visit."""
_TIMES_MIN: Final = 6
_BIN_S: Final = 10.0


@dataclass(frozen=True)
class Crowd:
    """Downloads that were drawn for one donor, one after another in time (draws do not overlap)."""

    begin_s: Floats
    end_s: Floats
    most: Floats
    """What its downlink takes between the two, in segments."""

    def only(self, places: Ints) -> Crowd:
        """Some of them."""
        return Crowd(self.begin_s[places], self.end_s[places], self.most[places])


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
    """`sent <= busy_s * uplink + most + sum over R of what is held`."""

    counted: Bools
    """The downloads in `R`, at what the donor holds for them."""
    busy_s: float
    """Seconds in which one of the others is there."""
    most: float
    """Segments of downloads that are bounded by their own downlink."""


def cut(crowd: Crowd, held: Floats, uplink: float) -> Cut:
    """The minimum cut at these holdings.

    Args:
        crowd: the downloads.
        held: for each of them, what the donor holds for it, in segments.
        uplink: segments per second.
    """
    wants = np.minimum(held, crowd.most)
    log, left = _serve(crowd, wants, uplink)
    regions, reached = _reached(crowd, log, left)
    others = reached | _within(regions, crowd)
    by_downlink = ~others & (crowd.most < held)
    return Cut(
        counted=~others & ~by_downlink,
        busy_s=sum(end - start for start, end in regions),
        most=float(crowd.most[by_downlink].sum()),
    )


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
        self._rates = np.array([rates.at((number + 0.5) * _BIN_S).sum(axis=1) for number in range(bins)])
        network = scenario.network
        self._mean_s = scenario.catalogue.segments * scenario.segment_bits / network.down_median_bit_per_s
        """How long a download lasts, in the middle."""

    def of(self, visit: Visit, start_s: float, end_s: float) -> Drawn:
        """Downloads that begin between two moments and that this donor can serve."""
        rng = np.random.default_rng([visit.index, 3])
        span_s = end_s - start_s
        times = max(_TIMES_MIN, ceil(_DRAWN_S / (span_s + self._mean_s)))
        hidden = self._scenario.network.restricted_share if visit.restricted else 0.0
        first, last = int(start_s / _BIN_S), min(len(self._rates), ceil(end_s / _BIN_S))
        means = self._rates[first:last] * (_BIN_S * (1.0 - hidden) * times)
        cell = np.repeat(np.arange(means.size), rng.poisson(means).ravel())
        at_s = (first + cell // self._scenario.files + rng.random(len(cell))) * _BIN_S
        lasts_s = self._scenario.catalogue.segments / draw_downlinks(self._scenario, rng, len(cell))
        until_s = np.minimum(at_s + lasts_s, end_s)
        shift_s = rng.integers(times, size=len(cell)) * (span_s + 1.0)
        there = np.flatnonzero((at_s >= start_s) & (until_s - at_s > _EPSILON))
        most = self._scenario.catalogue.segments * (until_s - at_s) / lasts_s
        crowd = Crowd(at_s + shift_s, until_s + shift_s, most).only(there)
        return Drawn(crowd, at_s[there], (cell % self._scenario.files)[there], times)
