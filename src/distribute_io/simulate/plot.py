"""The picture of a report as a PNG, by matplotlib (the extra `distribute-io[simulate]`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distribute_io.errors import UsageError
from distribute_io.simulate.ledger import MINUTE_S
from distribute_io.simulate.runs import Comparison
from distribute_io.simulate.scenario import Scenario

_DONOR, _MIRROR, _PUSH, _BOUND = "#1f7a5c", "#b8c0c8", "#c4572b", "#3d5afe"


def write_png(scenario: Scenario, comparison: Comparison, path: Path) -> None:
    """Bytes over time, and net offload beside the other rules.

    Raises:
        UsageError: `dependency_missing` without matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("dependency_missing", "A PNG needs: pip install 'distribute-io[simulate]'.") from error
    figure: Any = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")  # Any: matplotlib's stubs are not complete
    FigureCanvasAgg(figure)
    over_time, beside = figure.subplots(1, 2, width_ratios=(3, 2))
    series = comparison.planned.outcome.series
    hours = [minute * MINUTE_S / 3600 for minute in range(len(series.from_donors))]
    rate = 1e6 * MINUTE_S
    over_time.stackplot(
        hours,
        [value / rate for value in series.from_donors],
        [value / rate for value in series.from_mirrors],
        colors=(_DONOR, _MIRROR),
        labels=("from donors", "from mirrors"),
    )
    over_time.plot(hours, [value / rate for value in series.pushed], color=_PUSH, label="filled into donors")
    over_time.set(title=scenario.title, xlabel="hours", ylabel="MB/s", xlim=(0, hours[-1]), ylim=(0, None))
    over_time.legend(loc="upper left", frameon=False, fontsize=8)
    rows = sorted([comparison.planned, *comparison.others], key=lambda run: run.outcome.net_offload_weighted)
    values = [max(0.0, run.outcome.net_offload_weighted) for run in rows]
    colors = [_DONOR if run is comparison.planned else _MIRROR for run in rows]
    beside.barh([run.policy for run in rows], values, color=colors)
    if comparison.bound:
        beside.axvline(comparison.bound, color=_BOUND, linestyle="--", label="bound")
        beside.legend(loc="lower center", frameon=False, fontsize=8)
    beside.set(xlabel="net offload")
    for axes in (over_time, beside):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="png")
