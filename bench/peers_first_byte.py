"""How long after `resolve` is a donor's first byte there, when a signal takes 25 ms from peer to peer?

From the click in a publisher's page, with a new browser for each run; what the page's own clock says of the `resolve`
request is taken off. The session's line takes half of the 25 ms each way, its handshakes included. Options: `--rounds
N` (default 5).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.peer_rig import peer_scene
from bench.record import Bar, Comparison
from tests.harness.chromium import run_playwright

_OURS = "first byte after resolve"
_BOUND = "the bound"
_BOUND_MS = 80.0
_RELAY_MS = 25


def run(options: list[str]) -> bool:
    """Measure and write the result; True when the bar holds."""
    parser = argparse.ArgumentParser(prog="peers_first_byte", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(options)
    comparison = Comparison(
        "peers_first_byte", (__doc__ or "").splitlines()[0], unit="ms", notes={"relay_ms": _RELAY_MS}
    )
    with (
        tempfile.TemporaryDirectory(prefix="dio-peers-") as name,
        run_playwright() as playwright,
        peer_scene(Path(name) / "scene", playwright, mib=8, relay_ms=_RELAY_MS) as scene,
        scene.browser() as donor,
    ):
        scene.start_donors(donor, [range(scene.segments)])
        scene.wait_for_donors(1)
        scene.take()  # warms up: the coordinator's files, the donor's first answer

        def ours() -> float:
            taken = scene.take()
            comparison.notes.setdefault("resolved after ms", []).append(round(taken.resolved_s * 1_000, 1))
            return (taken.first_byte_s - taken.resolved_s) * 1_000

        comparison.run({_OURS: ours, _BOUND: lambda: _BOUND_MS}, rounds=chosen.rounds)
    return comparison.finish([Bar(_OURS, _BOUND, at_most=1.0)])
