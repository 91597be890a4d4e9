"""What the demo shows: pure functions from what is so to what is drawn.

Rules:

1. Every source keeps its colour and its line from its first byte on: mirrors are blue, donors green, so that the eye
   sees at once who gives what. Colour is never the only sign: each line has its name and figures.
2. The widths come from the console; nothing is cut that a person needs.
3. The drawing asks no clock and no process: it gets a moment and returns a picture of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from distribute_io.units import format_rate, format_size

_MIRROR_COLOURS = ("#5fafff", "#0087d7", "#005f9f", "#8787ff", "#5f5faf")
_DONOR_COLOURS = ("#5fd787", "#00af5f", "#afd75f", "#00875f", "#87af00")
_EMPTY_COLOUR = "#3a3a3a"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceShare:
    """What one source has given so far. `limit` is its rate limit in words, `kind` is `mirror` or `peer`."""

    name: str
    kind: str
    limit: str
    size_bytes: int
    rate_bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One moment of the download. Sources are in the order in which they are drawn."""

    file_name: str
    size_bytes: int
    received_bytes: int
    rate_bytes_per_s: float
    elapsed_s: float
    sources: Sequence[SourceShare]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the download ended. `best_mirror_s` is what the fastest mirror alone would have taken at its limit."""

    sha256: str
    signed_by: str
    seconds: float
    best_mirror_s: float


class ShareBar:
    """One bar across the width: a stretch of its own colour for each source, and a dim rest."""

    def __init__(self, stretches: Sequence[tuple[str, int]], total_bytes: int) -> None:
        self._stretches = stretches
        self._total_bytes = max(1, total_bytes)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it; each cell belongs to the source that holds its left edge."""
        width = options.max_width
        drawn = done_bytes = 0
        for colour, size_bytes in self._stretches:
            done_bytes += size_bytes
            end = done_bytes * width // self._total_bytes
            yield Segment("━" * (end - drawn), Style(color=colour, bold=True))
            drawn = max(drawn, end)
        yield Segment("─" * (width - drawn), Style(color=_EMPTY_COLOUR))
        yield Segment.line()


def colour_sources(sources: Sequence[SourceShare]) -> list[str]:
    """The colour of each source: by its place among those of its kind."""
    counts = {"mirror": 0, "peer": 0}
    colours = []
    for source in sources:
        palette = _MIRROR_COLOURS if source.kind == "mirror" else _DONOR_COLOURS
        colours.append(palette[counts[source.kind] % len(palette)])
        counts[source.kind] += 1
    return colours


def render_steps(steps: Sequence[tuple[str, str, bool]]) -> RenderableType:
    """The set-up: what, in words, and whether it is done."""
    table = Table.grid(padding=(0, 2))
    for name, words, is_done in steps:
        table.add_row(Text("✓" if is_done else "…", "bold green" if is_done else "yellow"), Text(name, "bold"), words)
    return table


def render_download(moment: Moment) -> RenderableType:
    """The bar, and below it a line for each source."""
    colours = colour_sources(moment.sources)
    heading = Table.grid(expand=True)
    heading.add_column()
    heading.add_column(justify="right")
    heading.add_row(Text(moment.file_name, "bold"), _progress_words(moment))
    bar = ShareBar(
        [(colour, source.size_bytes) for colour, source in zip(colours, moment.sources, strict=True)], moment.size_bytes
    )
    return Group(heading, bar, Text(), _source_table(moment, colours))


def render_outcome(moment: Moment, outcome: Outcome) -> RenderableType:
    """The last picture, with what it comes to in words."""
    given = {kind: sum(s.size_bytes for s in moment.sources if s.kind == kind) for kind in ("mirror", "peer")}
    total = max(1, sum(given.values()))
    table = Table.grid(padding=(0, 2))
    words = Text(f"signed by {outcome.signed_by}", overflow="fold")
    table.add_row(Text("✓", "bold green"), Text("verified", "bold"), words)
    table.add_row("", "SHA-256", Text(outcome.sha256, overflow="fold"))
    table.add_row(
        "",
        "took",
        f"{outcome.seconds:.1f} s; the fastest mirror alone needs {outcome.best_mirror_s:.1f} s "
        f"({outcome.best_mirror_s / max(outcome.seconds, 1e-3):.1f} times as long)",
    )
    table.add_row(
        "",
        "came from",
        f"mirrors {given['mirror'] * 100 / total:.0f} %, people who donate {given['peer'] * 100 / total:.0f} %",
    )
    return Group(render_download(moment), Text(), table)


def _progress_words(moment: Moment) -> Text:
    percent = moment.received_bytes * 100 // max(1, moment.size_bytes)
    words = f"{percent} % of {format_size(moment.size_bytes)}  {format_rate(moment.rate_bytes_per_s)}"
    left_bytes = moment.size_bytes - moment.received_bytes
    if left_bytes and moment.rate_bytes_per_s:
        words += f"  {left_bytes / moment.rate_bytes_per_s:.1f} s left"
    return Text(words)


def _source_table(moment: Moment, colours: Sequence[str]) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("from")
    for title in ("limit", "now", "gave", "share"):
        table.add_column(title, justify="right")
    received = max(1, moment.received_bytes)
    for colour, source in zip(colours, moment.sources, strict=True):
        is_idle = source.rate_bytes_per_s < 1
        table.add_row(
            Text.assemble(("━━ ", f"bold {colour}"), source.name),
            source.limit,
            Text("-", "dim") if is_idle else format_rate(source.rate_bytes_per_s),
            format_size(source.size_bytes),
            f"{source.size_bytes * 100 / received:.0f} %",
        )
    return table
