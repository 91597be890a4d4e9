"""Does a slow donor beside a fast mirror cost anything, and how far is WebTorrent's web seed with a slow peer behind?

One nginx on this machine and one browser donor capped at 256 KiB/s; a file of 64 MiB. WebTorrent, which the slow peer
holds at its own rate, is stopped after 20 s: what it has verified by then is its rate. Options: `--mib N`, `--rounds N`
(default 3).
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.peer_rig import MIB, peer_scene, start_webtorrent
from bench.record import Bar, Comparison
from tests.harness.chromium import run_playwright

_BOTH = "page: mirror and slow donor"
_ALONE = "page: the mirror alone"
_TORRENT = "WebTorrent: web seed and slow peer"
_SLOW_BYTES_PER_S = 262_144
_TORRENT_MS = 20_000


def run(options: list[str]) -> bool:
    """Run all alternately and write the result; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="peers_mirror_and_slow_donor", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(options)

    comparison = Comparison(
        "peers_mirror_and_slow_donor", (__doc__ or "").splitlines()[0], unit="MiB/s", notes={"mib": chosen.mib}
    )
    with tempfile.TemporaryDirectory(prefix="dio-peers-") as name, run_playwright() as playwright, ExitStack() as exits:
        alone = exits.enter_context(peer_scene(Path(name) / "alone", playwright, mib=chosen.mib, with_mirror=True))
        both = exits.enter_context(peer_scene(Path(name) / "both", playwright, mib=chosen.mib, with_mirror=True))
        donor = exits.enter_context(both.browser())
        both.start_donors(donor, [range(both.segments)], up_bytes_per_s=_SLOW_BYTES_PER_S)
        both.wait_for_donors(1)
        client = start_webtorrent(both)
        torrent = client.seed(exits.enter_context(both.browser()), up_bytes_per_s=_SLOW_BYTES_PER_S)
        seed_url = f"{both.mirror_url}/file.bin"

        def webtorrent() -> float:
            times = client.download(torrent, web_seeds=[seed_url], limit_ms=_TORRENT_MS)
            return times["bytes"] / MIB / times["lastMs"] * 1_000

        comparison.run(
            {
                _BOTH: lambda: chosen.mib / both.take().stored_s,
                _ALONE: lambda: chosen.mib / alone.take().stored_s,
                _TORRENT: webtorrent,
            },
            rounds=chosen.rounds,
        )
    return comparison.finish([Bar(_BOTH, _ALONE, at_least=0.95), Bar(_BOTH, _TORRENT, at_least=10)])
