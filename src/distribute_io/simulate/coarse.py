"""A swarm by classes instead of persons: a million donors, a release day, in a second.

A mean-field model in minutes: donors are one pool of uplinks and storage, files are numbers of copies.

1. A file gets copies in proportion to what is expected of it, at most so many that each is served `Policy.return_min`
   times before its donor leaves, and all within the storage of those online (`core.placement`'s push rule).
2. Leavers take their copies with them, but for those that return; what is missing is filled at the donors' downlink,
   and costs a push.
3. A request finds a compatible holder with probability `1 - e^(-copies * reach)`; holders serve the share of it that
   their load lets them (`core.placement.curves`, the planner's own).
4. Mirrors give the rest, up to their capacity; what is beyond it waits, and the downloads' times grow by it.

What it leaves out: regions, single segments, slow donors with wanted segments, chance. For orders of
magnitude, not for tenths.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log
from typing import Final

import numpy as np

from distribute_io.core.placement.curves import served_share
from distribute_io.core.placement.model import Policy
from distribute_io.simulate.ledger import MINUTE_S, SETTLED_S, Outcome, Series
from distribute_io.simulate.people import Floats, Rates
from distribute_io.simulate.scenario import Scenario

_FORECAST_S: Final = 120.0
"""The forecast follows the demand with this delay."""

_CAPACITY_SPREAD: Final = 0.8
"""Of all uplinks, what can be brought to bear on what is asked: fast donors are not always those that hold it."""


def run_coarse(scenario: Scenario, progress: Callable[[float], None] | None = None) -> Outcome:
    """Run a scenario to its end."""
    policy = Policy()
    donors, network = scenario.donors, scenario.network
    rates = Rates(scenario)
    segments = float(scenario.catalogue.segments)
    minutes = max(1, round(scenario.duration_s / MINUTE_S))
    slots = float(donors.online * donors.quota_segments)
    uplink = donors.online * scenario.up_mean_segments_per_s
    stay_s = donors.stay_median_s * exp(donors.stay_sigma * donors.stay_sigma / 2)
    mean_stay_s = donors.pool_share * donors.pool_half_life_s / log(2) + (1 - donors.pool_share) * stay_s
    gone = donors.pool_share * log(2) / donors.pool_half_life_s
    gone += (1 - donors.pool_share) * (1 - donors.return_chance) / stay_s
    down = donors.online * network.down_median_bit_per_s / scenario.segment_bits
    reach = (1.0 - network.restricted_share**2) * policy.reach
    limit = scenario.trouble.mirror_bit_per_s
    mirror_limit = np.inf if limit is None else limit / scenario.segment_bits
    files = scenario.files
    copies, believed, waiting = np.zeros(files), np.zeros(files), 0.0
    rows: dict[str, list[float]] = {name: [] for name in ("donors", "mirrors", "pushed", "late")}
    for minute in range(minutes):
        now_s = minute * MINUTE_S
        asked = rates.at(now_s + MINUTE_S / 2).sum(axis=1)
        believed += (asked - believed) * (1 - exp(-MINUTE_S / _FORECAST_S))
        wanted = np.maximum(believed, _announced(scenario, rates, now_s))
        target = _copies(wanted * mean_stay_s / policy.return_min, slots / segments, float(donors.online))
        copies *= exp(-gone * MINUTE_S)
        missing = np.maximum(0.0, target - copies)
        possible = min(1.0, min(down, float(mirror_limit)) * MINUTE_S / max(1e-9, float(missing.sum()) * segments))
        pushed = missing * possible
        surplus = max(0.0, float((copies + pushed).sum()) * segments - slots)
        over = np.maximum(0.0, copies - target)
        if surplus > 0 and over.sum() > 0:
            copies -= over * min(1.0, surplus / segments / float(over.sum()))
        copies += pushed
        rows["pushed"].append(float(pushed.sum()) * segments)
        found = asked * segments * (1.0 - np.exp(-copies * reach))
        holding = np.minimum(1.0, copies * segments / max(1.0, float(donors.online)))
        load = found.sum() / max(
            1e-9, uplink * _CAPACITY_SPREAD * float(1.0 - np.prod(1.0 - np.minimum(holding, 0.999)))
        )
        served = float(found.sum() * served_share(np.array([load]), policy.busy_sharpness)[0])
        rest = float(asked.sum()) * segments - served + waiting / MINUTE_S
        if scenario.trouble.mirror_outage_s and _within(scenario.trouble.mirror_outage_s, now_s):
            rest_now = 0.0
        else:
            rest_now = min(rest, float(mirror_limit) - float(pushed.sum()) * segments / MINUTE_S)
        waiting = (rest - rest_now) * MINUTE_S
        rows["donors"].append(served * MINUTE_S)
        rows["mirrors"].append(rest_now * MINUTE_S)
        rows["late"].append(waiting / max(1e-9, (served + rest_now)))
        if progress and minute % 30 == 0:
            progress(minute / minutes)
    return _outcome(scenario, rates, rows)


def _announced(scenario: Scenario, rates: Rates, now_s: float) -> Floats:
    """What the publisher said is to come soon."""
    coming = np.zeros(scenario.files)
    flash = scenario.demand.flash
    if flash and flash.announced_before_s is not None and flash.at_s - flash.announced_before_s <= now_s < flash.at_s:
        coming[rates.flash_file] = flash.announced_share * scenario.flash_peak_per_s
    return coming


def _copies(most: Floats, whole_files: float, each_max: float) -> Floats:
    """Rule 1: in proportion to demand, within the storage; fractions of a copy are parts of a file."""
    total = float(most.sum())
    scaled = most * min(1.0, whole_files / total) if total > 0 else most
    return np.asarray(np.minimum(scaled, each_max), dtype=np.float64)


def _within(span: tuple[float, float], now_s: float) -> bool:
    return span[0] <= now_s < span[1]


def _outcome(scenario: Scenario, rates: Rates, rows: dict[str, list[float]]) -> Outcome:
    size = scenario.catalogue.segment_bytes
    served, mirrors, pushed = (np.array(rows[name]) for name in ("donors", "mirrors", "pushed"))
    delivered = max(1e-9, float(served.sum() + mirrors.sum()))
    settled = int(SETTLED_S // MINUTE_S)
    alone_s = scenario.catalogue.segments * scenario.segment_bits / scenario.network.down_median_bit_per_s
    late = np.array(rows["late"])
    times = [alone_s + float(np.percentile(late, share)) for share in (50, 95, 99)]
    flash = scenario.demand.flash
    first = int(flash.at_s // MINUTE_S) if flash else 0
    downloads = rates.mean(0.0, scenario.duration_s).sum() * scenario.duration_s
    offload = (float(served.sum()) - float(pushed.sum())) / delivered
    return Outcome(
        net_offload=offload,
        net_offload_weighted=offload,
        gross_offload=float(served.sum()) / delivered,
        pushed_bytes=round(float(pushed.sum()) * size),
        filled_by_donors_bytes=0,
        served_bytes=round(float(served.sum()) * size),
        rejected_bytes=0,
        delivered_bytes=round(delivered * size),
        far_share=0.0,
        pushed_of_served=float(pushed[settled:].sum() / max(1e-9, served[settled:].sum())),
        downloads=round(float(downloads)),
        completion_s=(times[0], times[1], times[2]),
        completion_ratio=(times[0] / alone_s, times[1] / alone_s, times[2] / alone_s),
        introductions=0,
        per_introduction_bytes=0,
        hot_available=0.0,
        mirror_peak_bytes_per_s=float(mirrors.max()) * size / MINUTE_S,
        flash_peak_bytes_per_s=float(mirrors[first : first + 5].max()) * size / MINUTE_S if flash else 0.0,
        series=Series(
            from_donors=[float(x) * size for x in served],
            from_mirrors=[float(x) * size for x in mirrors],
            pushed=[float(x) * size for x in pushed],
            from_far=[0.0] * len(served),
            donors=[float(scenario.donors.online)] * len(served),
        ),
    )
