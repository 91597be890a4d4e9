"""Stock Chromium whose tabs can be hidden.

Playwright emulates focus, so none of its tabs is ever hidden, and switches off what browsers do to hidden ones. This
one is driven by puppeteer-core as Firefox is (firefox.py), without either. Timers of hidden tabs are held back to one a
minute after 5 s instead of five minutes, so that a test sees it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.harness.browser import require_program
from tests.harness.chromium import ARGUMENTS
from tests.harness.puppeteer import PuppeteerBrowser

_THROTTLED_SOON = "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/5"


class ChromiumTabs(PuppeteerBrowser):
    """A `Browser` that is Chromium."""

    name = "chromium"

    def __init__(self, folder: Path) -> None:
        executable = require_program(["/usr/bin/chromium", "/usr/bin/chromium-browser"], "chromium")
        super().__init__(folder, "launchChromium", executable=executable, args=[*ARGUMENTS, _THROTTLED_SOON])


@contextlib.contextmanager
def run_chromium_tabs(folder: Path) -> Iterator[ChromiumTabs]:
    """One Chromium process with an empty profile."""
    with contextlib.closing(ChromiumTabs(folder)) as browser:
        yield browser
