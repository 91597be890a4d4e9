"""Do four browser donors to one page come near four bare connections, and near the sum of four capped ones?

A file of 64 MiB, of which each of four browsers holds all. Then the same with each donor capped at 2 MiB/s, where the
peer is the sum of the rates. Options: `--mib N`, `--capped-mib N` (default 64), `--rounds N` (default 3), `--only
ours`.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.peer_rig import MIB, PeerScene, peer_scene, start_webtorrent
from bench.record import Bar, Comparison
from tests.harness.chromium import Chromium, run_playwright

_OURS = "page from four donors"
_BARE = "four bare data channels"
_TORRENT = "WebTorrent, four seeders"
_CAPPED = "page from four donors of 2 MiB/s"
_SUM = "the sum of their rates"
_DONORS = 4
_CAP_BYTES_PER_S = 2 * MIB


def run(options: list[str]) -> bool:
    """Run all alternately and write the result; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="peers_four_donors", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--capped-mib", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args(options)
    mib: int = chosen.mib
    comparison = Comparison(
        "peers_four_donors", (__doc__ or "").splitlines()[0], unit="MiB/s", notes={"mib": chosen.mib}
    )
    with tempfile.TemporaryDirectory(prefix="dio-peers-") as name, run_playwright() as playwright:
        with peer_scene(Path(name) / "full", playwright, mib=chosen.mib) as scene, ExitStack() as exits:
            donors = _start(scene, exits)

            def ours() -> float:
                return mib / scene.take().stored_s

            def bare() -> float:
                with scene.browser() as taker:
                    return mib / scene.bare(taker, donors)

            contenders = {_OURS: ours, _BARE: bare}
            if not chosen.only:
                client = start_webtorrent(scene)
                torrents = [client.seed(exits.enter_context(scene.browser())) for _ in range(_DONORS)]
                contenders[_TORRENT] = lambda: chosen.mib / client.download(torrents[0])["lastMs"] * 1_000
            comparison.run(contenders, rounds=chosen.rounds)
        with peer_scene(Path(name) / "capped", playwright, mib=chosen.capped_mib) as scene, ExitStack() as exits:
            _start(scene, exits, up_bytes_per_s=_CAP_BYTES_PER_S)
            comparison.run(
                {
                    _CAPPED: lambda: chosen.capped_mib / scene.take().stored_s,
                    _SUM: lambda: _DONORS * _CAP_BYTES_PER_S / MIB,
                },
                rounds=chosen.rounds,
            )
    if chosen.only:
        return True
    return comparison.finish(
        [
            Bar(_OURS, _BARE, at_least=0.85),
            Bar(_OURS, _TORRENT, at_least=1.8),
            Bar(_CAPPED, _SUM, at_least=0.96),
        ]
    )


def _start(scene: PeerScene, exits: ExitStack, **limits: int) -> list[Chromium]:
    donors = [exits.enter_context(scene.browser()) for _ in range(_DONORS)]
    for donor in donors:
        scene.start_donors(donor, [range(scene.segments)], **limits)
    scene.wait_for_donors(_DONORS)
    return donors
