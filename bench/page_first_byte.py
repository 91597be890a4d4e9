"""How much later than a plain fetch does the page ask a mirror for its first byte?

Both pages load nothing before the click but their scripts; the figure is the time from the click until the request for
the file arrives at the mirror, by the mirror's clock. The plain page's click handler calls `fetch` at once. Ours asks
the coordinator, checks the manifest, loads its parts and starts its worker meanwhile. Option: `--rounds N` (default 5).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from bench.page_runs import FILE, MIB, bench_stage, make_served, publish
from bench.record import Bar, Comparison
from tests.harness.chromium import run_chromium, run_playwright
from tests.harness.processes import wait_for
from tests.harness.raw_server import RawServer, raw_server, response

_OURS = "page: request at the mirror"
_FETCH = "a plain fetch"
_ALLOWED = "a plain fetch and 50 ms"
# The pointer comes to a link some time before it is pressed; Fitts's law gives a quick person 0.1 s on the link itself.
_POINTER_MS = 100
_CLICK_TIME = """document.addEventListener("click", () => {
  window.clickedMs = performance.timeOrigin + performance.now();
}, true)"""
_PLAIN_FETCH = """document.querySelector("#file").addEventListener("click", (event) => {
  event.preventDefault();
  fetch(event.target.href, { cache: "no-store" });
})"""


def run(options: list[str]) -> bool:
    """Run both alternately and write the result; True when the bar holds."""
    parser = argparse.ArgumentParser(prog="page_first_byte", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(options)
    arrivals: list[float] = []
    content = b""

    def answer(head: str) -> bytes:
        if not head.startswith(f"GET /{FILE} "):
            return response("404 Not Found")
        arrivals.append(time.time())
        asked = next((line for line in head.splitlines() if line.lower().startswith("range: bytes=")), None)
        headers = {"Access_Control_Allow_Origin": "*", "Content_Type": "application/octet-stream"}
        if asked is None:
            return response("200 OK", content, **headers)
        first, last = (int(number) for number in asked.partition("=")[2].split("-"))
        span = {"Content_Range": f"bytes {first}-{last}/{len(content)}"}
        return response("206 Partial Content", content[first : last + 1], **headers, **span)

    with bench_stage() as stage, raw_server(answer) as mirror:
        served = make_served(stage, 4 * MIB)
        content = (served / FILE).read_bytes()
        pages = publish(stage, served, [_url(mirror)])

        def click(url: str, script: str | None) -> float:
            arrivals.clear()
            profile = Path(tempfile.mkdtemp(prefix="profile-", dir=stage.folder))
            with run_playwright() as playwright, run_chromium(playwright, profile) as browser:
                page = browser.new_page()
                page.goto(url)
                page.playwright.wait_for_load_state("networkidle")
                page.evaluate(_CLICK_TIME)
                if script is not None:
                    page.evaluate(script)
                page.playwright.hover("#file")
                page.playwright.wait_for_timeout(_POINTER_MS)
                page.click("#file")
                wait_for(lambda: arrivals, "a request at the mirror")
                clicked_ms: float = page.evaluate("window.clickedMs")
                return arrivals[0] * 1_000 - clicked_ms

        def ours() -> float:
            return click(pages.with_snippet, None)

        def plain() -> float:
            figure = click(pages.plain, _PLAIN_FETCH)
            comparison.figures.setdefault(_ALLOWED, []).append(figure + 50)
            return figure

        comparison = Comparison("page_first_byte", (__doc__ or "").splitlines()[0], unit="ms")
        comparison.run({_FETCH: plain, _OURS: ours}, rounds=chosen.rounds)
        return comparison.finish([Bar(_OURS, _ALLOWED, at_most=1.0)])


def _url(mirror: RawServer) -> str:
    return mirror.url
