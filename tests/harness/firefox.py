"""Stock Firefox, driven by puppeteer-core over WebDriver BiDi."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.harness.browser import require_program
from tests.harness.puppeteer import PuppeteerBrowser


class Firefox(PuppeteerBrowser):
    """A `Browser` that is Firefox."""

    name = "firefox"

    def __init__(self, folder: Path, prefs: Mapping[str, int] | None = None) -> None:
        executable = require_program(["/usr/bin/firefox-esr", "/usr/bin/firefox"], "firefox-esr")
        super().__init__(folder, "launch", executable=executable, prefs=dict(prefs or {}))


@contextlib.contextmanager
def run_firefox(folder: Path, *, prefs: Mapping[str, int] | None = None) -> Iterator[Firefox]:
    """One Firefox process. Its profile is empty, or what an earlier process with the same folder left."""
    with contextlib.closing(Firefox(folder, prefs)) as browser:
        yield browser
