"""What `dio get` shows on stderr while it downloads: a bar, the rate, the time left, and each source's part.

On a terminal it is drawn in place by rich; elsewhere (logs, pipes) there is a plain line every ten seconds.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol
from urllib.parse import urlsplit

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from distribute_io.download.fetch import Snapshot, SourceFigures
from distribute_io.units import format_rate, format_size

_PLAIN_EVERY_S: Final = 10.0
_RATE_OVER_S: Final = 3.0
_SOURCES_SHOWN: Final = 12
_WIDTH_FOR_BARS: Final = 76


class ProgressView(Protocol):
    """Where progress is shown."""

    def show(self, snapshot: Snapshot) -> None:
        """Show this from now on."""
        ...

    def say(self, text: str) -> None:
        """Write one line that stays."""
        ...


@contextmanager
def show_progress(name: str) -> Iterator[ProgressView]:
    """A view on stderr that fits what stderr is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _PlainView(name)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield _LiveView(live)


class _Meter:
    """Bytes per second over the last few seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def rate(self, total_bytes: int) -> float:
        now = time.monotonic()
        self._points.append((now, total_bytes))
        while self._points[0][0] < now - _RATE_OVER_S and len(self._points) > 2:
            self._points.popleft()
        since, before = self._points[0]
        return (total_bytes - before) / (now - since) if now > since else 0.0


class _PlainView:
    def __init__(self, name: str) -> None:
        self._name = name
        self._meter = _Meter()
        self._said_at = time.monotonic()

    def show(self, snapshot: Snapshot) -> None:
        rate = self._meter.rate(snapshot.held_bytes)
        now = time.monotonic()
        if now - self._said_at >= _PLAIN_EVERY_S:
            self._said_at = now
            self.say(f"{self._name}: {progress_in_words(snapshot, rate)}")

    def say(self, text: str) -> None:
        typer.echo(f"dio: {text}", err=True)


class _LiveView:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._meter = _Meter()

    def show(self, snapshot: Snapshot) -> None:
        shown = picture(snapshot, self._meter.rate(snapshot.held_bytes), width=self._live.console.width)
        self._live.update(shown, refresh=True)

    def say(self, text: str) -> None:
        self._live.console.print(f"dio: {text}", highlight=False, markup=False)


def progress_in_words(snapshot: Snapshot, rate_bytes_per_s: float) -> str:
    """As `12.0 MB of 48.0 MB (25 %), 3.00 MB/s, 12 s left`."""
    left_bytes = snapshot.size_bytes - snapshot.held_bytes
    percent = snapshot.held_bytes * 100 // max(1, snapshot.size_bytes)
    words = [f"{format_size(snapshot.held_bytes)} of {format_size(snapshot.size_bytes)} ({percent} %)"]
    words.append(format_rate(rate_bytes_per_s))
    if rate_bytes_per_s >= 1:
        words.append(f"{time_in_words(left_bytes / rate_bytes_per_s)} left")
    return ", ".join(words)


def time_in_words(seconds: float) -> str:
    """As `45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


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
