"""Does the page, checking and storing every segment, keep up with Chromium's own unverified download?

One nginx on this machine, one file, a fresh browser for every run. Options: `--mib N` (default 256), `--rounds N`
(default 5). Three figures for ours, all from the click, `resolve` and manifest included: until the last segment is
verified and stored; until the whole file's digest is there, too; until that and the complete file in the download
folder are.
"""

from __future__ import annotations

import argparse

from bench.nginx import start_nginx
from bench.page_runs import MIB, bench_stage, make_served, publish
from bench.record import Bar, Comparison

_CHROMIUM = "Chromium's own download"
_STORED = "page: verified and stored"
_DIGEST = "page: and the whole file's digest"
_FILE = "page: digest, and in the download folder"


def run(options: list[str]) -> bool:
    """Run both alternately and write the result; True when the bars hold."""
    parser = argparse.ArgumentParser(prog="page_download", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(options)
    size_mib: int = chosen.mib
    with bench_stage() as stage:
        served = make_served(stage, size_mib * MIB)
        pages = publish(stage, served, [start_nginx(stage, served)])
        comparison = Comparison(
            "page_download" if size_mib == 256 else f"page_download_{size_mib}",
            (__doc__ or "").splitlines()[0],
            unit="MiB/s",
            notes={"mib": size_mib},
        )

        def own() -> float:
            return size_mib / pages.click(pages.plain).in_folder_s

        def ours() -> float:
            click = pages.click(pages.with_snippet)
            assert click.stored_s is not None
            assert click.digest_s is not None
            comparison.figures.setdefault(_DIGEST, []).append(size_mib / click.digest_s)
            comparison.figures.setdefault(_FILE, []).append(size_mib / click.in_folder_s)
            return size_mib / click.stored_s

        own()  # warms up: the page cache, the browser's files
        comparison.run({_CHROMIUM: own, _STORED: ours}, rounds=chosen.rounds)
        return comparison.finish([Bar(_STORED, _CHROMIUM, at_least=0.7), Bar(_FILE, _CHROMIUM, at_least=0.45)])
