"""How near does the planner come to the bound, and how far is it ahead of other rules? In virtual time, over seeds.

`python -m bench placement -- --scenario steady --seeds 10` runs one scenario and writes its rows into
`bench/results/placement.json` beside the others; without `--scenario` all of them, which takes hours of one core. With
`--keep FOLDER` it can be stopped and goes on where it was: what was reckoned is kept there, until the code changes.
Seeds begin at `--first` (101): other seeds than those of tests and tuning. Nothing here depends on the machine's speed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final

import msgspec

from bench.record import RESULTS, write_result
from distribute_io.simulate.baselines import BASELINES
from distribute_io.simulate.bound import Bound
from distribute_io.simulate.ledger import MINUTE_S, Outcome
from distribute_io.simulate.people import draw_people
from distribute_io.simulate.runs import BY_SEGMENT, ORACLE, PLANNED, bound_of, run_policy
from distribute_io.simulate.scenario import load_scenario

_NAME: Final = "placement"

SHARE_OF_BOUND: Final = {
    "steady": 0.82,
    "wandering": 0.83,
    "wandering-far": 0.78,
    "flash": 0.77,
    "announced": 0.79,
    "two-minute": 0.55,
    "big-catalogue": 0.80,
}
SHARE_OF_ORACLE: Final = {"steady": 0.96, "wandering": 0.97, "wandering-far": 0.94, "flash": 0.95, "announced": 0.97}
NET_OFFLOAD: Final = {"reference": 0.65}
CROWDS: Final = ("flash", "announced")
LARGE: Final = "large-files"
SCENARIOS: Final = (*SHARE_OF_BOUND, "many-small", LARGE, *NET_OFFLOAD)
HOT_AVAILABLE: Final = {"steady": 0.99}
PER_INTRODUCTION_MIB: Final = {LARGE: 4.0}
RUNS_COST_MAX: Final = 0.01
PUSHED_OF_SERVED_MAX: Final = 0.10
FLEETING: Final = ("two-minute", "big-catalogue")
"""Where nobody stays or little is asked for, pushes are held against what the bound's plan pushes."""
PUSHED_OF_BOUND_MAX: Final = 2.5
COMPLETION_MAX: Final = 1.05
PEAK_MAX: Final = 0.6

_T_95: Final = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""Student's t for a 95 % interval, by the number of values; 2.1 for more (20 values)."""


@dataclass(frozen=True)
class Row:
    """One figure over the seeds, with the half width of its 95 % interval, and the bar that it is held to."""

    scenario: str
    figure: str
    mean: float
    plus_minus: float
    bar: str
    holds: bool | None

    def text(self) -> str:
        """One line."""
        verdict = {True: "holds", False: "DOES NOT HOLD", None: ""}[self.holds]
        return f"{self.scenario:<14} {self.figure:<38} {self.mean:8.3f} +- {self.plus_minus:.3f}  {self.bar} {verdict}"


def run(options: list[str]) -> bool:
    """Run the scenarios, print and write the table, and say whether all bars hold."""
    parser = argparse.ArgumentParser(prog="python -m bench placement --", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=101)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--policy", action="append", help="only these beside the planner")
    parser.add_argument("--no-bound", action="store_true")
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args(options)
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    others = chosen.policy if chosen.policy is not None else [ORACLE, *BASELINES]
    rows: list[Row] = []
    with ProcessPoolExecutor(chosen.jobs) as pool:
        for scenario in chosen.scenario or SCENARIOS:
            policies = [PLANNED, *others, *([BY_SEGMENT] if scenario == LARGE else [])]
            found = _run_scenario(pool, scenario, seeds, policies, chosen.keep, with_bound=not chosen.no_bound)
            for row in found:
                print(row.text(), flush=True)
            rows += found
    _write(rows, list(seeds))
    return all(row.holds is not False for row in rows)


def _run_scenario(
    pool: ProcessPoolExecutor,
    scenario: str,
    seeds: Sequence[int],
    policies: Sequence[str],
    keep: Path | None,
    *,
    with_bound: bool,
) -> list[Row]:
    runs = {policy: [pool.submit(_outcome, scenario, seed, policy, keep) for seed in seeds] for policy in policies}
    bounds = [pool.submit(_bound, scenario, seed, keep) for seed in seeds] if with_bound else []
    unannounced = seeds if scenario == "announced" else []
    silent = [pool.submit(_outcome, "unannounced", seed, PLANNED, keep) for seed in unannounced]
    outcomes = {policy: [future.result() for future in futures] for policy, futures in runs.items()}
    rows = _own_rows(scenario, outcomes[PLANNED])
    if bounds:
        rows += _bound_rows(scenario, outcomes, [future.result() for future in bounds])
    rows += _other_rows(scenario, outcomes)
    if silent:
        rows += _peak_rows(scenario, seeds, outcomes[PLANNED], [future.result() for future in silent])
    return rows


def _peak_rows(scenario: str, seeds: Sequence[int], planned: list[Outcome], unannounced: list[Outcome]) -> list[Row]:
    peaks = [outcome.flash_peak_bytes_per_s for outcome in planned]
    least = [_least_peak(scenario, seed, outcome) for seed, outcome in zip(seeds, planned, strict=True)]
    untold = [outcome.flash_peak_bytes_per_s for outcome in unannounced]
    told, full = ([a / b for a, b in zip(some, untold, strict=True)] for some in (peaks, least))
    return [
        _row(scenario, "mirrors' peak over the unannounced one", told, at_most=PEAK_MAX),
        _row(scenario, "the same were all uplinks full", full),
    ]


def _least_peak(scenario: str, seed: int, outcome: Outcome) -> float:
    """What mirrors have to send in the busiest of a flash crowd's first five minutes whatever the plan, in bytes per
    second: what is downloaded in that minute (rule 2 of the swarm: that does not depend on the plan), less all that
    the donors of the minute could send."""
    known = load_scenario(scenario)
    visits = draw_people(known, seed).visits
    first = int(known.demand.flash.at_s // MINUTE_S) if known.demand.flash else 0
    least = 0.0
    for minute in range(first, first + 5):
        start_s, end_s = minute * MINUTE_S, (minute + 1) * MINUTE_S
        there = ((visit.up, min(visit.end_s, end_s) - max(visit.start_s, start_s)) for visit in visits)
        uplinks = sum(up * max(0.0, there_s) for up, there_s in there) * known.catalogue.segment_bytes
        downloaded = outcome.series.from_donors[minute] + outcome.series.from_mirrors[minute]
        least = max(least, (downloaded - uplinks) / MINUTE_S)
    return least


def _outcome(scenario: str, seed: int, policy: str, keep: Path | None) -> Outcome:
    name = f"{scenario}-{seed}-{policy}"
    found: Outcome = _kept(keep, name, Outcome, lambda: run_policy(load_scenario(scenario), seed, policy).outcome)
    return found


def _bound(scenario: str, seed: int, keep: Path | None) -> Bound | None:
    name = f"{scenario}-{seed}-bound"
    found: Bound | None = _kept(keep, name, Bound | None, lambda: bound_of(load_scenario(scenario), seed))
    return found


def _kept(folder: Path | None, name: str, kind: Any, reckon: Callable[[], Any]) -> Any:  # Any: of that kind
    path = folder / f"{name}.json" if folder else None
    if path and path.exists():
        return msgspec.json.decode(path.read_bytes(), type=kind)
    found = reckon()
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(found))
    return found


def _own_rows(scenario: str, planned: list[Outcome]) -> list[Row]:
    nets = [outcome.net_offload_weighted for outcome in planned]
    at_most = None if scenario in FLEETING else PUSHED_OF_SERVED_MAX
    mib = [outcome.per_introduction_bytes / (1 << 20) for outcome in planned]
    hot = [outcome.hot_available for outcome in planned]
    rows = [
        _row(scenario, "net offload", nets, at_least=NET_OFFLOAD.get(scenario)),
        _row(scenario, "pushed of served, settled", [one.pushed_of_served for one in planned], at_most=at_most),
        _row(
            scenario, "completion p95 over mirrors alone", [one.completion_ratio[1] for one in planned],
            at_most=COMPLETION_MAX,
        ),
        _row(scenario, "MiB per introduction, median", mib, at_least=PER_INTRODUCTION_MIB.get(scenario)),
    ]  # fmt: skip
    if scenario in HOT_AVAILABLE:
        least = HOT_AVAILABLE[scenario]
        rows.append(_row(scenario, "hottest tenth: least available segment", hot, at_least=least))
    return rows


def _bound_rows(scenario: str, outcomes: dict[str, list[Outcome]], bounds: list[Bound | None]) -> list[Row]:
    solved = [bound for bound in bounds if bound is not None]
    if len(solved) < len(bounds):
        share = SHARE_OF_BOUND.get(scenario)
        # A bar that nothing is known of does not hold.
        return (
            [Row(scenario, "share of the bound: not solved", 0.0, 0.0, f">= {share:g}", holds=False)] if share else []
        )
    known = [bound.net_offload for bound in solved]
    nets = [outcome.net_offload_weighted for outcome in outcomes[PLANNED]]
    # The bound is of an expectation: means over seeds are compared, and the interval is that of the single ratios.
    shares = [net / bound for net, bound in zip(nets, known, strict=True)]
    passed = sum(
        outcome.net_offload_weighted > bound
        for of_policy in outcomes.values()
        for outcome, bound in zip(of_policy, known, strict=True)
    )
    rows = [
        _row(scenario, "bound", known),
        _row(scenario, "share of the bound", shares, at_least=SHARE_OF_BOUND.get(scenario)),
        _row(scenario, "runs of any policy beyond the bound", [float(passed)] * 2, at_most=0.0),
    ]
    if scenario in FLEETING:
        pushes = [
            one.pushed_of_served / bound.pushed_of_served for one, bound in zip(outcomes[PLANNED], solved, strict=True)
        ]
        rows.append(_row(scenario, "pushed of served over the bound's", pushes, at_most=PUSHED_OF_BOUND_MAX))
    return rows


def _other_rows(scenario: str, outcomes: dict[str, list[Outcome]]) -> list[Row]:
    nets = {policy: [one.net_offload_weighted for one in found] for policy, found in outcomes.items()}
    ours = nets[PLANNED]
    rows = []
    for policy, theirs in nets.items():
        if policy == ORACLE:
            shares = [a / b for a, b in zip(ours, theirs, strict=True)]
            rows.append(_row(scenario, "share of the own oracle", shares, at_least=SHARE_OF_ORACLE.get(scenario)))
        elif policy == BY_SEGMENT:
            cost = [b - a for a, b in zip(ours, theirs, strict=True)]
            rows.append(_row(scenario, "net offload that runs cost", cost, at_most=RUNS_COST_MAX))
        elif policy != PLANNED:
            ahead = [a - b for a, b in zip(ours, theirs, strict=True)]
            rows.append(_row(scenario, f"ahead of {policy}", ahead, interval_above=0.0))
    if scenario in CROWDS:
        for figure, names, least in (
            ("over the best of lru and rarest", ("lru", "rarest"), 1.4),
            ("over the best of all", BASELINES, 1.25),
        ):
            if all(name in nets for name in names):
                best = max(mean(nets[name]) for name in names)
                rows.append(_row(scenario, figure, [a / best for a in ours], at_least=least))
    return rows


def _row(
    scenario: str,
    figure: str,
    values: list[float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    interval_above: float | None = None,
) -> Row:
    middle = mean(values)
    half = _T_95.get(len(values), 2.1) * stdev(values) / sqrt(len(values)) if len(values) > 1 else 0.0
    bars: list[tuple[str, Callable[[], bool]]] = []
    if at_least is not None:
        bars.append((f">= {at_least:g}", lambda: middle >= at_least))
    if at_most is not None:
        bars.append((f"<= {at_most:g}", lambda: middle <= at_most))
    if interval_above is not None:
        bars.append((f"interval above {interval_above:g}", lambda: middle - half > interval_above))
    holds = all(test() for _, test in bars) if bars else None
    return Row(scenario, figure, round(middle, 4), round(half, 4), ", ".join(text for text, _ in bars), holds)


def _write(rows: list[Row], seeds: list[int]) -> None:
    """Rows of scenarios that were not run now stay as they are."""
    path = RESULTS / f"{_NAME}.json"
    fresh: dict[str, Any] = {}  # Any: JSON of any shape
    for row in rows:
        fresh.setdefault(row.scenario, {"seeds": seeds, "rows": []})["rows"].append(asdict(row))
    before = json.loads(path.read_text())["scenarios"] if path.exists() else {}
    write_result(_NAME, {"question": (__doc__ or "").splitlines()[0], "scenarios": before | fresh})
