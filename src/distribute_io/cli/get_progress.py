"""What `dio get` shows on stderr while it downloads: a bar, the rate, the time left, and each source's part.

On a terminal it is drawn in place by rich; elsewhere (logs, pipes) there is a plain line every ten seconds.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import typer

from distribute_io.download.fetch import Snapshot
from distribute_io.units import format_rate, format_size

_PLAIN_EVERY_S: Final = 10.0
_RATE_OVER_S: Final = 3.0


class ProgressView(Protocol):
    """Where progress is shown."""

    def show(self, snapshot: Snapshot) -> None:
        """Show this from now on."""
        ...

    def say(self, text: str) -> None:
        """Write one line that stays."""
        ...


@contextmanager
def show_progress(name: str, *, quiet: bool) -> Iterator[ProgressView]:
    """A view on stderr that fits what stderr is; a quiet one shows no progress and still says what it is told."""
    if quiet:
        yield _QuietView()
        return
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield _PlainView(name)
        return
    from distribute_io.cli.get_live import live_view

    with live_view() as view:
        yield view


class Meter:
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


class _QuietView:
    def show(self, snapshot: Snapshot) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        typer.echo(f"dio: {text}", err=True)


class _PlainView(_QuietView):
    def __init__(self, name: str) -> None:
        self._name = name
        self._meter = Meter()
        self._said_at = time.monotonic()

    def show(self, snapshot: Snapshot) -> None:
        rate = self._meter.rate(snapshot.held_bytes)
        now = time.monotonic()
        if now - self._said_at >= _PLAIN_EVERY_S:
            self._said_at = now
            self.say(f"{self._name}: {progress_in_words(snapshot, rate)}")


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
