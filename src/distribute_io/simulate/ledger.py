"""What happened in a run, counted: bytes by kind and minute, completion times, introductions.

Net offload = (from donors - pushed - rejected) / delivered, from the first second on (`docs/explanation/placement.md`).
Amounts are in segments until `outcome` turns them into bytes.
"""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from distribute_io.simulate.scenario import Scenario

if TYPE_CHECKING:
    from distribute_io.simulate.parties import Download
    from distribute_io.simulate.swarm import Swarm

MINUTE_S: Final = 60.0
SETTLED_S: Final = 1800.0
"""Pushes are compared with serves from here on: before, empty donors are filled."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One number a minute."""

    from_donors: list[float]
    from_mirrors: list[float]
    pushed: list[float]
    from_far: list[float]
    donors: list[float]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A run in numbers. Shares are of the bytes delivered to downloaders."""

    net_offload: float
    net_offload_weighted: float
    """The same with bytes from other regions at the scenario's `far_weight`."""
    gross_offload: float
    pushed_bytes: int
    filled_by_donors_bytes: int
    served_bytes: int
    rejected_bytes: int
    delivered_bytes: int
    far_share: float
    """Of the served bytes, those that came from another region."""
    pushed_of_served: float
    """After the first half hour."""
    downloads: int
    completion_s: tuple[float, float, float]
    """50th, 95th and 99th percentile."""
    completion_ratio: tuple[float, float, float]
    """The same of each download's time over what it would take from mirrors alone."""
    introductions: int
    per_introduction_bytes: int
    """Median of the useful bytes that an introduction led to."""
    hot_available: float
    """Of the segments of the hottest tenth of the files (one at least) the one that was the least often with a donor:
    share of the moments at which plans are made and its file is one of the hottest, after the first half hour. 0 in a
    coarse run."""
    mirror_peak_bytes_per_s: float
    """Highest mean over a minute of what mirrors send, to downloads and to donors that fill themselves."""
    flash_peak_bytes_per_s: float
    """The same in the first five minutes of the flash crowd; 0 without one."""
    series: Series


class Ledger:
    """Counts while the run goes."""

    def __init__(self, scenario: Scenario) -> None:
        minutes = ceil(scenario.duration_s / MINUTE_S)
        self._scenario = scenario
        self._near = np.zeros(minutes)
        self._far = np.zeros(minutes)
        self._mirrors = np.zeros(minutes)
        self._pushed = np.zeros(minutes)
        self._rejected = 0.0
        self._donors = np.zeros(minutes)
        self._began = 0
        self._times: list[float] = []
        self._ratios: list[float] = []
        self._useful: list[float] = []
        self._introductions = 0
        self._moments: Counter[int] = Counter()
        self._available: Counter[tuple[int, int]] = Counter()
        self._late_served = 0.0
        self._late_pushed = 0.0
        self.filled_by_donors = 0.0

    def pushed(self, now_s: float, segments: float) -> None:
        """Filled into a donor."""
        self._pushed[int(now_s // MINUTE_S)] += segments
        if now_s >= SETTLED_S:
            self._late_pushed += segments

    def served(self, now_s: float, segments: float, *, near: bool) -> None:
        """Verified bytes from a donor."""
        (self._near if near else self._far)[int(now_s // MINUTE_S)] += segments
        if now_s >= SETTLED_S:
            self._late_served += segments

    def mirrored(self, now_s: float, segments: float) -> None:
        """Verified bytes from mirrors."""
        self._mirrors[int(now_s // MINUTE_S)] += segments

    def rejected(self, _now_s: float, segments: float) -> None:
        """Bytes that a donor sent and that were wrong."""
        self._rejected += segments

    def began(self, _now_s: float) -> None:
        """A download."""
        self._began += 1

    def introduced(self, _now_s: float) -> None:
        """Two were."""
        self._introductions += 1

    def parted(self, useful: float) -> None:
        """An introduction is over and led to so many verified segments."""
        self._useful.append(useful)

    def ended(self, download: Download, end_s: float) -> None:
        """A download is complete. Every one of its segments came from a donor or from mirrors."""
        segments = self._scenario.catalogue.segments
        assert abs(download.donors_segments + download.mirror_segments - segments) < 1e-6, "bytes out of nothing"
        took = max(end_s - download.begun_s, 1e-3)
        self._times.append(took)
        self._ratios.append(took / (segments / download.request.down))

    def unfinished(self, _download: Download) -> None:
        """Still under way at the end: what it has counts."""

    def observe(self, swarm: Swarm) -> None:
        """The state at a moment."""
        self._donors[int(swarm.now_s // MINUTE_S)] = len(swarm.donors)
        if swarm.now_s < SETTLED_S:
            return
        rates = swarm.rates.at(swarm.now_s).sum(axis=1)
        for file in np.argsort(-rates, kind="stable")[: max(1, len(rates) // 10)].tolist():
            self._moments[file] += 1
            held = 0
            for donor in swarm.holders[file].values():
                held |= donor.holdings.get(file, 0)
            for segment in range(self._scenario.catalogue.segments):
                self._available[file, segment] += held >> segment & 1

    def outcome(self) -> Outcome:
        """All of it."""
        size = self._scenario.catalogue.segment_bytes
        near, far, mirrors, pushed = (float(x.sum()) for x in (self._near, self._far, self._mirrors, self._pushed))
        served = near + far
        delivered = max(served + mirrors, 1e-9)
        weighted = near + self._scenario.network.far_weight * far
        flash = self._scenario.demand.flash
        sent = self._mirrors + self._pushed
        flash_peak = 0.0
        if flash:
            first = int(flash.at_s // MINUTE_S)
            flash_peak = float(sent[first : first + 5].max()) * size / MINUTE_S
        return Outcome(
            net_offload=(served - pushed - self._rejected) / delivered,
            net_offload_weighted=(weighted - pushed - self._rejected) / delivered,
            gross_offload=served / delivered,
            pushed_bytes=round(pushed * size),
            filled_by_donors_bytes=round(self.filled_by_donors * size),
            served_bytes=round(served * size),
            rejected_bytes=round(self._rejected * size),
            delivered_bytes=round((served + mirrors) * size),
            far_share=far / served if served else 0.0,
            pushed_of_served=self._late_pushed / self._late_served if self._late_served else 0.0,
            downloads=self._began,
            completion_s=percentiles(self._times),
            completion_ratio=percentiles(self._ratios),
            introductions=self._introductions,
            per_introduction_bytes=round(float(np.median(self._useful)) * size) if self._useful else 0,
            hot_available=min(
                (there / self._moments[file] for (file, _), there in self._available.items()), default=0.0
            ),
            mirror_peak_bytes_per_s=float(sent.max()) * size / MINUTE_S,
            flash_peak_bytes_per_s=flash_peak,
            series=Series(
                from_donors=[float(x) * size for x in self._near + self._far],
                from_mirrors=[float(x) * size for x in self._mirrors],
                pushed=[float(x) * size for x in self._pushed],
                from_far=[float(x) * size for x in self._far],
                donors=[float(x) for x in self._donors],
            ),
        )


def percentiles(values: list[float]) -> tuple[float, float, float]:
    """50th, 95th, 99th; zeros without values."""
    if not values:
        return 0.0, 0.0, 0.0
    middle, high, highest = np.percentile(values, [50, 95, 99])
    return float(middle), float(high), float(highest)
