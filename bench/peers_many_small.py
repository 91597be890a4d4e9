"""Are 64 browser donors of 1 MiB nearly as good as four that hold all of the file?

A file of 64 MiB without any mirror. The small donors are sessions in four browsers, as the four large ones are. With
`--relay-ms N` everything that the taker and the donors say to the coordinator takes N/2 milliseconds each way, so a
signal takes N from peer to peer. Options: `--rounds N` (default 3), `--relay-ms N` (default 0).
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.peer_rig import peer_scene
from bench.record import Bar, Comparison
from tests.harness.chromium import run_playwright

_SMALL = "page from 64 donors of 1 MiB"
_LARGE = "page from four donors that hold all"
_BROWSERS = 4
_MIB = 64


def run(options: list[str]) -> bool:
    """Run both alternately and write the result; True when the bar holds."""
    parser = argparse.ArgumentParser(prog="peers_many_small", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--relay-ms", type=int, default=0)
    chosen = parser.parse_args(options)
    name = "peers_many_small" + (f"_relay_{chosen.relay_ms}ms" if chosen.relay_ms else "")
    comparison = Comparison(name, (__doc__ or "").splitlines()[0], unit="MiB/s", notes={"relay_ms": chosen.relay_ms})
    with (
        tempfile.TemporaryDirectory(prefix="dio-peers-") as folder,
        run_playwright() as playwright,
        ExitStack() as exits,
    ):
        small = exits.enter_context(peer_scene(Path(folder) / "small", playwright, mib=_MIB, relay_ms=chosen.relay_ms))
        large = exits.enter_context(peer_scene(Path(folder) / "large", playwright, mib=_MIB, relay_ms=chosen.relay_ms))
        for number in range(_BROWSERS):
            browser = exits.enter_context(small.browser())
            small.start_donors(browser, [[index] for index in range(number, small.segments, _BROWSERS)])
            browser = exits.enter_context(large.browser())
            large.start_donors(browser, [range(large.segments)])
        small.wait_for_donors(small.segments)
        large.wait_for_donors(_BROWSERS)

        def take_small() -> float:
            taken = small.take()
            comparison.notes.setdefault("donors that gave", []).append(taken.donors)
            return _MIB / taken.stored_s

        comparison.run({_SMALL: take_small, _LARGE: lambda: _MIB / large.take().stored_s}, rounds=chosen.rounds)
    return comparison.finish([Bar(_SMALL, _LARGE, at_least=0.70 if chosen.relay_ms else 0.75)])
