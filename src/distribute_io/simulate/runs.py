"""Runs a scenario with one policy or with many, and puts the results side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np

from distribute_io.errors import UsageError
from distribute_io.simulate.baselines import BASELINES, make_baseline
from distribute_io.simulate.bound import VARIABLES_MANY, VARIABLES_MAX, Bound, BoundProgram
from distribute_io.simulate.coarse import run_coarse
from distribute_io.simulate.forecasts import CountedRates
from distribute_io.simulate.ledger import Outcome
from distribute_io.simulate.matchers import CoreMatcher
from distribute_io.simulate.people import draw_people
from distribute_io.simulate.planned import OraclePlacer, PlannedPlacer
from distribute_io.simulate.scenario import Scenario
from distribute_io.simulate.swarm import Placer, Swarm

PLANNED: Final = "planned"
ORACLE: Final = "oracle"
BY_SEGMENT: Final = "by-segment"
"""The planner with no runs of several megabytes in large files: what these cost."""
POLICIES: Final = (PLANNED, ORACLE, *BASELINES)

Progress = Callable[[float], None]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One policy's run."""

    policy: str
    outcome: Outcome
    plan_ms: tuple[float, float] = (0.0, 0.0)
    """99th percentile of planning a joining donor, median of a full plan; 0 where nothing was planned."""


def run_policy(scenario: Scenario, seed: int, policy: str, progress: Progress | None = None) -> Run:
    """One run. Same arguments, same outcome (but for `plan_ms`, which is this machine's).

    Raises:
        UsageError: `bad_argument` for an unknown policy, or a baseline in a coarse scenario.
    """
    if scenario.kind == "coarse":
        if policy != PLANNED:
            raise UsageError("bad_argument", "A coarse scenario has only the planner's run.")
        return Run(policy=policy, outcome=run_coarse(scenario, progress))
    placer = make_placer(scenario, policy)
    swarm = Swarm(scenario, draw_people(scenario, seed), placer, CoreMatcher(), seed)
    outcome = swarm.run(progress).outcome()
    times = (0.0, 0.0)
    if isinstance(placer, PlannedPlacer) and placer.join_s and placer.full_s:
        times = float(np.percentile(placer.join_s, 99)) * 1000, float(np.median(placer.full_s)) * 1000
    return Run(policy=policy, outcome=outcome, plan_ms=times)


def make_placer(scenario: Scenario, policy: str) -> Placer:
    """A policy by its name.

    Raises:
        UsageError: `bad_argument`.
    """
    if policy == PLANNED:
        return PlannedPlacer(scenario)
    if policy == BY_SEGMENT:
        placer = PlannedPlacer(scenario)
        placer.policy = msgspec.structs.replace(placer.policy, small_file_bytes=1 << 62)
        return placer
    if policy == ORACLE:
        return OraclePlacer(scenario)
    if policy in BASELINES:
        return make_baseline(policy, CountedRates(scenario))
    raise UsageError("bad_argument", f"There is no policy {policy!r}; there are {', '.join(POLICIES)}.")


def bound_of(scenario: Scenario, seed: int, *, cuts: int = 3) -> Bound | None:
    """The bound of a detailed scenario; None for a coarse one, and where the program would be too large.

    Raises:
        UsageError: `dependency_missing` without the extra.
    """
    if scenario.kind == "coarse":
        return None
    program = BoundProgram(scenario, draw_people(scenario, seed))
    if program.variables > VARIABLES_MAX:
        return None
    return program.solve(cuts=min(1, cuts) if program.variables > VARIABLES_MANY else cuts)


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario's runs at one seed: the planner's, and of the others what was asked for."""

    scenario: str
    seed: int
    planned: Run
    others: list[Run]
    bound: float | None

    @property
    def share_of_bound(self) -> float | None:
        """Net offload (far bytes weighted) over the bound."""
        return None if not self.bound else self.planned.outcome.net_offload_weighted / self.bound


def compare(
    name: str,
    scenario: Scenario,
    seed: int,
    policies: Sequence[str],
    *,
    with_bound: bool,
    progress: Callable[[str, float], None] | None = None,
) -> Comparison:
    """The planner and some others at one seed, one after another; `progress` hears what runs and how far it is."""

    def tell(what: str) -> Progress | None:
        return None if progress is None else lambda share: progress(what, share)

    planned = run_policy(scenario, seed, PLANNED, tell(PLANNED))
    others = [run_policy(scenario, seed, policy, tell(policy)) for policy in policies]
    if progress and with_bound:
        progress("bound", 0.0)
    bound = bound_of(scenario, seed) if with_bound else None
    limit = bound.net_offload if bound else None
    return Comparison(scenario=name, seed=seed, planned=planned, others=others, bound=limit)
