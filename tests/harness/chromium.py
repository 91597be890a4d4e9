"""Stock Chromium, driven by Playwright.

Flags, and why:

- `--disable-features=WebRtcHideLocalIpsWithMdns` and `--allow-loopback-in-peer-connection`: candidates with loopback
  addresses, so that two browsers on one machine meet without multicast DNS or another interface.
- the rest keeps the browser from calling home in a closed network, where each such call would wait.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from playwright.sync_api import Browser as PlaywrightBrowser
from playwright.sync_api import BrowserContext, Download, Playwright, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page as PlaywrightPage

from tests.harness.browser import Downloaded, require_program

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--allow-loopback-in-peer-connection",
)


class ChromiumPage:
    """A `Page` of Chromium."""

    def __init__(self, page: PlaywrightPage) -> None:
        self.playwright = page
        self._downloads: list[Download] = []
        self._console: list[str] = []
        page.on("download", lambda download: self._downloads.append(download))
        page.on("console", lambda message: self._console.append(f"[{message.type}] {message.text}"))
        page.on("pageerror", lambda error: self._console.append(f"[uncaught] {error}"))

    def goto(self, url: str) -> None:
        self.playwright.goto(url)

    def evaluate(self, expression: str) -> Any:  # Any: JSON of any shape
        return self.playwright.evaluate(expression)

    def click(self, selector: str, *, button: str = "left", holding: str | None = None) -> None:
        if holding is not None:
            self.playwright.keyboard.down(holding)
        # as: Playwright names the three buttons in its types
        self.playwright.click(selector, button=cast(Any, button), timeout=10_000)
        if holding is not None:
            self.playwright.keyboard.up(holding)

    def press_key(self, key: str) -> None:
        self.playwright.keyboard.press(key)

    def press_button(self, name: str) -> None:
        pattern = "^" + re.escape(name.removesuffix("…")) + ("" if name.endswith("…") else "$")
        self.playwright.get_by_role("button", name=re.compile(pattern)).first.click(timeout=10_000)

    def downloads(self) -> list[Downloaded]:
        # `failure` waits for the end of the download.
        begun = self.started_downloads()
        return [Downloaded(each.suggested_filename, each.path()) for each in begun if each.failure() is None]

    def started_downloads(self) -> list[Download]:
        """All of them, also those that run and those that failed."""
        # A call into Playwright lets it deliver its events.
        self.playwright.evaluate("1")
        return list(self._downloads)

    def screenshot(self, path: Path) -> None:
        self.playwright.screenshot(path=path)

    def console(self) -> str:
        return "\n".join(self._console)

    def close(self) -> None:
        self.playwright.close(run_before_unload=False)


class Chromium:
    """A `Browser` that is Chromium."""

    name = "chromium"

    def __init__(
        self,
        playwright: Playwright,
        profile: Path,
        *,
        javascript: bool = True,
        incognito: bool = False,
        program: Path | None = None,
    ) -> None:
        self.profile = profile
        self._pages: list[ChromiumPage] = []
        stock = require_program(["/usr/bin/chromium", "/usr/bin/chromium-browser"], "chromium")
        self._program = program or Path(stock)
        self._process: PlaywrightBrowser | None = None
        self.context: BrowserContext
        if incognito:
            # What Playwright calls a context is a profile off the record, as behind "new incognito window".
            self._process = playwright.chromium.launch(
                executable_path=self._program, headless=True, args=list(ARGUMENTS)
            )
            self.context = self._process.new_context(accept_downloads=True, java_script_enabled=javascript)
        else:
            self.context = playwright.chromium.launch_persistent_context(
                str(profile),
                executable_path=self._program,
                headless=True,
                accept_downloads=True,
                java_script_enabled=javascript,
                args=list(ARGUMENTS),
            )

    def close(self) -> None:
        """End the process."""
        self.context.close()
        if self._process is not None:
            self._process.close()

    def new_page(self, *, init_script: str | None = None) -> ChromiumPage:
        page = self.context.new_page()
        if init_script is not None:
            page.add_init_script(init_script)
        wrapped = ChromiumPage(page)
        self._pages.append(wrapped)
        return wrapped

    def console(self) -> str:
        """The consoles of all tabs."""
        return "\n".join(page.console() for page in self._pages)

    def kill(self) -> None:
        # Playwright does not tell the process id of a persistent context; the profile folder identifies it.
        own_profile = f"--user-data-dir={self.profile}"
        for command_line in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # a process that ended while we looked
                # Chromium rewrites its command line, and separates the words by spaces then.
                words = command_line.read_text(errors="replace").replace("\0", " ").split(" ")
                if own_profile in words and not any(word.startswith("--type=") for word in words):
                    os.kill(int(command_line.parent.name), signal.SIGKILL)


@contextlib.contextmanager
def run_playwright() -> Iterator[Playwright]:
    """Playwright's driver for one test (its event loop must not outlive the test: others use their own)."""
    with sync_playwright() as playwright:
        yield playwright


@contextlib.contextmanager
def run_chromium(
    playwright: Playwright,
    profile: Path,
    *,
    javascript: bool = True,
    incognito: bool = False,
    program: Path | None = None,
) -> Iterator[Chromium]:
    """One Chromium process with an empty profile.

    Args:
        playwright: drives it.
        profile: its folder.
        javascript: whether pages may run any.
        incognito: all of its windows are private.
        program: what starts it in another way, as `OpenLine.far_program`; None: stock Chromium, here.
    """
    browser = Chromium(playwright, profile, javascript=javascript, incognito=incognito, program=program)
    try:
        yield browser
    finally:
        with contextlib.suppress(PlaywrightError):  # a browser that the test has killed is closed already
            browser.close()
