"""Is a download in the page as fast as the plain link where the mirror is the limit?

A mirror with a true token bucket that all its requests share, and Chromium's own unverified download beside ours.
What any page can reach is told beside it: Chromium's own download, and then its copy of a stored file of that size to
the download folder, which no page can begin before the last byte (a blob cannot grow) nor do itself. Where the site has
installed our service worker (`data-sw`) there is no such copy: the browser saves the file while it comes (ADR 0047).
Options: `--rate MIB` (20 or 50; default both), `--mib N` (default 128), `--rounds N` (default 3).
"""

from __future__ import annotations

import argparse

from bench.page_runs import MIB, bench_stage, make_served, publish
from bench.record import Bar, Comparison
from tests.harness.mirrors import start_mirror

_BARS = {20: 0.97, 50: 0.95}
_CHROMIUM = "Chromium's own download"
_STORED = "page: verified and stored"
_FILE = "page: digest, and in the download folder"
_SAVER_STORED = "page with data-sw: verified and stored"
_SAVER_FILE = "page with data-sw: digest, and in the download folder"
_COPIED = "Chromium's own download, and its copy of a stored file"


def run(options: list[str]) -> bool:
    """Run both alternately and write a result for each rate; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="page_throttled", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=int, choices=list(_BARS))
    parser.add_argument("--mib", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(options)
    rates = [chosen.rate] if chosen.rate else list(_BARS)
    outcomes = [_at(rate, chosen.mib, chosen.rounds) for rate in rates]
    return all(outcomes)


def _at(rate_mib_per_s: int, size_mib: int, rounds: int) -> bool:
    with bench_stage() as stage:
        served = make_served(stage, size_mib * MIB)
        mirror = start_mirror(stage, served, rate=f"{rate_mib_per_s}MiB/s")
        pages = publish(stage, served, [mirror.url])
        comparison = Comparison(
            f"page_throttled_{rate_mib_per_s}",
            (__doc__ or "").splitlines()[0],
            unit="MiB/s",
            notes={"mib": size_mib, "rate_mib_per_s": rate_mib_per_s},
        )

        def own() -> float:
            own_s = pages.click(pages.plain).in_folder_s
            comparison.figures.setdefault(_COPIED, []).append(size_mib / (own_s + pages.copy()))
            return size_mib / own_s

        def ours(url: str, in_folder: str) -> float:
            click = pages.click(url)
            assert click.stored_s is not None
            comparison.figures.setdefault(in_folder, []).append(size_mib / click.in_folder_s)
            return size_mib / click.stored_s

        contenders = {
            _CHROMIUM: own,
            _STORED: lambda: ours(pages.with_snippet, _FILE),
            _SAVER_STORED: lambda: ours(pages.with_saver, _SAVER_FILE),
        }
        comparison.run(contenders, rounds=rounds)
        bar = _BARS[rate_mib_per_s]
        return comparison.finish(
            [
                Bar(_STORED, _CHROMIUM, at_least=bar),
                Bar(_FILE, _CHROMIUM, at_least=bar),
                Bar(_SAVER_STORED, _CHROMIUM, at_least=bar),
                Bar(_SAVER_FILE, _CHROMIUM, at_least=bar),
                Bar(_FILE, _COPIED, at_least=0.97),
            ]
        )
