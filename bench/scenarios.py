"""What do the scenarios out of the ordinary show: days over continents, poisoners, a mirror outage, a million donors?

`python -m bench scenarios` runs each once for three seeds (`--seeds`, from `--first` 101 on), beside the other rules,
and writes `bench/results/scenarios.json`; `--scenario NAME` runs one and leaves the others as they are. `--others NAME`
takes only these rules beside the planner, `--hours N` cuts the detailed ones (continents are a day: half an hour of one
core for all). Coarse scenarios draw nothing by chance: they are run once. In virtual time, but for `run_s`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any, Final

from msgspec import structs

from bench.record import RESULTS, write_result
from distribute_io.simulate.baselines import BASELINES
from distribute_io.simulate.ledger import MINUTE_S, Outcome
from distribute_io.simulate.matchers import CoreMatcher
from distribute_io.simulate.people import draw_people
from distribute_io.simulate.runs import PLANNED, make_placer, run_policy
from distribute_io.simulate.scenario import Scenario, load_scenario
from distribute_io.simulate.swarm import ACCUSERS, Swarm

_NAME: Final = "scenarios"
_HTTP: Final = "http"
_DETAILED: Final = ("continents", "poisoners", "mirror-outage")
_COARSE: Final = ("million", "release-day")
_BASE: Final = "steady"
"""What poisoners and the outage are compared with: the same seed without them."""

COMPLETION_MAX: Final = 1.05

_Figures = dict[str, Any]  # Any: JSON of any shape


def run(options: list[str]) -> bool:
    """Run the scenarios and write what came of them; True when all bars hold."""
    parser = argparse.ArgumentParser(prog="python -m bench scenarios --", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenario", action="append", choices=(*_DETAILED, *_COARSE))
    parser.add_argument("--others", action="append", choices=tuple(BASELINES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=101)
    parser.add_argument("--hours", type=float)
    chosen = parser.parse_args(options)
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    others = tuple(dict.fromkeys((_HTTP, *(chosen.others or BASELINES))))
    figures: dict[str, _Figures] = {}
    for name in chosen.scenario or (*_DETAILED, *_COARSE):
        if name in _COARSE:
            figures[name] = _coarse(name)
        else:
            figures[name] = _detailed(name, seeds, others, chosen.hours)
        print(name, json.dumps(figures[name]), flush=True)
    path = RESULTS / f"{_NAME}.json"
    before = json.loads(path.read_text())["scenarios"] if path.exists() else {}
    write_result(_NAME, {"question": (__doc__ or "").splitlines()[0], "scenarios": before | figures})
    return all(each["holds"] for each in figures.values())


def _coarse(name: str) -> _Figures:
    scenario, began_s = load_scenario(name), time.process_time()
    outcome = run_policy(scenario, 1, PLANNED).outcome
    return {
        "downloads": outcome.downloads,
        "net_offload": round(outcome.net_offload, 4),
        "gross_offload": round(outcome.gross_offload, 4),
        "mirror_peak_gbit_per_s": round(outcome.mirror_peak_bytes_per_s * 8 / 1e9, 1),
        "completion_p95_over_mirrors": round(outcome.completion_ratio[1], 4),
        "run_s": round(time.process_time() - began_s, 2),
        "holds": outcome.completion_ratio[1] <= COMPLETION_MAX,
    }


def _detailed(name: str, seeds: Sequence[int], others: Sequence[str], hours: float | None) -> _Figures:
    scenario = _cut(load_scenario(name), hours)
    base = _cut(load_scenario(_BASE), hours)
    shows = {"continents": _continents, "poisoners": _poisoners, "mirror-outage": _outage}[name]
    planned, own = [], []
    rules: dict[str, list[Outcome]] = {policy: [] for policy in others}
    for seed in seeds:
        swarm = Swarm(scenario, draw_people(scenario, seed), make_placer(scenario, PLANNED), CoreMatcher(), seed)
        outcome = swarm.run().outcome()
        for policy, found in rules.items():
            found.append(run_policy(scenario, seed, policy).outcome)
        without = outcome if name == "continents" else run_policy(base, seed, PLANNED).outcome
        planned.append(outcome)
        own.append(shows(swarm, outcome, {policy: found[-1] for policy, found in rules.items()}, without))
    ahead = {
        policy: mean(a.net_offload_weighted - b.net_offload_weighted for a, b in zip(planned, found, strict=True))
        for policy, found in rules.items()
    }
    # Beside a run of mirrors alone, as these may be away: then a download from them takes longer, too.
    slower = mean(a.completion_s[1] / b.completion_s[1] for a, b in zip(planned, rules[_HTTP], strict=True))
    return {
        "seeds": list(seeds),
        "hours": scenario.duration_s / 3600,
        "net_offload_weighted": _of(planned, lambda each: each.net_offload_weighted),
        "net_offload": _of(planned, lambda each: each.net_offload),
        "ahead_of": {policy: round(by, 4) for policy, by in ahead.items()},
        "completion_p95_over_http_only": round(slower, 4),
        **{figure: round(mean(each[figure] for each in own), 4) for figure in own[0]},
        "holds": slower <= COMPLETION_MAX and min(ahead.values()) > 0.0,
    }


def _cut(scenario: Scenario, hours: float | None) -> Scenario:
    return scenario if hours is None else structs.replace(scenario, duration_s=min(scenario.duration_s, hours * 3600))


def _of(outcomes: Sequence[Outcome], value: Callable[[Outcome], float]) -> float:
    return round(mean(value(each) for each in outcomes), 4)


def _continents(_swarm: Swarm, outcome: Outcome, rules: Mapping[str, Outcome], _without: Outcome) -> dict[str, float]:
    """Whose bytes stay on their continent."""
    best = max(rules.values(), key=lambda each: each.net_offload_weighted)
    return {
        "near_of_served": 1.0 - outcome.far_share,
        "near_of_served_by_the_best_other_rule": 1.0 - best.far_share,
        "cross_region_of_delivered": outcome.far_share * outcome.gross_offload,
    }


def _poisoners(swarm: Swarm, outcome: Outcome, _rules: Mapping[str, Outcome], without: Outcome) -> dict[str, float]:
    """What wrong bytes cost, and how many that send them are no longer used."""
    out = sum(len(accusers) >= ACCUSERS for accusers in swarm.accusers.values())
    return {
        "rejected_of_delivered": outcome.rejected_bytes / outcome.delivered_bytes,
        "rejected_mib": outcome.rejected_bytes / (1 << 20),
        "poisoners_that_were_asked": len(swarm.accusers),
        "poisoners_out_of_use": out / max(1, len(swarm.accusers)),
        "net_offload_without_poisoners": without.net_offload,
    }


def _outage(swarm: Swarm, outcome: Outcome, rules: Mapping[str, Outcome], without: Outcome) -> dict[str, float]:
    """What comes to downloaders while no mirror answers, over what came in the same minutes with mirrors."""
    span = swarm.scenario.trouble.mirror_outage_s
    assert span is not None, "the scenario has an outage"
    minutes = slice(int(span[0] // MINUTE_S), int(span[1] // MINUTE_S))

    def delivered(of: Outcome) -> float:
        return sum(of.series.from_donors[minutes]) + sum(of.series.from_mirrors[minutes])

    usual = max(1.0, delivered(without))
    return {
        "delivered_in_the_outage_of_usual": delivered(outcome) / usual,
        "http_only_delivered_in_the_outage_of_usual": delivered(rules[_HTTP]) / usual,
        "completion_p95_s": outcome.completion_s[1],
        "http_only_completion_p95_s": rules[_HTTP].completion_s[1],
    }
