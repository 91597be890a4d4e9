"""Does `dio donate` give a page more than a donor page does?

A file of 32 MiB; one coordinator has only a Chromium donor, the other only `dio donate`, which fetched it from a mirror
that is gone when the page clicks. Options: `--mib N`, `--rounds N` (default 3).
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.peer_rig import peer_scene
from bench.record import Bar, Comparison
from tests.harness.chromium import run_playwright
from tests.harness.donors import start_headless_donor, wait_until_held

_NATIVE = "page from dio donate"
_CHROMIUM = "page from a Chromium donor"


def run(options: list[str]) -> bool:
    """Run both alternately and write the result; True when the bar holds."""
    parser = argparse.ArgumentParser(prog="peers_native_donor", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(options)
    mib: int = chosen.mib
    comparison = Comparison("peers_native_donor", (__doc__ or "").splitlines()[0], unit="MiB/s", notes={"mib": mib})
    with tempfile.TemporaryDirectory(prefix="dio-peers-") as name, run_playwright() as playwright, ExitStack() as exits:
        native = exits.enter_context(peer_scene(Path(name) / "native", playwright, mib=mib, with_mirror=True))
        page = exits.enter_context(peer_scene(Path(name) / "page", playwright, mib=mib))
        data_dir = native.stage.folder / "donor"
        start_headless_donor(native.coordinator, data_dir, storage=f"{2 * mib}MB", up="1GB/s")
        wait_until_held(native.coordinator, native.size_bytes)
        native.stop_mirror()
        browser = exits.enter_context(page.browser())
        page.start_donors(browser, [range(page.segments)])
        page.wait_for_donors(1)
        comparison.run(
            {_NATIVE: lambda: mib / native.take().stored_s, _CHROMIUM: lambda: mib / page.take().stored_s},
            rounds=chosen.rounds,
        )
    return comparison.finish([Bar(_NATIVE, _CHROMIUM, at_least=1.2)])
