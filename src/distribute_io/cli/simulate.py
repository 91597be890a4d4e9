"""`dio simulate`: what would donors like these save? Swarms in virtual time, with the real planner and matching."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from distribute_io.errors import UsageError
from distribute_io.simulate.answer import answer
from distribute_io.simulate.baselines import BASELINES
from distribute_io.simulate.plot import write_png
from distribute_io.simulate.questions import Question, ask
from distribute_io.simulate.report import figure_rows, html_report
from distribute_io.simulate.runs import ORACLE, Comparison, compare
from distribute_io.simulate.scenario import Scenario, load_scenario, scenario_names
from distribute_io.units import parse_rate, parse_size

app = typer.Typer()

_UNITS_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_YOURS: Final = "Your figures"


@app.command()
def simulate(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Name of a scenario, or a TOML file.")] = "steady",
    list_all: Annotated[bool, typer.Option("--list", help="List the scenarios and end.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 1,
    policy: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this rule beside the planner, repeatable; `none` for none."),
    ] = None,
    bound: Annotated[
        bool | None, typer.Option(help="Also the most that any plan could save; as a rule where the extra is there.")
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write an HTML report.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a PNG (needs the extra).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    visitors: Annotated[
        int | None, typer.Option(metavar="N", help="Donors online at a time.", rich_help_panel=_YOURS)
    ] = None,
    stay: Annotated[
        str | None, typer.Option(metavar="TIME", help="Median stay of a visitor: 90s, 5m.", rich_help_panel=_YOURS)
    ] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Room that each donor gives.", rich_help_panel=_YOURS)
    ] = None,
    up: Annotated[str | None, typer.Option(metavar="RATE", help="Median uplink.", rich_help_panel=_YOURS)] = None,
    down: Annotated[
        str | None, typer.Option(metavar="RATE", help="What a downloader gets of mirrors.", rich_help_panel=_YOURS)
    ] = None,
    file_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Size of each file.", rich_help_panel=_YOURS)
    ] = None,
    files: Annotated[int | None, typer.Option(metavar="N", help="Files.", rich_help_panel=_YOURS)] = None,
    downloads: Annotated[
        float | None, typer.Option(metavar="N", help="Downloads an hour.", rich_help_panel=_YOURS)
    ] = None,
    hours: Annotated[float | None, typer.Option(metavar="N", help="How long.", rich_help_panel=_YOURS)] = None,
) -> None:
    """What would donors like these save? Answered in words, with figures, the other rules and the bound beside it.

    `dio simulate --visitors 200 --stay 4m --file-size 700MB --downloads 500` asks about your own site.
    """
    if list_all:
        _list(as_json=as_json)
        return
    question = Question(
        visitors=visitors,
        stay_s=None if stay is None else parse_span(stay),
        storage_bytes=None if storage is None else parse_size(storage),
        up_bytes_per_s=None if up is None else parse_rate(up),
        down_bytes_per_s=None if down is None else parse_rate(down),
        file_bytes=None if file_size is None else parse_size(file_size),
        files=files,
        downloads_per_hour=downloads,
        hours=hours,
    )
    asked = ask(load_scenario(scenario), question)
    names = _others(asked, policy)
    with_bound = bound is not False and asked.kind == "detailed" and _has_solver(asked_for=bound is True)
    comparison = _run(scenario, asked, seed, names, with_bound=with_bound)
    if report is not None:
        report.write_text(html_report(asked, comparison), encoding="utf-8")
    if plot is not None:
        write_png(asked, comparison, plot)
    if as_json:
        typer.echo(msgspec.json.encode(as_document(comparison)))
    else:
        _print(asked, comparison)


def parse_span(text: str) -> float:
    """Seconds of a text like `90s`, `5m`, `2h`, `1d`.

    Raises:
        UsageError: `bad_argument`.
    """
    unit = _UNITS_S.get(text[-1:].lower())
    try:
        return float(text[:-1]) * unit if unit else float(text)
    except ValueError as error:
        raise UsageError("bad_argument", f"{text!r} is not a time; write it as 90s, 5m, 2h or 1d") from error


def as_document(comparison: Comparison) -> dict[str, Any]:  # Any: JSON of any shape
    """What `--json` prints; docs/reference/json.md has the meaning of each field."""
    outcome = comparison.planned.outcome
    half, most, nearly_all = outcome.completion_s
    return {
        "scenario": comparison.scenario,
        "seed": comparison.seed,
        "net_offload": outcome.net_offload,
        "gross_offload": outcome.gross_offload,
        "net_offload_weighted": outcome.net_offload_weighted,
        "bound": comparison.bound,
        "share_of_bound": comparison.share_of_bound,
        "pushed_bytes": outcome.pushed_bytes,
        "filled_by_donors_bytes": outcome.filled_by_donors_bytes,
        "served_bytes": outcome.served_bytes,
        "rejected_bytes": outcome.rejected_bytes,
        "delivered_bytes": outcome.delivered_bytes,
        "far_share": outcome.far_share,
        "mirror_peak_bytes_per_s": outcome.mirror_peak_bytes_per_s,
        "per_introduction_bytes": outcome.per_introduction_bytes,
        "baselines": {run.policy: run.outcome.net_offload for run in comparison.others},
        "completion_s": {"p50": half, "p95": most, "p99": nearly_all},
        "plan_ms": {"join_p99": comparison.planned.plan_ms[0], "full": comparison.planned.plan_ms[1]},
    }


def _others(scenario: Scenario, policy: list[str] | None) -> list[str]:
    if scenario.kind == "coarse":
        return []
    if policy is None:
        return [ORACLE, *BASELINES]
    return [name for name in policy if name != "none"]


def _has_solver(*, asked_for: bool) -> bool:
    """Whether the bound can be reckoned; without the extra it is left out unless it was asked for."""
    try:
        import highspy  # noqa: F401 - only whether it is there
    except ImportError as error:
        if asked_for:
            raise UsageError("dependency_missing", "The bound needs: pip install 'distribute-io[simulate]'.") from error
        return False
    return True


def _run(name: str, scenario: Scenario, seed: int, names: list[str], *, with_bound: bool) -> Comparison:
    """With a bar on stderr, as far as that is a terminal."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        parts = 1 + len(names) + (1 if with_bound else 0)
        task = bar.add_task(scenario.title, total=parts)
        done: list[str] = []
        told_s = 0.0

        def tell(what: str, share: float) -> None:
            nonlocal told_s
            if what not in done:
                done.append(what)
            elif time.monotonic() - told_s < 0.1:
                return
            told_s = time.monotonic()
            bar.update(task, completed=len(done) - 1 + share, description=f"{scenario.title}: {what}")

        return compare(name, scenario, seed, names, with_bound=with_bound, progress=tell)


def _list(*, as_json: bool) -> None:
    scenarios = {name: load_scenario(name) for name in scenario_names()}
    if as_json:
        rows = [{"scenario": name, "title": one.title, "about": one.about} for name, one in scenarios.items()]
        typer.echo(msgspec.json.encode(rows))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("scenario", style="bold", no_wrap=True)
    table.add_column("what it is")
    for name, one in scenarios.items():
        table.add_row(name, one.about)
    Console().print(table)


def _print(scenario: Scenario, comparison: Comparison) -> None:
    console = Console()
    console.print(answer(scenario, comparison.planned.outcome) + "\n", highlight=False)
    console.print(f"[bold]{scenario.title}[/]  [dim]{scenario.about}[/]\n", highlight=False)
    figures = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in figure_rows(comparison):
        figures.add_row(f"[dim]{name}[/]", value)
    console.print(figures, "")
    if not comparison.others:
        return
    rules = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("rule", "net offload", "gross", "filled of served"):
        rules.add_column(heading, justify="left" if heading == "rule" else "right")
    ranked = sorted([comparison.planned, *comparison.others], key=lambda run: -run.outcome.net_offload_weighted)
    for run in ranked:
        style = "bold green" if run is comparison.planned else ""
        figures_of = run.outcome
        rules.add_row(
            run.policy,
            f"{figures_of.net_offload_weighted:.3f}",
            f"{figures_of.gross_offload:.3f}",
            f"{figures_of.pushed_of_served:.3f}",
            style=style,
        )
    console.print(rules)
