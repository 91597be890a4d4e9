"""Does the donor page keep its bars: memory, return visit, stop, rate cap, hidden tab?

Each with the real `/donate` in a stock Chromium, and a publisher's page in another as the taker; no mirror has the
file. What a taker gets is what its browser counts on the connection (`getStats`), so all that the donor sends is seen.
The donor's browser does not tell of the processors' pressure, for which a donor gives less than it may: here that would
be its taker's, which shares the machine.
Options: names of parts (default all): memory, visit, stop, rate, hidden; `--mib N` held for memory (default 1000),
`--rate-s N` seconds for each rate (default 24).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page as PlaywrightPage
from playwright.sync_api import Playwright

from bench.browser_usage import renderer_resident_bytes
from bench.peer_rig import MIB, PeerScene, peer_scene
from bench.record import write_result
from tests.harness.chromium import Chromium, run_chromium, run_playwright
from tests.harness.chromium_tabs import ChromiumTabs, run_chromium_tabs
from tests.harness.processes import wait_for

_PARTS = ("memory", "visit", "stop", "rate", "hidden")
_STORAGE_STEPS = (16_000_000, 64_000_000, 256_000_000, 512_000_000, 1_000_000_000, 2_000_000_000)

# Keeps the page's connections, and counts what comes in on all of them: [milliseconds of the clock, bytes]. Seldom as a
# rule: to look costs the browser's network thread, which takes the bytes in; it keeps what it tells for 50 ms anyway.
_COUNTER = """
(() => {
  const Real = RTCPeerConnection;
  const all = [];
  window.samples = [];
  window.everyMs = 100;
  window.RTCPeerConnection = class extends Real {
    constructor(...args) { super(...args); all.push(this); this.got = 0; }
  };
  window.sample = async () => {
    await Promise.all(all.map(async (connection) => {
      if (["new", "closed"].includes(connection.connectionState)) return;
      for (const report of (await connection.getStats()).values())
        if (report.type === "data-channel") connection.got = Math.max(connection.got, report.bytesReceived);
    }));
    window.samples.push([Date.now(), all.reduce((sum, { got }) => sum + got, 0)]);
  };
  (async () => {
    for (;;) {
      await window.sample();
      await new Promise((done) => setTimeout(done, window.everyMs));
    }
  })();
})();
"""

# A window has a function `stop` of its own: the button is not to be had by its name.
_NOTE_CLICK = """document.getElementById("stop")
  .addEventListener("click", () => { window.clicked = Date.now(); }, true)"""

_PREFILL = """async ([script, job]) => {
  const text = await (await fetch(script)).text();
  const worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  return new Promise((done) => {
    worker.onmessage = ({ data }) => { worker.terminate(); done(data); };
    worker.postMessage(job);
  });
}"""


def _settled_donor(settings: Mapping[str, int]) -> str:
    """A donor's page with these settings, and without word of the processors' pressure."""
    text = json.dumps(json.dumps(settings))
    return f"delete window.PressureObserver; localStorage['distribute-io:donor'] = {text};"


class Report:
    """Figures and whether they are within their bounds."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []  # Any: JSON

    def add(self, bar: str, figure: float, *, holds: bool) -> None:
        """One bar's outcome."""
        self.rows.append({"bar": bar, "figure": round(figure, 4), "holds": holds})
        print(f"  {bar}: {figure:.4g} {'holds' if holds else 'DOES NOT HOLD'}", flush=True)


class Donor:
    """The donor page of one browser profile, its store filled beforehand with the scene's file."""

    def __init__(self, scene: PeerScene, browser: Chromium, up_bytes_per_s: int) -> None:
        self.scene = scene
        self.browser = browser
        self.settings = {
            # A step of the page's slider.
            "storageBytes": next(step for step in _STORAGE_STEPS if step >= 1.001 * scene.size_bytes),
            "upBytesPerS": up_bytes_per_s,
            "takersMax": 8,
        }

    def fill(self) -> None:
        """Fill the store, and leave the page."""
        page = self._open()
        job = {
            "fileUrl": self.scene.file_url,
            "fileId": self.scene.release.sha256,
            "segmentSizeBytes": self.scene.segment_bytes,
            "limitBytes": self.settings["storageBytes"],
        }
        filled = page.evaluate(_PREFILL, [f"{self.scene.site.url}/prefill-worker.js", job])
        if filled != "filled":
            raise RuntimeError(filled)
        page.close()

    def idle_page(self) -> PlaywrightPage:
        """The page before its start."""
        page = self._open()
        page.get_by_role("button", name="Start donating").wait_for()
        return page

    def _open(self) -> PlaywrightPage:
        page = self.browser.new_page(init_script=_settled_donor(self.settings)).playwright
        page.goto(f"{self.scene.coordinator.url}/donate")
        return page


def start(page: PlaywrightPage, scene: PeerScene) -> None:
    """Press start and wait until the coordinator knows what is held."""
    page.get_by_role("button", name="Start donating").click()
    scene.wait_for_donors(1)
    wait_for(lambda: scene.coordinator.stats()["bytes_held"] >= scene.size_bytes, "the holdings", timeout_s=30)


def open_site(scene: PeerScene) -> PeerScene:
    """Lets the coordinator's pages read what prefilling needs."""
    for name in ("file.bin", "prefill-worker.js"):
        (scene.site.folder / f"{name}.headers").write_text("Access-Control-Allow-Origin: *\n")
    return scene


@contextmanager
def taker(scene: PeerScene) -> Iterator[PlaywrightPage]:
    """A visitor who has clicked."""
    with scene.browser() as browser:
        page = browser.new_page(init_script=_COUNTER).playwright
        page.goto(scene.page_url())
        page.wait_for_load_state("networkidle")
        page.click("#file")
        page.wait_for_function("samples.at(-1)?.[1] > 0", timeout=30_000)
        yield page


def samples(page: PlaywrightPage) -> list[tuple[int, int]]:
    """What came in until when."""
    return [(at, size) for at, size in page.evaluate("samples")]


def windows(found: list[tuple[int, int]], length_ms: int) -> list[float]:
    """Bytes per second over every stretch of that length."""
    rates = []
    for place, (at, size) in enumerate(found):
        later = next(((then, more) for then, more in found[place:] if then - at >= length_ms), None)
        if later is not None:
            rates.append(1_000 * (later[1] - size) / (later[0] - at))
    return rates


class Bench:
    """The parts; each makes its own scene and browsers."""

    def __init__(self, folder: Path, playwright: Playwright, report: Report, chosen: argparse.Namespace) -> None:
        self.folder = folder
        self.playwright = playwright
        self.report = report
        self.chosen = chosen

    @contextmanager
    def scene(self, name: str, mib: int, up_bytes_per_s: int = 32_000_000) -> Iterator[tuple[PeerScene, Donor]]:
        """A coordinator, a file, and a donor who holds all of it."""
        with ExitStack() as stack:
            scene = open_site(stack.enter_context(peer_scene(self.folder / name, self.playwright, mib=mib)))
            browser = stack.enter_context(run_chromium(self.playwright, self.folder / f"{name}-donor"))
            donor = Donor(scene, browser, up_bytes_per_s)
            donor.fill()
            yield scene, donor
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def memory(self) -> None:
        """With so much held, some of it served: what the page takes above an idle one."""
        with self.scene("memory", self.chosen.mib) as (scene, donor):
            page = donor.idle_page()
            idle = settled(lambda: renderer_resident_bytes(donor.browser.profile))
            start(page, scene)
            with taker(scene) as visitor:
                visitor.wait_for_timeout(5_000)
                busy = renderer_resident_bytes(donor.browser.profile)
            above = (busy - idle) / MIB
            self.report.add(
                f"memory above an idle page, {self.chosen.mib} MiB held (<= 64 MiB)", above, holds=above <= 64
            )

    def visit(self) -> None:
        """Comes back with 256 MB: when is it ready, and what is sent to it again?"""
        with self.scene("visit", 244) as (scene, donor):
            page = donor.idle_page()
            began = time.monotonic()
            page.get_by_role("button", name="Start donating").click()
            while scene.coordinator.stats()["bytes_held"] < scene.size_bytes:
                time.sleep(0.01)
            ready_s = time.monotonic() - began
            pushed = scene.coordinator.stats()["bytes_pushed"]
            self.report.add("return visit with 256 MB ready (<= 1 s)", ready_s, holds=ready_s <= 1)
            self.report.add("return visit, bytes pushed (0)", pushed, holds=pushed == 0)
            page.get_by_role("button", name="Stop and erase").click()
            left = "navigator.storage.getDirectory().then(async (root) => (await Array.fromAsync(root.keys())).length)"
            count = page.evaluate(left)
            until = time.monotonic() + 10
            while count and time.monotonic() < until:
                page.wait_for_timeout(50)
                count = page.evaluate(left)
            self.report.add("files left 10 s after erase (0)", count, holds=count == 0)

    def stop(self) -> None:
        """How long after the click does the taker still get bytes?"""
        late = []
        with self.scene("stop", 200, 8_000_000) as (scene, donor):
            page = donor.idle_page()
            for _ in range(3):
                start(page, scene)
                with taker(scene) as visitor:
                    visitor.wait_for_timeout(2_000)
                    visitor.evaluate("everyMs = 20")
                    page.evaluate(_NOTE_CLICK)
                    page.get_by_role("button", name="Stop", exact=True).click()
                    visitor.wait_for_timeout(1_500)
                    clicked = page.evaluate("clicked")
                    found = samples(visitor)
                    end = found[-1][1]
                    late.append(max(0, next(at for at, size in found if size == end) - clicked))
                page.get_by_role("button", name="Start donating").wait_for()
        self.report.add("last byte after the click on Stop (<= 300 ms)", max(late), holds=max(late) <= 300)

    def rate(self) -> None:
        """What the taker gets over any 10 s, against the cap."""
        for cap in self.chosen.caps:
            seconds = self.chosen.rate_s
            with self.scene(f"rate-{cap}", max(8, cap * (seconds + 8) // MIB), cap) as (scene, donor):
                start(donor.idle_page(), scene)
                with taker(scene) as visitor:
                    visitor.wait_for_timeout(2_000 + 1_000 * seconds)
                    found = samples(visitor)
                first_ms = next(at for at, size in found if size > 0)
                found = [sample for sample in found if sample[0] > first_ms + 2_000]
                seconds_of = [round(rate / cap, 3) for rate in windows(found, 1_000)[::50]]
                print(f"  each second of {cap} B/s: {seconds_of}", flush=True)
                rates = [rate / cap for rate in windows(found, 10_000)]
                self.report.add(f"least 10 s / cap of {cap} B/s (>= 0.95)", min(rates), holds=min(rates) >= 0.95)
                self.report.add(f"most 10 s / cap of {cap} B/s (<= 1.05)", max(rates), holds=max(rates) <= 1.05)

    def hidden(self) -> None:
        """A hidden donor tab against a visible one, then frozen and thawed."""
        cap = 8_000_000
        with ExitStack() as stack:
            scene = open_site(stack.enter_context(peer_scene(self.folder / "hidden", self.playwright, mib=400)))
            figures = {}
            for kind in ("visible", "hidden"):
                browser: ChromiumTabs = stack.enter_context(run_chromium_tabs(self.folder / f"tabs-{kind}"))
                settings = {"storageBytes": 512_000_000, "upBytesPerS": cap, "takersMax": 8}
                page = browser.new_page(init_script=_settled_donor(settings))
                page.goto(f"{scene.coordinator.url}/donate")
                job = {
                    "fileUrl": scene.file_url,
                    "fileId": scene.release.sha256,
                    "segmentSizeBytes": scene.segment_bytes,
                    "limitBytes": 512_000_000,
                }
                page.evaluate(f"({_PREFILL})({json.dumps([f'{scene.site.url}/prefill-worker.js', job])})")
                page.press_button("Start…")
                scene.wait_for_donors(1)
                with taker(scene) as visitor:
                    if kind == "hidden":
                        page.cover()
                        visitor.wait_for_timeout(8_000)  # beyond the time from which its timers are held back
                    visitor.wait_for_timeout(12_000)
                    figures[kind] = statistics.median(windows(samples(visitor)[-500:], 3_000))
                    if page.evaluate("document.visibilityState") != kind:
                        raise RuntimeError("the tab is not as it should be")
                if kind == "visible":
                    page.press_button("Stop")
                    wait_for(lambda: scene.coordinator.stats()["donors"] == 0, "no donor")
            share = figures["hidden"] / figures["visible"]
            self.report.add("hidden tab / visible tab (>= 0.8)", share, holds=share >= 0.8)


def settled(figure: Callable[[], int]) -> int:
    """The least of some looks: garbage goes by and by."""
    found = []
    for _ in range(6):
        found.append(figure())
        time.sleep(0.5)
    return min(found)


def run(options: list[str]) -> bool:
    """Run the chosen parts and write the result; True when all bars hold."""
    parser = argparse.ArgumentParser(prog="donor_page", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*_PARTS, []], default=[])
    parser.add_argument("--mib", type=int, default=1_000)
    parser.add_argument("--rate-s", type=int, default=24)
    parser.add_argument("--caps", type=int, nargs="+", default=[64_000, 1_000_000, 10_000_000])
    chosen = parser.parse_args(options)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="dio-donor-") as name, run_playwright() as playwright:
        bench = Bench(Path(name), playwright, report, chosen)
        for part in chosen.parts or _PARTS:
            getattr(bench, part)()
    parts = "_".join(chosen.parts)
    write_result(
        f"donor_page{parts and '_'}{parts}", {"question": (__doc__ or "").splitlines()[0], "bars": report.rows}
    )
    return all(row["holds"] for row in report.rows)
