"""cli/get_progress.py: what a person sees while downloading."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from distribute_io.cli.get_live import picture, state_in_words
from distribute_io.cli.get_progress import progress_in_words, time_in_words
from distribute_io.core.scheduler.messages import SourceKind, SourceState
from distribute_io.download.fetch import Snapshot, SourceFigures


def source(name: str, *, held: int = 0, state: SourceState = "ready", reason: str | None = None) -> SourceFigures:
    kind: SourceKind = "peer" if name.startswith("donor") else "mirror"
    return SourceFigures(
        source=name, kind=kind, bytes=held, received_bytes=held, rate_bytes_per_s=1_000_000, state=state, reason=reason
    )


SNAPSHOT = Snapshot(
    name="a-file-with-a-long-name-1.0.0-amd64.iso",
    size_bytes=64_000_000,
    held_bytes=39_000_000,
    resumed_bytes=0,
    sources=(
        source("http://mirror.example.org:8080/pub/a.iso", held=25_000_000),
        source("donor 1", held=14_000_000),
        source("http://liar.example.net/x", state="banned", reason="segment_mismatch"),
    ),
)


@pytest.mark.parametrize("width", [50, 60, 80, 140])
def test_picture_fits_its_terminal_and_names_every_source(width: int) -> None:
    console = Console(width=width, force_terminal=True, color_system=None, record=True, file=io.StringIO())

    console.print(picture(SNAPSHOT, 6_900_000, width=width))
    lines = console.export_text().splitlines()
    assert all(len(line) <= width for line in lines)
    assert lines[2].startswith("39.0 MB of 64.0 MB (60 %)")
    text = "\n".join(lines)
    assert "donor 1" in text
    assert "25.0 MB" in text
    assert "banned" in text


def test_words_of_progress() -> None:
    assert progress_in_words(SNAPSHOT, 5_000_000) == "39.0 MB of 64.0 MB (60 %), 5.00 MB/s, 5 s left"
    assert progress_in_words(SNAPSHOT, 0).endswith("0 B/s")


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (59, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_time_in_words(seconds: float, words: str) -> None:
    assert time_in_words(seconds) == words


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("ready", ""),
        ("banned", "banned: segment mismatch"),
        ("excluded", "not used: segment mismatch"),
        ("probation", "waiting: segment mismatch"),
        ("removed", "gone"),
    ],
)
def test_every_state_has_its_words(state: SourceState, words: str) -> None:
    assert state_in_words(source("x", state=state, reason="segment_mismatch")) == words
