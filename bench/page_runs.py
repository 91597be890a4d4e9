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

from bench.browser_usage import measure_browser
from bench.published_files import make_big_file
from tests.harness.browser import Page, wait_for_value
from tests.harness.chromium import Chromium, ChromiumPage, run_chromium, run_playwright
from tests.harness.coordinator import CAUSE, run_dio_well, start_coordinator
from tests.harness.processes import Stage
from tests.harness.site import start_site
from tests.harness.site_workers import install_workers

MIB = 2**20
FILE = "file.bin"
_TIMEOUT_MS = 300_000
# A file in the private file system, as a download leaves it; its address is clicked as our own hand-over does.
_STORE_FILE = """async () => {
  const folder = await navigator.storage.getDirectory();
  const file = await folder.getFileHandle("stored", { create: true });
  const stream = await file.createWritable();
  const part = new Uint8Array(2 ** 20);
  for (let at = 0; at < SIZE; at += part.length) await stream.write(part.subarray(0, SIZE - at));
  await stream.close();
  const link = document.createElement("a");
  link.id = "stored";
  link.textContent = link.download = "stored.bin";
  link.href = URL.createObjectURL(await file.getFile());
  document.body.append(link);
}"""
ENDED = "window.recorded.some(({ type }) => ['verified', 'error', 'fallback'].includes(type))"
CLICK_TIME = "document.addEventListener('click', () => { window.clickedMs = performance.now(); }, true)"


@dataclass(frozen=True)
class Click:
    """Seconds from the click on; None without the snippet."""

    stored_s: float | None
    digest_s: float | None
    # Until the complete file lies in the download folder and, with the snippet, its whole digest was compared.
    in_folder_s: float
    renderer_peak_bytes: int


@dataclass(frozen=True)
class Loop:
    """Of a function that ran in a page: its own figures, and what the browser used meanwhile."""

    seconds: float
    # All processes; and of these its first worker's thread.
    cpu_s: float
    first_worker_cpu_s: float
    renderer_peak_bytes: int


@dataclass(frozen=True)
class Pages:
    """One published file and the two pages that link to it."""

    stage: Stage
    size_bytes: int
    with_snippet: str
    # ... and our service worker, which the site has installed.
    with_saver: str
    plain: str
    link: str
    coordinator_url: str
    public_key: str

    def click(self, url: str) -> Click:
        """Open a page in a new browser, click, and wait until the file lies in the download folder."""
        with self._browser() as browser:
            return self._click(browser, url)

    def loop(self, script: str) -> Loop:
        """Run a script in the plain page of a new browser; it resolves with its seconds, its workers still there."""
        with self._browser() as browser:
            page: ChromiumPage = browser.new_page()
            page.goto(self.plain)
            page.playwright.wait_for_load_state("networkidle")
            before = measure_browser(browser.profile)
            seconds: float = page.evaluate(script)
            after = measure_browser(browser.profile)
            workers = [cpu_s for name, cpu_s in after.renderer_threads.values() if name.startswith("DedicatedWorker")]
            return Loop(seconds, after.cpu_s - before.cpu_s, workers[0], after.renderer_peak_bytes)

    def copy(self) -> float:
        """Seconds from a click on a stored file of the published one's size until it lies in the download folder."""
        with self._browser() as browser:
            page: ChromiumPage = browser.new_page()
            page.goto(self.plain)
            page.evaluate(_STORE_FILE.replace("SIZE", str(self.size_bytes)))
            return self._in_folder(page, "#stored")

    @contextlib.contextmanager
    def _browser(self) -> Iterator[Chromium]:
        profile = Path(tempfile.mkdtemp(prefix="profile-", dir=self.stage.folder))
        try:
            with run_playwright() as playwright, run_chromium(playwright, profile) as browser:
                yield browser
        finally:
            shutil.rmtree(profile, ignore_errors=True)

    def _click(self, browser: Chromium, url: str) -> Click:
        page: ChromiumPage = browser.new_page()
        page.goto(url)
        page.playwright.wait_for_load_state("networkidle")
        page.evaluate(CLICK_TIME)
        in_folder_s = self._in_folder(page, "#file")
        if url != self.plain:
            wait_for_value(page, ENDED, "the end of the download", timeout_s=_TIMEOUT_MS / 1_000)
        stored_s, digest_s = milestones(page)
        return Click(
            stored_s=stored_s,
            digest_s=digest_s,
            in_folder_s=max(in_folder_s, digest_s or 0.0),
            renderer_peak_bytes=measure_browser(browser.profile).renderer_peak_bytes,
        )

    def _in_folder(self, page: ChromiumPage, selector: str) -> float:
        """Seconds from a click until the browser has the whole file in its download folder."""
        started = time.perf_counter()
        with page.playwright.expect_download(timeout=_TIMEOUT_MS) as download:
            page.click(selector)
        path = download.value.path()  # waits until it is complete
        seconds = time.perf_counter() - started
        arrived_bytes = path.stat().st_size
        path.unlink()
        if arrived_bytes != self.size_bytes:
            raise RuntimeError(f"{arrived_bytes} bytes arrived")
        return seconds


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
    install_workers(site)
    attributes = {"data-select": "a.download", "data-key": public_key}
    links = {"file": f"{mirrors[0]}/{FILE}"}
    return Pages(
        stage=stage,
        size_bytes=(served / FILE).stat().st_size,
        with_snippet=site.write_page("snippet.html", links=links, script=coordinator.script_tag(attributes)),
        with_saver=site.write_page(
            "saver.html", links=links, script=coordinator.script_tag(attributes | {"data-sw": "dio-sw.js"})
        ),
        plain=site.write_page("plain.html", links=links),
        link=links["file"],
        coordinator_url=coordinator.url,
        public_key=public_key,
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
