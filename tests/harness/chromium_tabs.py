"""Stock Chromium whose tabs can be hidden.

Playwright emulates focus, so none of its tabs is ever hidden, and switches off what browsers do to hidden ones. This
one is driven by puppeteer-core as Firefox is (firefox.py), without either. Timers of hidden tabs are held back to one a
minute after 5 s instead of five minutes, so that a test sees it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.harness.browser import require_program
from tests.harness.chromium import ARGUMENTS
from tests.harness.firefox import PuppeteerBridge, PuppeteerPage

_THROTTLED_SOON = "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/5"


class ChromiumTabs:
    """A `Browser` that is Chromium."""

    name = "chromium"

    def __init__(self, folder: Path) -> None:
        self.profile = folder / "profile"
        self._downloads = folder / "downloads"
        self.profile.mkdir(parents=True, exist_ok=True)
        self._downloads.mkdir(exist_ok=True)
        self._bridge = PuppeteerBridge(folder / "bridge.stderr")
        launched = self._bridge.call(
            "launchChromium",
            executable=require_program(["/usr/bin/chromium", "/usr/bin/chromium-browser"], "chromium"),
            profile=str(self.profile),
            downloads=str(self._downloads),
            args=[*ARGUMENTS, _THROTTLED_SOON],
        )
        self._pid: int = launched["pid"]

    def new_page(self, *, init_script: str | None = None) -> PuppeteerPage:
        page = self._bridge.call("newPage", initScript=init_script)
        return PuppeteerPage(self._bridge, page, self._downloads)

    def console(self) -> str:
        """The consoles of all tabs."""
        return "\n".join(self._bridge.console_lines)

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """End the browser and the bridge."""
        self._bridge.close()


@contextlib.contextmanager
def run_chromium_tabs(folder: Path) -> Iterator[ChromiumTabs]:
    """One Chromium process with an empty profile."""
    browser = ChromiumTabs(folder)
    try:
        yield browser
    finally:
        browser.close()
