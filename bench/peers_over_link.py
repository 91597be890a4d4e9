"""Is a page as fast as a bare data channel where the line is long, slow or lossy?

A Chromium donor at the far end of a line in user space (`tests.harness.tun_link`), a page at the near end; beside it
a bare data channel and WebTorrent over the same line in the same round. Ours is measured from the click, over a session
that crosses the line as well, the others from their first call: .4 s that say nothing of a line's loss, so the file is
large enough for the rate to count. A round takes two and a half minutes. Options: `--rounds N` (default 2),
`--lines "A; B"` (names as they are printed, two more than are measured else; then nothing is written).
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peer_rig import PeerScene, peer_scene, start_webtorrent
from bench.record import Bar, Comparison
from tests.harness.chromium import run_playwright
from tests.harness.processes import Stage
from tests.harness.tun_link import Line, open_line

_MBIT_BYTES_PER_S: Final = 125_000
_FAST: Final = Line(rate_bytes_per_s=1_000 * _MBIT_BYTES_PER_S, queue_bytes=2_000_000)
_LARGE_MIB: Final = 8
_SMALL_MIB: Final = 2


@dataclass(frozen=True)
class _Course:
    """One line and the file for it."""

    mbit_per_s: int
    round_trip_ms: int
    loss: float
    mib: int

    @property
    def name(self) -> str:
        """What it is called in results."""
        return f"{self.mbit_per_s} Mbit/s, {self.round_trip_ms} ms, {self.loss:.1%} lost"

    @property
    def line(self) -> Line:
        """The queue holds what the line carries in a round trip, 64 KiB at least: a router as it should be."""
        rate = self.mbit_per_s * _MBIT_BYTES_PER_S
        queue_bytes = max(65_536, rate * self.round_trip_ms // 1_000)
        return Line(self.round_trip_ms / 2, rate, self.loss, queue_bytes)


_COURSES: Final = (
    _Course(20, 20, 0.0, _LARGE_MIB),
    _Course(20, 80, 0.0, _LARGE_MIB),
    _Course(20, 20, 0.005, _LARGE_MIB),
    _Course(100, 20, 0.0, _LARGE_MIB),
)
_MORE_COURSES: Final = (_Course(20, 80, 0.01, _SMALL_MIB), _Course(100, 80, 0.0, _LARGE_MIB))


def run(options: list[str]) -> bool:
    """Run all alternately and write the result; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="peers_over_link", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--lines", default="")
    chosen = parser.parse_args(options)
    names = [name for name in chosen.lines.split("; ") if name]
    courses = [course for course in _COURSES + _MORE_COURSES if course.name in names] if names else list(_COURSES)
    comparison = Comparison("peers_over_link", (__doc__ or "").splitlines()[0], unit="MiB/s")
    with tempfile.TemporaryDirectory(prefix="dio-peers-") as name, run_playwright() as playwright, ExitStack() as exits:
        line = exits.enter_context(open_line(exits.enter_context(Stage(Path(name) / "line")), _FAST))

        def contenders(mib: int) -> _Contenders:
            scene = exits.enter_context(peer_scene(Path(name) / str(mib), playwright, mib=mib, line=line))
            return _Contenders(scene, exits)

        by_size = {mib: contenders(mib) for mib in sorted({course.mib for course in courses})}
        for number in range(chosen.rounds):
            for course in courses:
                line.change(course.line)
                ways = by_size[course.mib].ways
                for way in list(ways) if number % 2 == 0 else reversed(list(ways)):
                    figure = course.mib / ways[way]()
                    comparison.figures.setdefault(f"{course.name}: {way}", []).append(figure)
                    print(f"  round {number + 1}: {course.name}: {way}: {figure:.3g} MiB/s", flush=True)
    if names:
        return True
    return comparison.finish(
        [Bar(f"{course.name}: {_OURS}", f"{course.name}: {_BARE}", at_least=0.85) for course in courses]
        + [Bar(f"{course.name}: {_OURS}", f"{course.name}: {_TORRENT}", at_least=1.0) for course in courses]
    )


_OURS: Final = "page from a donor"
_BARE: Final = "bare data channel"
_TORRENT: Final = "WebTorrent"


class _Contenders:
    """All who fetch one file over the line."""

    def __init__(self, scene: PeerScene, exits: ExitStack) -> None:
        self._scene = scene
        self._donor = exits.enter_context(scene.browser(far=True))
        scene.start_donors(self._donor, [range(scene.segments)])
        scene.wait_for_donors(1)
        self._webtorrent = start_webtorrent(scene)
        self._torrent = self._webtorrent.seed(exits.enter_context(scene.browser(far=True)))
        self.ways = {_OURS: self._ours, _BARE: self._bare, _TORRENT: self._torrented}

    def _ours(self) -> float:
        return self._scene.take().stored_s

    def _bare(self) -> float:
        with self._scene.browser() as taker:
            return self._scene.bare(taker, [self._donor])

    def _torrented(self) -> float:
        return self._webtorrent.download(self._torrent)["lastMs"] / 1_000
