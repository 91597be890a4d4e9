"""Does the page, checking and storing every segment, keep up with Chromium's own unverified download?

One nginx on this machine, one file, a fresh browser for every run. Options: `--mib N` (default 256), `--rounds N`
(default 5). Three figures for ours, all from the click, `resolve` and manifest included: until the last segment is
verified and stored; until the whole file's digest is there, too; until the complete file lies in the download folder.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from bench.nginx import start_nginx
from bench.published_files import make_big_file
from bench.record import Bar, Comparison
from tests.harness.chromium import Chromium, ChromiumPage, run_chromium, run_playwright
from tests.harness.coordinator import CAUSE, run_dio_well, start_coordinator
from tests.harness.processes import Stage
from tests.harness.site import start_site

_NAME = "file.bin"
_CHROMIUM = "Chromium's own download"
_STORED = "page: verified and stored"
_DIGEST = "page: and the whole file's digest"
_FILE = "page: and in the download folder"
_TIMEOUT_MS = 300_000


def run(options: list[str]) -> bool:
    """Run both alternately and write the result; True when the bar holds."""
    parser = argparse.ArgumentParser(prog="page_download", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(options)
    size_mib: int = chosen.mib
    with tempfile.TemporaryDirectory(prefix="dio-page-") as name, Stage(Path(name)) as stage:
        served = stage.folder / "served"
        served.mkdir()
        make_big_file(served / _NAME, size_mib * 2**20)
        mirror = start_nginx(stage, served)
        pages = _publish(stage, served / _NAME, mirror)
        comparison = Comparison(
            "page_download" if size_mib == 256 else f"page_download_{size_mib}",
            (__doc__ or "").splitlines()[0],
            unit="MiB/s",
            notes={"mib": size_mib},
        )
        profiles = (stage.folder / f"profile-{number}" for number in range(10_000))

        def in_browser(page: str) -> dict[str, float]:
            with run_playwright() as playwright, run_chromium(playwright, next(profiles)) as browser:
                return {what: size_mib / seconds for what, seconds in _click(browser, pages[page]).items()}

        def own() -> float:
            return in_browser("plain")[_FILE]

        def ours() -> float:
            rates = in_browser("snippet")
            for what in (_DIGEST, _FILE):
                comparison.figures.setdefault(what, []).append(rates[what])
            return rates[_STORED]

        own()  # warms up: the page cache, the browser's files
        comparison.run({_CHROMIUM: own, _STORED: ours}, rounds=chosen.rounds)
        return comparison.finish(
            [
                Bar(_STORED, _CHROMIUM, at_least=0.5),
                Bar(_DIGEST, _CHROMIUM, at_least=0.3),
                Bar(_FILE, _CHROMIUM, at_least=0.3),
            ]
        )


def _publish(stage: Stage, file: Path, mirror: str) -> dict[str, str]:
    """Publish the file with its one mirror; returns the address of a page with the snippet and of one without."""
    coordinator = start_coordinator(stage)
    key_path = stage.folder / "publisher.pem"
    public_key = run_dio_well("keygen", key_path).strip()
    token = coordinator.create_token(origins=[mirror])
    run_dio_well(
        *("publish", file, "--key", key_path, "--cause", CAUSE, "--to", coordinator.url, "--token", token),
        *("--mirror", f"{mirror}/", "-o", stage.folder),
        timeout_s=300,
    )
    site = start_site(stage, stage.folder / "site")
    tag = coordinator.script_tag({"data-select": "a.download", "data-key": public_key})
    links = {"file": f"{mirror}/{file.name}"}
    return {
        "snippet": site.write_page("snippet.html", links=links, script=tag),
        "plain": site.write_page("plain.html", links=links),
    }


def _click(browser: Chromium, url: str) -> dict[str, float]:
    """Seconds from the click to each milestone that the page reached."""
    page: ChromiumPage = browser.new_page()
    page.goto(url)
    playwright = page.playwright
    playwright.wait_for_load_state("networkidle")
    clicked_ms: float = page.evaluate("performance.now()")
    started = time.perf_counter()
    with playwright.expect_download(timeout=_TIMEOUT_MS) as download:
        page.click("#file")
    path = download.value.path()  # waits until it is complete
    seconds = {_FILE: time.perf_counter() - started}
    path.unlink()
    for event in page.evaluate("window.recorded"):
        since_click_s = (event["at"] - clicked_ms) / 1_000
        detail = event["detail"]
        if event["type"] == "progress" and detail["receivedBytes"] == detail["sizeBytes"]:
            seconds.setdefault(_STORED, since_click_s)
        elif event["type"] == "verified":
            seconds[_DIGEST] = since_click_s
        elif event["type"] in ("error", "fallback"):
            raise RuntimeError(f"{event['type']}: {detail['code']}")
    return seconds
