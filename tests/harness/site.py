"""The publisher's own web site: plain pages from a server and an origin of their own."""

from __future__ import annotations

import html
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.harness.processes import Process, Stage, free_port

# Records every event of the snippet as the page sees it, in the order in which they come.
_RECORDER = """
window.recorded = [];
for (const type of ["start", "progress", "verified", "saved", "error", "fallback"]) {
  document.addEventListener(`distribute:${type}`, (event) => {
    window.recorded.push({ type, link: event.target.id, at: performance.now(), detail: structuredClone(event.detail) });
  });
}
"""


@dataclass(frozen=True)
class Site:
    """A running static site. Mirrors and coordinators are on 127.0.0.1, so `localhost` is another origin and site."""

    process: Process
    folder: Path
    url: str

    def write_page(
        self,
        name: str,
        *,
        links: Mapping[str, str],
        script: str = "",
        css_class: str = "download",
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Make a page with links (id to address), and return the page's address.

        Every link has the class `css_class`, but those whose id begins with `plain`. `headers` are sent with the page.
        """
        anchors = "\n".join(
            f'<p><a id="{link}" class="{"" if link.startswith("plain") else css_class}" '
            f'href="{html.escape(href)}">{link}</a></p>'
            for link, href in links.items()
        )
        # A file, not inline: it has to run under any policy with 'self'.
        (self.folder / "recorder.js").write_text(_RECORDER)
        (self.folder / name).write_text(
            f"<!doctype html>\n<html lang=en><meta charset=utf-8><title>Releases</title>\n"
            f'<script src="/recorder.js"></script>\n<h1>Releases</h1>\n{anchors}\n{script}\n',
        )
        lines = [f"{header}: {value}\n" for header, value in (headers or {}).items()]
        (self.folder / f"{name}.headers").write_text("".join(lines))
        # A browser may answer a page of the same second out of its cache: each version has an address of its own.
        return f"{self.url}/{name}?{time.monotonic_ns()}"


def start_site(stage: Stage, folder: Path) -> Site:
    """Serve `folder` under `http://localhost:PORT`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    server = Path(__file__).with_name("site_server.py")
    process = stage.start("site", [sys.executable, server, str(port), folder])
    url = f"http://localhost:{port}"
    process.wait_until(lambda: is_answering(url), "the site")
    return Site(process, folder, url)


def is_answering(url: str) -> bool:
    """Whether a GET of the address is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
