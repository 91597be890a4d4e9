"""What the page's benchmarks share: a published file, a page with the snippet and one without, and a measured click.

Every run has a browser of its own with an empty profile. Files and profiles lie in memory (`/dev/shm`): what is
compared is what browsers do, not how busy a disk is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.browser_usage import Usage, measure_browser
from bench.published_files import make_big_file
from tests.harness.browser import Page
from tests.harness.chromium import Chromium, ChromiumPage, run_chromium, run_playwright
from tests.harness.coordinator import CAUSE, run_dio_well, start_coordinator
from tests.harness.processes import Stage
from tests.harness.site import start_site

MIB = 2**20
FILE = "file.bin"
_TIMEOUT_MS = 300_000
CLICK_TIME = "document.addEventListener('click', () => { window.clickedMs = performance.now(); }, true)"


@dataclass(frozen=True)
class Click:
    """Seconds from the click on, and what the browser used from there until the browser's own download began."""

    stored_s: float | None
    digest_s: float | None
    in_folder_s: float
    # All processes; and of these the thread of the whole file's hasher. None without the snippet.
    cpu_s: float
    hasher_cpu_s: float | None
    renderer_peak_bytes: int


@dataclass(frozen=True)
class Pages:
    """One published file and the two pages that link to it."""

    stage: Stage
    size_bytes: int
    with_snippet: str
    plain: str

    def click(self, url: str) -> Click:
        """Open a page in a new browser, click, and wait until the file lies in the download folder."""
        profile = Path(tempfile.mkdtemp(prefix="profile-", dir=self.stage.folder))
        try:
            with run_playwright() as playwright, run_chromium(playwright, profile) as browser:
                return self._click(browser, url)
        finally:
            shutil.rmtree(profile, ignore_errors=True)

    def _click(self, browser: Chromium, url: str) -> Click:
        page: ChromiumPage = browser.new_page()
        page.goto(url)
        page.playwright.wait_for_load_state("networkidle")
        page.evaluate(CLICK_TIME)
        before = measure_browser(browser.profile)
        started = time.perf_counter()
        with page.playwright.expect_download(timeout=_TIMEOUT_MS) as download:
            page.click("#file")
        after = measure_browser(browser.profile)
        path = download.value.path()  # waits until it is complete
        in_folder_s = time.perf_counter() - started
        arrived_bytes = path.stat().st_size
        path.unlink()
        if arrived_bytes != self.size_bytes:
            raise RuntimeError(f"{arrived_bytes} bytes arrived")
        stored_s, digest_s = milestones(page)
        return Click(
            stored_s=stored_s,
            digest_s=digest_s,
            in_folder_s=in_folder_s,
            cpu_s=after.cpu_s - before.cpu_s,
            hasher_cpu_s=None if digest_s is None else _hasher_cpu_s(after),
            renderer_peak_bytes=after.renderer_peak_bytes,
        )


def milestones(page: Page) -> tuple[float | None, float | None]:
    """Seconds from the click until everything was verified and stored, and until the whole digest was there."""
    clicked_ms: float = page.evaluate("window.clickedMs")
    stored_s = digest_s = None
    for event in page.evaluate("window.recorded"):
        since_click_s = (event["at"] - clicked_ms) / 1_000
        detail = event["detail"]
        if event["type"] in ("error", "fallback"):
            raise RuntimeError(f"{event['type']}: {detail['code']}")
        if event["type"] == "progress" and detail["receivedBytes"] == detail["sizeBytes"]:
            stored_s = since_click_s if stored_s is None else stored_s
        if event["type"] == "verified":
            digest_s = since_click_s
    return stored_s, digest_s


def _hasher_cpu_s(usage: Usage) -> float:
    """Of the two workers the hasher starts first; and a thread that is new has used all that it has since the click."""
    workers = [cpu_s for name, cpu_s in usage.renderer_threads.values() if name.startswith("DedicatedWorker")]
    if len(workers) != 2:
        raise RuntimeError(f"{len(workers)} workers")
    return workers[0]


@contextlib.contextmanager
def bench_stage() -> Iterator[Stage]:
    """A stage in memory."""
    with tempfile.TemporaryDirectory(prefix="dio-page-", dir="/dev/shm") as name:
        folder = Path(name)
        folder.chmod(0o755)  # a server's worker may be another user
        with Stage(folder) as stage:
            yield stage


def make_served(stage: Stage, size_bytes: int) -> Path:
    """The folder that mirrors are to serve, with one file of random bytes."""
    served = stage.folder / "served"
    served.mkdir()
    make_big_file(served / FILE, size_bytes)
    return served


def publish(stage: Stage, served: Path, mirrors: Sequence[str]) -> Pages:
    """Publish the file with its mirrors. The links of both pages lead to the first mirror."""
    coordinator = start_coordinator(stage)
    key_path = stage.folder / "publisher.pem"
    public_key = run_dio_well("keygen", key_path).strip()
    token = coordinator.create_token(origins=list(mirrors))
    words: list[str | Path] = ["publish", served / FILE, "--key", key_path, "--cause", CAUSE]
    for mirror in mirrors:
        words += ["--mirror", f"{mirror}/"]
    run_dio_well(*words, "--to", coordinator.url, "--token", token, "-o", stage.folder, timeout_s=300)
    site = start_site(stage, stage.folder / "site")
    tag = coordinator.script_tag({"data-select": "a.download", "data-key": public_key})
    links = {"file": f"{mirrors[0]}/{FILE}"}
    return Pages(
        stage=stage,
        size_bytes=(served / FILE).stat().st_size,
        with_snippet=site.write_page("snippet.html", links=links, script=tag),
        plain=site.write_page("plain.html", links=links),
    )


def run_aria2c(stage: Stage, *words: str) -> tuple[float, float]:
    """Seconds and CPU seconds of one aria2c, into an empty folder."""
    target = Path(tempfile.mkdtemp(prefix="aria2c-", dir=stage.folder))
    try:
        started = time.perf_counter()
        finished = subprocess.Popen(["aria2c", "--quiet", "--file-allocation=none", *words], cwd=target)
        usage = _wait(finished)
        return time.perf_counter() - started, usage
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds of a process that has ended well."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"aria2c ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime
