"""Do a thousand takers who connect and leave leave anything behind in a donor's page?

Option: `--visits N` (default 1000). The real `/donate` in a stock Chromium; takers are `dio get`'s own code, two at a
time, and leave after the first bytes. What is made once is made in the 50 visits before the first look. Threads and
descriptors are of all the browser's processes, memory is of its renderers; garbage is collected before each look.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.browser_usage import open_handles, renderer_resident_bytes
from bench.donor_page import Donor, open_site, start
from bench.peer_rig import MIB, peer_scene
from bench.record import write_result
from tests.harness.chromium import Chromium, run_chromium, run_playwright
from tests.harness.live_objects import collect_garbage, count_objects
from tests.harness.native_taker import NativeTaker, visit_often

_FILE_MIB = 8
_WARM_VISITS = 50
_MEMORY_MIB_MAX = 8.0
_FORGOTTEN_S = 130.0


@dataclass(frozen=True)
class Look:
    """What the browser has at one moment."""

    threads: int
    descriptors: int
    connections: int
    memory_mib: float


def run(options: list[str]) -> bool:
    """Measure it and write the result; True when nothing has grown."""
    parser = argparse.ArgumentParser(prog="donor_visits", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--visits", type=int, default=1_000)
    chosen = parser.parse_args(options)
    with tempfile.TemporaryDirectory(prefix="dio-donor-") as name, run_playwright() as playwright:
        folder = Path(name)
        with (
            peer_scene(folder / "scene", playwright, mib=_FILE_MIB) as scene,
            run_chromium(playwright, folder / "donor") as browser,
        ):
            donor = Donor(open_site(scene), browser, 4_000_000)
            donor.fill()
            start(donor.idle_page(), scene)
            taker = NativeTaker.of(
                scene.stage.folder / f"{scene.release.name}.manifest.json", scene.coordinator, scene.stage.folder
            )
            visit_often(taker, _WARM_VISITS)
            before = look(browser)
            started = time.monotonic()
            visit_often(taker, chosen.visits)
            seconds = time.monotonic() - started
            after = look(browser)
    grown = {
        "threads": after.threads - before.threads,
        "descriptors": after.descriptors - before.descriptors,
        "connections": after.connections,
        "memory in MiB": after.memory_mib - before.memory_mib,
    }
    bars = [
        {"bar": f"{what} after {chosen.visits} visits, more than before", "figure": round(figure, 1)}
        | {"holds": figure <= (_MEMORY_MIB_MAX if "memory" in what else 0)}
        for what, figure in grown.items()
    ]
    for bar in bars:
        print(f"  {bar['bar']}: {bar['figure']} {'holds' if bar['holds'] else 'DOES NOT HOLD'}", flush=True)
    question = (__doc__ or "").splitlines()[0]
    figures = {"before": asdict(before), "after": asdict(after), "seconds": round(seconds, 1)}
    write_result("donor_visits", {"question": question, "figures": figures, "bars": bars})
    return all(bar["holds"] for bar in bars)


def look(browser: Chromium) -> Look:
    """What is there when those who left are forgotten: the least of some looks, since sockets close by and by.

    Who left without a word is missed by the browser after half a minute, and by the donor's own rules after two.
    """
    page = browser.context.pages[-1]
    found: list[Look] = []
    until = time.monotonic() + _FORGOTTEN_S
    while len(found) < 10 or (found[-1].connections and time.monotonic() < until):
        collect_garbage(page)
        time.sleep(1)
        threads, descriptors = open_handles(browser.profile)
        memory_mib = round(renderer_resident_bytes(browser.profile) / MIB, 1)
        found.append(Look(threads, descriptors, count_objects(page, "RTCPeerConnection"), memory_mib))
    return Look(
        threads=min(look.threads for look in found),
        descriptors=min(look.descriptors for look in found),
        connections=min(look.connections for look in found),
        memory_mib=min(look.memory_mib for look in found),
    )
