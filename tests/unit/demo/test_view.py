"""The pictures hold every figure that a person needs, at the width of a narrow terminal too."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from distribute_io.demo.view import (
    Moment,
    Outcome,
    ShareBar,
    SourceShare,
    colour_sources,
    render_download,
    render_outcome,
    render_steps,
)


def drawn(picture: RenderableType, *, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(picture)
    return console.export_text()


def share(name: str, kind: str, size_bytes: int, rate_bytes_per_s: float = 0) -> SourceShare:
    return SourceShare(
        name=name, kind=kind, limit="4.00 MB/s", size_bytes=size_bytes, rate_bytes_per_s=rate_bytes_per_s
    )


SOURCES = (share("mirror 1", "mirror", 5_000_000, 2_000_000), share("donor 1", "peer", 2_500_000))
HALF_WAY = Moment(
    file_name="release.iso",
    size_bytes=15_000_000,
    received_bytes=7_500_000,
    rate_bytes_per_s=2_500_000,
    elapsed_s=3.0,
    sources=SOURCES,
)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_download_shows_each_source_with_its_figures(width: int) -> None:
    text = drawn(render_download(HALF_WAY), width=width)
    assert "release.iso" in text
    assert "50 % of 15.0 MB  2.50 MB/s  3.0 s left" in text
    mirror, donor = (next(line for line in text.splitlines() if name in line) for name in ("mirror 1", "donor 1"))
    assert mirror.split()[-6:] == ["2.00", "MB/s", "5.00", "MB", "67", "%"]
    assert donor.split()[-5:] == ["-", "2.50", "MB", "33", "%"]
    assert all(len(line) <= width for line in text.splitlines())


def test_the_bar_gives_every_source_its_part_and_leaves_the_rest_empty() -> None:
    bar = drawn(ShareBar([("#ffffff", 25), ("#000000", 25)], 100), width=40).rstrip("\n")
    assert bar == "━" * 20 + "─" * 20


def test_sources_of_a_kind_have_colours_of_their_own() -> None:
    colours = colour_sources([share(f"mirror {n}", "mirror", 0) for n in range(3)] + [share("donor 1", "peer", 0)])
    assert len(set(colours)) == 4


def test_the_outcome_says_what_it_was_worth() -> None:
    text = drawn(
        render_outcome(HALF_WAY, Outcome(sha256="ab" * 32, signed_by="ed25519:x", seconds=2.0, best_mirror_s=5.0)),
        width=100,
    )
    assert "ab" * 32 in text
    assert "2.5 times as long" in text
    assert "mirrors 67 %, people who donate 33 %" in text


def test_steps_tell_what_is_done() -> None:
    lines = drawn(render_steps([("files", "4 of 225 MB", True), ("donors", "being filled", False)])).splitlines()
    assert lines[0].split()[:2] == ["✓", "files"]
    assert lines[1].split()[:2] == ["…", "donors"]


def test_nothing_received_yet_can_be_drawn() -> None:
    empty = Moment(
        file_name="x",
        size_bytes=0,
        received_bytes=0,
        rate_bytes_per_s=0,
        elapsed_s=0,
        sources=(share("m", "mirror", 0),),
    )
    assert "0 % of 0 B" in drawn(render_download(empty))
