"""Does the donor page keep its bars: memory, return visit, stop, rate cap, hidden tab?

Each with the real `/donate` in a stock Chromium, and a publisher's page in another as the taker; no mirror has the
file. What a taker gets is what its browser counts on the connection (`getStats`), so all that the donor sends is seen.
The rate's taker is `dio get`'s own code, which counts what it receives: 10 MB/s are what two browsers on two cores can
do (`python -m bench peers_one_donor`), so that the taker would be what is measured.
The donor's browser does not tell of the processors' pressure, for which a donor gives less than it may: here that would
be its taker's, which shares the machine.
Options: names of parts (default all): memory, visit, stop, rate, hidden, thaw; `--mib N` held for memory (default
1000), `--rate-s N` seconds for each of the `--caps` (default 24), `--hidden-s N` seconds hidden (default 60)
for each of the `--browsers`, `--frozen-s N…` seconds frozen (default 10 and 45).
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page as PlaywrightPage
from playwright.sync_api import Playwright

from bench.browser_usage import renderer_resident_bytes
from bench.peer_rig import MIB, PeerScene, cpu_seconds, peer_scene
from bench.record import write_result
from tests.harness.chromium import Chromium, run_chromium, run_playwright
from tests.harness.chromium_tabs import run_chromium_tabs
from tests.harness.donors import wait_until_held
from tests.harness.firefox import run_firefox
from tests.harness.native_taker import NativeTaker
from tests.harness.puppeteer import PuppeteerBrowser, PuppeteerPage
from tests.harness.received_bytes import COUNT_RECEIVED, mean_rate, rates, received

_PARTS = ("memory", "visit", "stop", "rate", "hidden", "thaw")
_HIDDEN_BYTES_PER_S = 1_000_000
_STORAGE_STEPS = (16_000_000, 64_000_000, 256_000_000, 512_000_000, 1_000_000_000, 2_000_000_000)

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
        filled = page.evaluate(_PREFILL, prefill_job(self.scene, self.settings["storageBytes"]))
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


def prefill_job(scene: PeerScene, limit_bytes: int) -> list[Any]:  # Any: JSON
    """What `_PREFILL` takes."""
    job = {
        "fileUrl": scene.file_url,
        "fileId": scene.release.sha256,
        "segmentSizeBytes": scene.segment_bytes,
        "limitBytes": limit_bytes,
    }
    return [f"{scene.site.url}/prefill-worker.js", job]


def start(page: PlaywrightPage, scene: PeerScene) -> None:
    """Press start and wait until the coordinator knows what is held."""
    page.get_by_role("button", name="Start donating").click()
    wait_until_held(scene.coordinator, scene.size_bytes)


def open_site(scene: PeerScene) -> PeerScene:
    """Lets the coordinator's pages read what prefilling needs."""
    for name in ("file.bin", "prefill-worker.js"):
        (scene.site.folder / f"{name}.headers").write_text("Access-Control-Allow-Origin: *\n")
    return scene


@contextmanager
def taker(scene: PeerScene) -> Iterator[PlaywrightPage]:
    """A visitor who has clicked."""
    with scene.browser() as browser:
        page = browser.new_page(init_script=COUNT_RECEIVED).playwright
        page.goto(scene.page_url())
        page.wait_for_load_state("networkidle")
        page.click("#file")
        page.wait_for_function("samples.at(-1)?.[1] > 0", timeout=30_000)
        yield page


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
                    found = received(visitor)
                    end = found[-1][1]
                    late.append(max(0, next(at for at, size in found if size == end) - clicked))
                page.get_by_role("button", name="Start donating").wait_for()
        self.report.add("last byte after the click on Stop (<= 300 ms)", max(late), holds=max(late) <= 300)

    def rate(self) -> None:
        """What the taker gets over any 10 s, against the cap."""
        for cap in self.chosen.caps:
            seconds = self.chosen.rate_s
            with self.scene(f"rate-{cap}", max(8, cap * (seconds + 8) // MIB), cap) as (scene, donor):
                page = donor.idle_page()
                start(page, scene)
                visitor = NativeTaker.of(
                    scene.stage.folder / f"{scene.release.name}.manifest.json", scene.coordinator, scene.stage.folder
                )
                used_s = cpu_seconds(donor.browser)
                found = visitor.received_for(seconds)
                used_s = (cpu_seconds(donor.browser) - used_s) / seconds
                words = page.evaluate("document.getElementById('state').textContent")
                seconds_of = [round(rate / cap, 3) for rate in rates(found, 1_000)[::20]]
                print(f"  of {cap} B/s: {seconds_of}; the donor uses {used_s:.2f} processors: {words}", flush=True)
                over = [rate / cap for rate in rates(found, 10_000)]
                self.report.add(f"least 10 s / cap of {cap} B/s (>= 0.95)", min(over), holds=min(over) >= 0.95)
                self.report.add(f"most 10 s / cap of {cap} B/s (<= 1.05)", max(over), holds=max(over) <= 1.05)

    def hidden(self) -> None:
        """A donor's tab while it is hidden, against the same while it was in sight."""
        seconds = self.chosen.hidden_s
        for kind in self.chosen.browsers:
            start_browser = run_firefox if kind == "Firefox" else run_chromium_tabs
            with ExitStack() as stack:
                folder = self.folder / f"hidden-{kind}"
                mib = _HIDDEN_BYTES_PER_S * (seconds + 60) // MIB
                scene = open_site(stack.enter_context(peer_scene(folder, self.playwright, mib=mib)))
                browser: PuppeteerBrowser = stack.enter_context(start_browser(self.folder / f"{kind}-donor"))
                page = filled_tab(scene, browser, _HIDDEN_BYTES_PER_S)
                page.press_button("Start…")
                wait_until_held(scene.coordinator, scene.size_bytes)
                visitor = stack.enter_context(taker(scene))
                visitor.wait_for_timeout(2_000)
                visible_ms = now_ms()
                visitor.wait_for_timeout(15_000)
                covered_ms = now_ms()
                page.cover()
                visitor.wait_for_timeout(8_000)  # beyond the time from which Chromium holds its timers back
                if page.evaluate("document.visibilityState") != "hidden":
                    raise RuntimeError("the tab is in sight")
                hidden_ms = now_ms()
                visitor.wait_for_timeout(1_000 * seconds)
                found = received(visitor)
            visible = mean_rate(found, visible_ms, covered_ms)
            hidden = mean_rate(found, hidden_ms, now_ms())
            least = min(rates([sample for sample in found if sample[0] >= hidden_ms], 10_000))
            self.report.add(
                f"{kind}, hidden {seconds} s / visible (>= 0.8)", hidden / visible, holds=hidden >= 0.8 * visible
            )
            self.report.add(
                f"{kind}, least 10 s of it / visible (>= 0.8)", least / visible, holds=least >= 0.8 * visible
            )

    def thaw(self) -> None:
        """Hidden, frozen for a while and thawed: when does the taker, who waits, get bytes again?"""
        with ExitStack() as stack:
            scene = open_site(stack.enter_context(peer_scene(self.folder / "thaw", self.playwright, mib=200)))
            browser = stack.enter_context(run_chromium_tabs(self.folder / "thaw-donor"))
            page = filled_tab(scene, browser, _HIDDEN_BYTES_PER_S)
            page.press_button("Start…")
            wait_until_held(scene.coordinator, scene.size_bytes)
            page.cover()  # a tab in sight is never frozen
            visitor = stack.enter_context(taker(scene))
            for frozen_s in self.chosen.frozen_s:
                visitor.wait_for_timeout(2_000)
                page.set_lifecycle("frozen")
                visitor.wait_for_timeout(1_000 * frozen_s)
                had = received(visitor)[-1][1]
                visitor.wait_for_timeout(1_000)
                if received(visitor)[-1][1] != had:
                    raise RuntimeError("the donor is not frozen")
                thawed_ms = now_ms()
                page.set_lifecycle("active")
                visitor.wait_for_function("(had) => samples.at(-1)[1] > had", arg=had, timeout=60_000)
                took_s = (next(at for at, size in received(visitor) if size > had) - thawed_ms) / 1_000
                self.report.add(f"serves again after {frozen_s} s frozen (<= 5 s)", took_s, holds=took_s <= 5)


def now_ms() -> int:
    """The clock that pages have."""
    return round(time.time() * 1_000)


def filled_tab(scene: PeerScene, browser: PuppeteerBrowser, up_bytes_per_s: int) -> PuppeteerPage:
    """A donor's page whose store has the scene's file, before its start."""
    storage_bytes = next(step for step in _STORAGE_STEPS if step >= 1.001 * scene.size_bytes)
    settings = {"storageBytes": storage_bytes, "upBytesPerS": up_bytes_per_s, "takersMax": 8}
    page = browser.new_page(init_script=_settled_donor(settings))
    page.goto(f"{scene.coordinator.url}/donate")
    job = prefill_job(scene, storage_bytes)
    filled = page.evaluate(f"({_PREFILL})({json.dumps(job)})")
    if filled != "filled":
        raise RuntimeError(filled)
    return page


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
    parser.add_argument("--hidden-s", type=int, default=60)
    parser.add_argument("--frozen-s", type=int, nargs="+", default=[10, 45])
    parser.add_argument("--browsers", nargs="+", choices=("Chromium", "Firefox"), default=["Chromium", "Firefox"])
    parser.add_argument("--caps", type=int, nargs="+", default=[64_000, 1_000_000, 10_000_000])
    chosen = parser.parse_args(options)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="dio-donor-") as name, run_playwright() as playwright:
        bench = Bench(Path(name), playwright, report, chosen)
        for part in chosen.parts or _PARTS:
            getattr(bench, part)()
    named = ["donor_page", *chosen.parts]
    if chosen.hidden_s != parser.get_default("hidden_s"):
        named += [f"{chosen.hidden_s}s", *chosen.browsers]
    write_result("_".join(named).lower(), {"question": (__doc__ or "").splitlines()[0], "bars": report.rows})
    return all(row["holds"] for row in report.rows)
