"""Fixtures of the browser tests: browsers are started on demand, each with a process and a profile of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright

from tests.harness.browser import Browser
from tests.harness.chromium import Chromium, run_chromium, run_playwright
from tests.harness.firefox import run_firefox
from tests.harness.processes import Stage

# Both browsers, for the tests that must hold in either.
BOTH = pytest.mark.parametrize("browser_name", ["chromium", "firefox"])

StartBrowser = Callable[..., Browser]


@pytest.fixture
def playwright() -> Iterator[Playwright]:
    """Playwright's driver. Of one test only: while it runs, nothing else may run an event loop in this thread."""
    with run_playwright() as driver:
        yield driver


@pytest.fixture
def chromium(stage: Stage, playwright: Playwright, tmp_path: Path) -> Callable[..., Chromium]:
    """Start a Chromium process: `chromium("donor")`, `chromium("reader", javascript=False)`."""

    def start(name: str, *, javascript: bool = True, incognito: bool = False) -> Chromium:
        browser = stage.enter(run_chromium(playwright, tmp_path / name, javascript=javascript, incognito=incognito))
        stage.add_report(f"console of {name}", browser.console)
        return browser

    return start


@pytest.fixture
def private_firefox(stage: Stage, tmp_path: Path) -> Browser:
    """A Firefox whose windows are all private."""
    firefox = stage.enter(run_firefox(tmp_path / "private", prefs={"browser.privatebrowsing.autostart": True}))
    stage.add_report("console of the private window", firefox.console)
    return firefox


@pytest.fixture
def any_browser(stage: Stage, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, str], Browser]:
    """Start either browser: `any_browser("firefox", "reader")`. One that was killed goes on by the same name."""

    def start(kind: str, name: str) -> Browser:
        if kind == "chromium":
            started: Browser = request.getfixturevalue("chromium")(name)
            return started
        firefox = stage.enter(run_firefox(tmp_path / name))
        stage.add_report(f"console of {name}", firefox.console)
        return firefox

    return start
