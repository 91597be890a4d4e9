"""What `dio get` draws on a terminal while it downloads: a bar, figures, one row for each source.

Apart from `get_progress`, because rich takes 40 ms to load, which a download into a log or a pipe need not wait for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from distribute_io.cli.get_progress import Meter, ProgressView, progress_in_words
from distribute_io.download.fetch import Snapshot, SourceFigures
from distribute_io.units import format_rate, format_size

_SOURCES_SHOWN: Final = 12
_WIDTH_FOR_BARS: Final = 76


@contextmanager
def live_view() -> Iterator[ProgressView]:
    """A view that is drawn in place on stderr, and gone when it is left. Colours follow `NO_COLOR` and `TERM`."""
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield _LiveView(live)


class _LiveView:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._meter = Meter()

    def show(self, snapshot: Snapshot) -> None:
        shown = picture(snapshot, self._meter.rate(snapshot.held_bytes), width=self._live.console.width)
        self._live.update(shown, refresh=True)

    def say(self, text: str) -> None:
        self._live.console.print(f"dio: {text}", highlight=False, markup=False)


def picture(snapshot: Snapshot, rate_bytes_per_s: float, *, width: int) -> RenderableType:
    """The whole display: name, bar, figures, one row for each source that was asked.

    Args:
        width: of the terminal in columns. A narrow one gets no bars for single sources.
    """
    asked = [row for row in snapshot.sources if row.received_bytes or row.reason or row.rate_bytes_per_s]
    asked.sort(key=lambda row: (-row.bytes, row.source))
    with_bars = width >= _WIDTH_FOR_BARS
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(12, width - (58 if with_bars else 44)))
    table.add_column(justify="right", no_wrap=True, min_width=8)
    table.add_column(justify="right", no_wrap=True, min_width=9)
    if with_bars:
        table.add_column(width=12)
    table.add_column(overflow="fold")
    for row in asked[:_SOURCES_SHOWN]:
        rate = format_rate(row.rate_bytes_per_s) if row.rate_bytes_per_s and row.state == "ready" else ""
        share = ProgressBar(total=max(1, snapshot.size_bytes), completed=row.bytes, width=12)
        table.add_row(
            Text(source_name(row), style="cyan" if row.kind == "peer" else ""),
            format_size(row.bytes),
            rate,
            *([share] if with_bars else []),
            Text(state_in_words(row), style="yellow"),
        )
    rest = len(asked) - _SOURCES_SHOWN
    more = [Text(f"and {rest} more sources", style="dim")] if rest > 0 else []
    # A bar ends without a line break; a row of a table ends with one.
    bar = Table.grid(expand=True)
    bar.add_row(ProgressBar(total=max(1, snapshot.size_bytes), completed=snapshot.held_bytes))
    head = Text(snapshot.name, style="bold", no_wrap=True, overflow="ellipsis")
    return Group(head, bar, Text(progress_in_words(snapshot, rate_bytes_per_s)), table, *more)


def source_name(row: SourceFigures) -> str:
    """A mirror by its host, a donor by its number."""
    return urlsplit(row.source).netloc if row.kind == "mirror" else row.source


def state_in_words(row: SourceFigures) -> str:
    """Empty while all is well."""
    reason = (row.reason or "").replace("_", " ")
    match row.state:
        case "banned":
            return f"banned: {reason}"
        case "excluded":
            return f"not used: {reason}"
        case "probation":
            return f"waiting: {reason}"
        case "removed":
            return "gone"
        case "ready":
            return ""
