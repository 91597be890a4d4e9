"""What the benchmarks of browser peers share: one file that only donors have, donors, and the others' programs.

Every browser is a stock Chromium of its own, started alike for all contenders. Donors are the client's own donor code
with a store that was filled beforehand; several of them share a page where a benchmark wants many. Ours is always
measured in a publisher's page, from the click, with `resolve`, manifest, digests and storing; the others from their
first call.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Playwright

from bench.nginx import start_nginx
from tests.harness.chromium import Chromium, run_chromium
from tests.harness.coordinator import CAUSE, Coordinator, Release, make_release, run_dio_well, start_coordinator
from tests.harness.downloads import Visitor
from tests.harness.processes import Stage, free_port, python_module, wait_for
from tests.harness.site import Site, start_site
from tests.harness.tcp_relay import bring_ports, start_relay
from tests.harness.tun_link import OpenLine

MIB = 2**20
UNLIMITED_BYTES_PER_S = 10**9
"""An upload limit that no data channel reaches."""

_REST_MS = 200
"""How long a person's pointer rests on a link before the button goes down."""

_ROOT = Path(__file__).parents[1]
_PAGES = Path(__file__).parent / "peer_pages"
_WEBTORRENT = _ROOT / ".make" / "webtorrent"
_NPM_PACKAGES = ("webtorrent@3.0.21", "bittorrent-tracker@11.2.3")
_END = """new Promise((resolve) => {
  for (const type of ["verified", "error", "fallback"]) {
    document.addEventListener(`distribute:${type}`, () => resolve(true));
  }
})"""


# When the answer about the link or file was there; the segment list's address ends in `.segments`.
_RESOLVED = """Math.min(...performance.getEntriesByType("resource")
  .filter(({ name }) => /\\/api\\/v1\\/(resolve|files\\/[0-9a-f]+$)/.test(name))
  .map(({ responseEnd }) => responseEnd))"""


@dataclass(frozen=True)
class Taken:
    """One download in a page: seconds since the click."""

    resolved_s: float
    first_byte_s: float
    first_segment_s: float
    stored_s: float
    donors: int
    cpu_s: float


@dataclass(frozen=True)
class PeerScene:
    """A coordinator, a file that no mirror has unless one is named, and a site with all pages."""

    stage: Stage
    playwright: Playwright
    coordinator: Coordinator
    public_key: str
    site: Site
    release: Release
    segment_bytes: int
    profiles: Iterator[Path]
    mirror_url: str | None
    line: OpenLine | None

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return len(self.release.content)

    @property
    def segments(self) -> int:
        """Of the file."""
        return -(-self.size_bytes // self.segment_bytes)

    @property
    def file_url(self) -> str:
        """Where bench pages read the file to fill their stores; no mirror."""
        return f"{self.site.url}/file.bin"

    def stop_mirror(self) -> None:
        """End the nginx: from now on only donors have the file."""
        for process in self.stage.processes:
            if process.name == "nginx":
                process.stop()

    def browser(self, *, far: bool = False) -> contextlib.AbstractContextManager[Chromium]:
        """A new Chromium with an empty profile; `far`: at the other end of the line."""
        program = self.line.far_program(self.stage.folder, "/usr/bin/chromium") if far and self.line else None
        return run_chromium(self.playwright, next(self.profiles), program=program)

    def start_donors(
        self, browser: Chromium, donors: Sequence[Sequence[int]], *, up_bytes_per_s: int = UNLIMITED_BYTES_PER_S
    ) -> None:
        """Run donors in one page of this browser, each with these segments; returns when they are in session."""
        page = browser.new_page()
        page.goto(f"{self.site.url}/donors.html")
        start = {
            "donors": [list(segments) for segments in donors],
            "fileUrl": self.file_url,
            "fileId": self.release.sha256,
            "segmentSizeBytes": self.segment_bytes,
            "coordinatorUrl": self.coordinator.url,
            "sessionUrl": self.coordinator.get(f"/api/v1/files/{self.release.sha256}")["session_url"],
            "upBytesPerS": up_bytes_per_s,
        }
        page.evaluate(f"startDonors({json.dumps(start)})")

    def wait_for_donors(self, count: int) -> None:
        """Wait until the coordinator knows so many that hold something."""
        wait_for(lambda: self.coordinator.stats()["donors"] >= count, f"{count} donors", timeout_s=30)

    def take(self, *, press_ms: float | None = None) -> Taken:
        """A visitor with a new browser clicks and waits until all is stored.

        Args:
            press_ms: the click is a person's: the pointer rests on the link, and the button is down for so long.
                None: a program's, with nothing before it.
        """
        with self.browser() as browser:
            visitor = Visitor(browser.new_page(), self.page_url())
            page = browser.context.pages[-1]
            page.wait_for_load_state("networkidle")
            cpu_before_s = cpu_seconds(browser)
            clicked_ms = _click(page, press_ms)
            page.evaluate(_END)  # one wait in the page: asking again and again would cost it time
            verified = visitor.wait_for_event("verified", "error", "fallback")
            if verified["type"] != "verified":
                raise RuntimeError(f"{verified['type']}: {verified['detail']['code']}\n{self.stage.report()}")
            cpu_s = cpu_seconds(browser) - cpu_before_s
            events = visitor.events("start", "progress", "verified")
            resolved_ms: float = page.evaluate(_RESOLVED)
        sources = [source for source in verified["detail"]["sources"] if source["bytes"] > 0]

        def since_click(condition: Callable[[dict[str, Any]], bool]) -> float:  # Any: JSON of the page
            at: float = next(event["at"] for event in events if condition(event))
            return (at - clicked_ms) / 1_000

        return Taken(
            resolved_s=(resolved_ms - clicked_ms) / 1_000,
            first_byte_s=since_click(lambda event: any(s["rateBytesPerS"] > 0 for s in event["detail"]["sources"])),
            first_segment_s=since_click(lambda event: event["detail"]["receivedBytes"] > 0),
            stored_s=since_click(lambda event: event["detail"]["receivedBytes"] == self.size_bytes),
            donors=sum(source["kind"] == "peer" for source in sources),
            cpu_s=cpu_s,
        )

    def page_url(self) -> str:
        """A publisher's page with the link `#file`."""
        tag = self.coordinator.script_tag({"data-select": "a.download", "data-key": self.public_key})
        href = f"{self.mirror_url or 'http://127.0.0.1:9'}/file.bin"
        url = self.site.write_page("page.html", links={"file": href}, script=tag)
        path = self.site.folder / "page.html"
        # With no mirror there is no address to resolve: the link names the file.
        path.write_text(path.read_text().replace('id="file"', f'id="file" data-distribute="{self.release.sha256}"'))
        return url

    def start_bare_relay(self, relay_ms: int) -> str:
        """What hands the words of bare pairs on, so much later; its address."""
        port, relay_port = free_port(), free_port()
        self.stage.start(
            "bare signals", python_module("bench.bare_signals", f"127.0.0.1:{port}"), folder=_ROOT
        ).wait_for_json_line()
        start_relay(self.stage, f"127.0.0.1:{relay_port}", f"127.0.0.1:{port}", delay_ms=relay_ms / 2)
        return f"ws://127.0.0.1:{relay_port}/"

    def bare(self, taker: Chromium, donors: Sequence[Chromium]) -> float:
        """Seconds that bare data channels, one from each donor's browser, take for the file's size."""
        for browser in (taker, *donors):
            browser.new_page().goto(f"{self.site.url}/bare.html")
        taker_page, *donor_pages = (browser.context.pages[-1] for browser in (taker, *donors))
        offers = taker_page.evaluate(f"offer({len(donors)}, {self.size_bytes})")
        answers = [
            page.evaluate("([sdp, bytes]) => answer(sdp, bytes)", [offer, self.size_bytes])
            for page, offer in zip(donor_pages, offers, strict=True)
        ]
        taker_page.evaluate("(answers) => accept(answers).then(() => true)", answers)
        milliseconds: float = taker_page.evaluate("finished")
        for page in (taker_page, *donor_pages):
            page.close()
        return milliseconds / 1_000


@contextlib.contextmanager
def peer_scene(
    folder: Path,
    playwright: Playwright,
    *,
    mib: int,
    with_mirror: bool = False,
    relay_ms: int = 0,
    line: OpenLine | None = None,
) -> Iterator[PeerScene]:
    """Start it all.

    Args:
        folder: for everything; must not exist.
        playwright: drives the browsers.
        mib: size of the file.
        with_mirror: an nginx serves the file, too.
        relay_ms: what a message takes from peer to peer through the coordinator, each leg half of it.
        line: coordinator and site are at its far end, too.
    """
    with Stage(folder) as stage:
        site_folder = stage.folder / "site"
        release = make_release(site_folder, "file.bin", mib * MIB)
        subprocess.run(["node", _PAGES / "build.mjs", site_folder], check=True, env=_environment())
        relay_port = free_port() if relay_ms else None
        session_url = f"ws://127.0.0.1:{relay_port}/api/v1/ws" if relay_port else None
        coordinator = start_coordinator(stage, session_url=session_url)
        if relay_port is not None:
            addresses = f"127.0.0.1:{relay_port}", f"127.0.0.1:{coordinator.port}"
            start_relay(stage, *addresses, delay_ms=relay_ms / 2)
        mirror_url = start_nginx(stage, site_folder) if with_mirror else None
        key_path = stage.folder / "publisher.pem"
        public_key = run_dio_well("keygen", key_path).strip()
        token = coordinator.create_token(origins=[mirror_url] if mirror_url else [])
        words = ["--cause", CAUSE, "--to", coordinator.url, "--token", token]
        words += ["--mirror", f"{mirror_url}/"] if mirror_url else []
        run_dio_well("publish", release.path, "--key", key_path, *words, "-o", stage.folder)
        entry = coordinator.get(f"/api/v1/files/{release.sha256}")
        payload = json.loads(base64.b64decode(entry["manifests"][0]["payload"]))
        site = start_site(stage, site_folder)
        if line is not None:
            bring_ports(stage, line, [coordinator.port, int(site.url.rpartition(":")[2])])
        yield PeerScene(
            stage=stage,
            playwright=playwright,
            coordinator=coordinator,
            public_key=public_key,
            site=site,
            release=release,
            segment_bytes=payload["segment_size_bytes"],
            profiles=(stage.folder / f"profile-{number}" for number in range(10_000)),
            mirror_url=mirror_url,
            line=line,
        )


def _click(page: Page, press_ms: float | None) -> float:
    """Click on the file's link; milliseconds on the page's clock at the click."""
    if press_ms is None:
        before_ms: float = page.evaluate("performance.now()")
        page.click("#file")
        return before_ms
    page.hover("#file")
    page.wait_for_timeout(_REST_MS)
    page.mouse.down()
    page.wait_for_timeout(press_ms)
    clicked_ms: float = page.evaluate("performance.now()")
    page.mouse.up()
    return clicked_ms


def _environment() -> dict[str, str]:
    """Ours, with the node of the virtual environment first."""
    return {**os.environ, "PATH": f"{_ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"}


@dataclass(frozen=True)
class WebTorrent:
    """WebTorrent's browser bundle with its defaults, and a tracker on this machine."""

    scene: PeerScene
    tracker_url: str

    def seed(self, browser: Chromium, *, up_bytes_per_s: int | None = None) -> str:
        """Seed the file from a page of this browser; returns the torrent."""
        browser.new_page().goto(f"{self.scene.site.url}/torrent.html")
        page = browser.context.pages[-1]
        page.wait_for_function("window.seed !== undefined")
        torrent: str = page.evaluate(
            "([url, tracker, up]) => seed(url, tracker, up)", [self.scene.file_url, self.tracker_url, up_bytes_per_s]
        )
        return torrent

    def download(self, torrent: str, *, web_seeds: Sequence[str] = (), limit_ms: int | None = None) -> dict[str, float]:
        """Download it in a new browser, or for so long: milliseconds to the first verified piece and to the last."""
        with self.scene.browser() as browser:
            browser.new_page().goto(f"{self.scene.site.url}/torrent.html")
            page = browser.context.pages[-1]
            page.wait_for_function("window.seed !== undefined")
            times: dict[str, float] = page.evaluate(
                "([torrent, seeds, limit]) => download(torrent, seeds, limit)", [torrent, list(web_seeds), limit_ms]
            )
            return times


def start_webtorrent(scene: PeerScene) -> WebTorrent:
    """Install it if need be, put its bundle on the site and start a tracker."""
    if not (_WEBTORRENT / "node_modules").is_dir():
        _WEBTORRENT.mkdir(parents=True, exist_ok=True)
        flags = ["--no-save", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(
            ["npm", "install", "--prefix", _WEBTORRENT, *flags, *_NPM_PACKAGES], check=True, env=_environment()
        )
    modules = _WEBTORRENT / "node_modules"
    shutil.copy(modules / "webtorrent" / "dist" / "webtorrent.min.js", scene.site.folder)
    port = free_port()
    shutil.copy(_PAGES / "tracker.mjs", _WEBTORRENT)  # modules are looked up from where a script lies
    tracker = scene.stage.start("tracker", ["node", _WEBTORRENT / "tracker.mjs", str(port)], env=_environment())
    tracker.wait_until(lambda: _answers(port), "the tracker")
    if scene.line is not None:
        bring_ports(scene.stage, scene.line, [port])
    return WebTorrent(scene, f"ws://127.0.0.1:{port}")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(browser: Chromium) -> float:
    """User and system time of all processes of a browser so far."""
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    root = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # a process that ended while we looked
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            pid = int(folder.name)
            parents[pid], used[pid] = int(words[1]), int(words[11]) + int(words[12])
            command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ").split(" ")
            if f"--user-data-dir={browser.profile}" in command and not any(w.startswith("--type=") for w in command):
                root = pid

    def is_below(pid: int) -> bool:
        while pid not in (root, 0):
            pid = parents.get(pid, 0)
        return pid == root

    return sum(ticks for pid, ticks in used.items() if is_below(pid)) / os.sysconf("SC_CLK_TCK")
