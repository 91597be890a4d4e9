"""Is one browser donor to one page as fast as a bare data channel, and how far ahead of WebTorrent?

A file of 64 MiB that only the donor has. Options: `--mib N`, `--rounds N` (default 3), `--only ours`
(without WebTorrent, nothing written).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.peer_rig import MIB, peer_scene, start_webtorrent
from bench.record import Bar, Comparison
from tests.harness.chromium import run_playwright

_OURS = "page from a donor"
_BARE = "bare data channel"
_TORRENT = "WebTorrent"
_FIRST = "page: first verified segment"
_TORRENT_FIRST = "WebTorrent: first verified piece"


def run(options: list[str]) -> bool:
    """Run all alternately and write the result; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="peers_one_donor", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args(options)
    with (
        tempfile.TemporaryDirectory(prefix="dio-peers-") as name,
        run_playwright() as playwright,
        peer_scene(Path(name), playwright, mib=chosen.mib) as scene,
        scene.browser() as donor,
    ):
        mib = scene.size_bytes / MIB
        comparison = Comparison("peers_one_donor", (__doc__ or "").splitlines()[0], unit="MiB/s", notes={"mib": mib})
        scene.start_donors(donor, [range(scene.segments)])
        scene.wait_for_donors(1)

        def ours() -> float:
            taken = scene.take()
            comparison.figures.setdefault(_FIRST, []).append(1 / taken.first_segment_s)
            comparison.notes.setdefault("taker CPU s/GiB", []).append(round(taken.cpu_s / mib * 1024, 1))
            print(f"    {taken}")
            return mib / taken.stored_s

        def bare() -> float:
            with scene.browser() as taker:
                return mib / scene.bare(taker, [donor])

        contenders = {_OURS: ours, _BARE: bare}
        if not chosen.only:
            torrent_client = start_webtorrent(scene)
            seeder = scene.stage.enter(scene.browser())
            torrent = torrent_client.seed(seeder)

            def webtorrent() -> float:
                times = torrent_client.download(torrent)
                comparison.figures.setdefault(_TORRENT_FIRST, []).append(1_000 / times["firstMs"])
                return mib / times["lastMs"] * 1_000

            contenders[_TORRENT] = webtorrent
        comparison.run(contenders, rounds=chosen.rounds)
        if chosen.only:
            return True
        return comparison.finish(
            [
                Bar(_OURS, _BARE, at_least=0.85),
                Bar(_OURS, _TORRENT, at_least=1.8),
                Bar(_FIRST, _TORRENT_FIRST, at_least=1 / 0.35),
            ]
        )
