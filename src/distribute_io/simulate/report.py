"""A report of a comparison as one HTML file: tables and pictures drawn as SVG, light and dark, nothing from outside."""

from __future__ import annotations

from html import escape

from distribute_io.simulate.answer import answer
from distribute_io.simulate.ledger import MINUTE_S
from distribute_io.simulate.runs import Comparison, Run
from distribute_io.simulate.scenario import Scenario
from distribute_io.units import format_rate, format_size

_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--ink:#1b1f24;--soft:#5b6570;--line:#d9dee3;--donor:#1f7a5c;--mirror:#b8c0c8;
--push:#c4572b;--bound:#3d5afe}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--ink:#e8eaed;--soft:#9aa4ae;--line:#2d3339;--donor:#3fbf94;
--mirror:#59636d;--push:#f08a5d;--bound:#8c9eff}}
body{margin:0 auto;max-width:56rem;padding:1.5rem 1rem 3rem;font:16px/1.5 system-ui,sans-serif;background:var(--bg);
color:var(--ink)}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.25rem 0 .75rem}

.about,.note{color:var(--soft)}
.answer{font-size:1.1rem;border-left:4px solid var(--donor);padding:.25rem 0 .25rem .9rem}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .5rem;border-bottom:1px solid var(--line);text-align:left}
td+td,th+th{text-align:right;font-variant-numeric:tabular-nums}svg{width:100%;height:auto;display:block}
svg text{fill:var(--soft);font:12px system-ui,sans-serif}.key span{margin-right:1.2rem;white-space:nowrap}
.key i{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-right:.35rem}
.wide{overflow-x:auto}.wide svg{min-width:34rem}
"""

_NOTE = (
    "<code>dio simulate</code> gives the same again. Net offload subtracts every byte filled into donors and every "
    "wrong byte; the bound is what no plan can exceed on average."
)

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 800.0, 260.0, 70.0, 26.0


def html_report(scenario: Scenario, comparison: Comparison) -> str:
    """The whole file."""
    outcome = comparison.planned.outcome
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(scenario.title)}</title><style>{_STYLE}</style>",
            f'<h1>{escape(scenario.title)}</h1><p class="about">{escape(scenario.about)}</p>',
            f'<p class="answer">{escape(answer(scenario, outcome))}</p>',
            "<h2>Bytes over time</h2>",
            _key(("--donor", "from donors"), ("--mirror", "from mirrors"), ("--push", "filled into donors")),
            _wide(_time_picture(comparison.planned)),
            "<h2>Net offload beside other rules</h2>",
            _wide(_bars_picture(comparison)),
            "<h2>Figures</h2>",
            _figures(comparison),
            f'<p class="note">Scenario {escape(comparison.scenario)}, seed {comparison.seed}. {_NOTE}</p></html>\n',
        ]
    )


def _wide(picture: str) -> str:
    """A narrow screen scrolls the picture instead of making its words too small to read."""
    return f'<div class="wide">{picture}</div>'


def _key(*entries: tuple[str, str]) -> str:
    spans = "".join(f'<span><i style="background:var({color})"></i>{text}</span>' for color, text in entries)
    return f'<p class="key">{spans}</p>'


def _time_picture(run: Run) -> str:
    """Stacked areas of what was delivered each minute, and a line of what was filled."""
    series = run.outcome.series
    count = len(series.from_donors)
    top = max([*(a + b for a, b in zip(series.from_donors, series.from_mirrors, strict=True)), *series.pushed, 1.0])

    def x(place: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - 6) * place / max(1, count - 1)

    def y(value: float) -> float:
        return (_HEIGHT - _BOTTOM) * (1 - value / top) + 4

    def line(values: list[float]) -> str:
        return " ".join(f"{x(place):.1f},{y(value):.1f}" for place, value in enumerate(values))

    base = f"{x(count - 1):.1f},{y(0):.1f} {x(0):.1f},{y(0):.1f}"
    both = [a + b for a, b in zip(series.from_donors, series.from_mirrors, strict=True)]
    marks = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - 6}" y1="{y(top * part):.1f}" y2="{y(top * part):.1f}" '
        f'stroke="var(--line)"/><text x="{_LEFT - 6}" y="{y(top * part) + 4:.1f}" text-anchor="end">'
        f"{format_rate(top * part / MINUTE_S)}</text>"
        for part in (0.0, 0.5, 1.0)
    )
    hours = (count - 1) * MINUTE_S / 3600
    times = "".join(
        f'<text x="{x(round((count - 1) * part)):.1f}" y="{_HEIGHT - 4}" '
        f'text-anchor="{anchor}">{hours * part:.3g} h</text>'
        for part, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end"))
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="Bytes delivered each minute">{marks}'
        f'<polygon points="{line(both)} {base}" fill="var(--mirror)"/>'
        f'<polygon points="{line(series.from_donors)} {base}" fill="var(--donor)"/>'
        f'<polyline points="{line(series.pushed)}" fill="none" stroke="var(--push)" stroke-width="2"/>{times}</svg>'
    )


def _bars_picture(comparison: Comparison) -> str:
    rows = sorted([comparison.planned, *comparison.others], key=lambda run: -run.outcome.net_offload_weighted)
    bound = comparison.bound or 0.0
    top = max([bound, 0.05, *(run.outcome.net_offload_weighted for run in rows)])
    left, height = 130.0, 26.0
    scale = (_WIDTH - left - 70) / top
    drawn = []
    for place, run in enumerate(rows):
        value = run.outcome.net_offload_weighted
        color = "--donor" if run is comparison.planned else "--mirror"
        long = max(0.0, value) * scale
        middle = place * height + height / 2 + 4
        drawn.append(
            f'<text x="{left - 8}" y="{middle:.1f}" text-anchor="end">{escape(run.policy)}</text>'
            f'<rect x="{left}" y="{place * height + 3:.1f}" width="{long:.1f}" height="{height - 6}" '
            f'rx="2" fill="var({color})"/><text x="{left + long + 6:.1f}" y="{middle:.1f}">'
            f"{value:.3f}</text>"
        )
    total = len(rows) * height
    if bound:
        at = left + bound * scale
        drawn.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{total:g}" stroke="var(--bound)" stroke-width="2" '
            f'stroke-dasharray="5 4"/><text x="{at - 6:.1f}" y="{total + 15:g}" text-anchor="end">'
            f"bound {bound:.3f}</text>"
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {total + 22:g}" role="img" aria-label="Net offload of each rule">'
        f"{''.join(drawn)}</svg>"
    )


def figure_rows(comparison: Comparison) -> list[tuple[str, str]]:
    """The figures of the planner's run, in words."""
    outcome = comparison.planned.outcome
    share = comparison.share_of_bound
    rows = [
        ("net offload", f"{outcome.net_offload:.3f}"),
        ("gross offload", f"{outcome.gross_offload:.3f}"),
        ("bound, and the share of it", "-" if share is None else f"{comparison.bound:.3f}, {share:.2f}"),
        ("served by donors", format_size(outcome.served_bytes)),
        ("filled into donors", format_size(outcome.pushed_bytes)),
        ("filled of served, after half an hour", f"{outcome.pushed_of_served:.3f}"),
        ("served from another region", f"{outcome.far_share:.0%}"),
        ("mirrors' busiest minute", format_rate(outcome.mirror_peak_bytes_per_s)),
        ("downloads", f"{outcome.downloads:,}"),
        ("time of a download: half, 95 %, 99 % within", ", ".join(f"{x:.0f} s" for x in outcome.completion_s)),
        ("the same over mirrors alone", ", ".join(f"{x:.3f}" for x in outcome.completion_ratio)),
    ]
    if outcome.introductions:
        rows.append(
            (
                "introductions, useful bytes of each (median)",
                f"{outcome.introductions:,}, {format_size(outcome.per_introduction_bytes)}",
            )
        )
    if outcome.rejected_bytes:
        rows.append(("wrong bytes, thrown away", format_size(outcome.rejected_bytes)))
    return rows


def _figures(comparison: Comparison) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in figure_rows(comparison)
    )
    return _wide(f"<table>{rows}</table>")
