"""Do a thousand takers who connect and leave leave anything behind in a donor's page?

Option: `--visits N` (default 1000). The real `/donate` in a stock Chromium; takers are `dio get`'s own code, two at a
time, and leave after the first bytes. Threads and descriptors are of the kinds of processes that the browser had before
the visits (minutes after its start Chromium begins services of its own, such as one for models on the device: what was
begun is told); memory is of its renderers. Garbage is collected before each look.

The bars are of the second half: what visits leave behind grows in each half alike, while a browser that was just
started grows by itself (its pools of threads, and free memory that the allocator keeps). Pools of all processes come
and go by a few threads and their descriptors, which a leak of one in a hundred visits would exceed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
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
_GROWN_MAX = {"threads": 4, "descriptors": 4, "memory in MiB": 4.0, "connections": 0}
_FORGOTTEN_S = 130.0


@dataclass(frozen=True)
class Look:
    """What the browser has at one moment; threads and descriptors by kind of process."""

    threads: dict[str, int]
    descriptors: dict[str, int]
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
            half = chosen.visits // 2
            visit_often(taker, half)
            middle = look(browser)
            visit_often(taker, chosen.visits - half)
            after = look(browser)
    kinds = before.threads.keys()
    grown = {
        "threads": _sum_of(after.threads, kinds) - _sum_of(middle.threads, kinds),
        "descriptors": _sum_of(after.descriptors, kinds) - _sum_of(middle.descriptors, kinds),
        "memory in MiB": after.memory_mib - middle.memory_mib,
    }
    words = {what: f"{what} after {chosen.visits} visits, more than after {half}" for what in grown}
    figures_of = {**grown, "connections": float(after.connections)}
    words["connections"] = f"connections after {chosen.visits} visits"
    bars = [
        {"bar": f"{words[what]} (<= {_GROWN_MAX[what]:g})", "figure": round(figure, 1)}
        | {"holds": figure <= _GROWN_MAX[what]}
        for what, figure in figures_of.items()
    ]
    for bar in bars:
        print(f"  {bar['bar']}: {bar['figure']} {'holds' if bar['holds'] else 'DOES NOT HOLD'}", flush=True)
    question = (__doc__ or "").splitlines()[0]
    begun = sorted(after.threads.keys() - kinds)
    figures = {"before": asdict(before), "middle": asdict(middle), "after": asdict(after), "begun_meanwhile": begun}
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
        handles = open_handles(browser.profile)
        threads = {kind: count for kind, (count, _) in handles.items()}
        descriptors = {kind: count for kind, (_, count) in handles.items()}
        memory_mib = round(renderer_resident_bytes(browser.profile) / MIB, 1)
        found.append(Look(threads, descriptors, count_objects(page, "RTCPeerConnection"), memory_mib))
    return Look(
        threads=_least([look.threads for look in found]),
        descriptors=_least([look.descriptors for look in found]),
        connections=min(look.connections for look in found),
        memory_mib=min(look.memory_mib for look in found),
    )


def _least(looks: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The least of each kind; what was not there at one look counts in the others."""
    kinds = sorted({kind for look in looks for kind in look})
    return {kind: min(look[kind] for look in looks if kind in look) for kind in kinds}


def _sum_of(counts: Mapping[str, int], kinds: Iterable[str]) -> int:
    return sum(counts.get(kind, 0) for kind in kinds)
