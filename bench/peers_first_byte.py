"""How long after click and `resolve` is a donor's first byte there, when a signal takes 25 ms from peer to peer?

In a publisher's page, with a new browser for each run. The click is a person's: the button is down for 80 ms before
it; what is counted begins with the click or with the answer to `resolve` by the page's own clock, whichever is later.
The same for a click without anything before it is noted. The session's line takes half of the 25 ms each way, its
handshakes included; the two peers are near each other. So 50 ms pass on the way at the least: want, match, answer.

Beside it a bare pair, in pages that do nothing else: its offer is gathered and its way to the relay is open before the
word that begins it; then the offer goes over the same line, the answer comes back, the channel opens, and a word asks
for 16 KiB. What is above that is ours. Options: `--rounds N` (default 5).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from bench.peer_rig import PeerScene, peer_scene
from bench.record import Bar, Comparison
from tests.harness.chromium import Chromium, run_playwright

_OURS = "first byte after resolve"
_BARE = "bare pair, the same trips"
_BOUND = "the bound"
_BOUND_MS = 80.0
_RELAY_MS = 25
_PRESS_MS = 80


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
        scene.browser() as bare_donor,
    ):
        scene.start_donors(donor, [range(scene.segments)])
        scene.wait_for_donors(1)
        scene.take()  # warms up: the coordinator's files, the donor's first answer

        def note(what: str, seconds: float) -> None:
            comparison.notes.setdefault(what, []).append(round(seconds * 1_000, 1))

        def ours() -> float:
            taken = scene.take(press_ms=_PRESS_MS)
            sudden = scene.take()
            note("resolved after the click, ms", taken.resolved_s)
            note("click without a press: first byte after resolve, ms", sudden.first_byte_s - sudden.resolved_s)
            return (taken.first_byte_s - max(0.0, taken.resolved_s)) * 1_000

        relay_url = scene.start_bare_relay(_RELAY_MS)
        _bare_page(scene, bare_donor)

        def bare() -> float:
            bare_donor.context.pages[-1].evaluate("awaitOffer", relay_url)
            with scene.browser() as taker:
                page = _bare_page(scene, taker)
                page.evaluate("prepare", relay_url)
                milliseconds: float = page.evaluate("firstByte()")
            return milliseconds

        comparison.run({_OURS: ours, _BARE: bare, _BOUND: lambda: _BOUND_MS}, rounds=chosen.rounds)
    return comparison.finish([Bar(_OURS, _BOUND, at_most=1.0)])


def _bare_page(scene: PeerScene, browser: Chromium) -> Page:
    browser.new_page().goto(f"{scene.site.url}/bare.html")
    return browser.context.pages[-1]
