"""What a test may do with a browser, whichever one it is.

Two adapters fulfil it: `chromium.py` (Playwright) and `firefox.py` (puppeteer-core in Node). Each browser is a process
of its own with an empty profile, so that a donor and a downloader share nothing but the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.harness.processes import wait_for


@dataclass(frozen=True)
class Downloaded:
    """A file that arrived in the browser's download folder."""

    name: str
    path: Path


class Page(Protocol):
    """One tab."""

    def goto(self, url: str) -> None:
        """Open an address and wait until it has loaded."""

    def evaluate(self, expression: str) -> Any:  # Any: JSON of any shape
        """The value of a JavaScript expression (a promise is awaited) in the page, by way of JSON."""

    def click(self, selector: str, *, button: str = "left", holding: str | None = None) -> None:
        """Click with a real pointer on what a CSS selector finds, with a mouse button and perhaps a key held down."""

    def press_key(self, key: str) -> None:
        """Press a key of the keyboard, `Enter`, where the focus is."""

    def press_button(self, name: str) -> None:
        """Press the visible, enabled button with this name, also inside of an open shadow root.

        The name may end in "…" for "begins with".
        """

    def downloads(self) -> list[Downloaded]:
        """The files that this tab's downloads have completed, in order."""

    def screenshot(self, path: Path) -> None:
        """A PNG of what is visible now."""

    def console(self) -> str:
        """What the page and its workers wrote to the console, and uncaught errors."""

    def close(self) -> None:
        """Close the tab as a user does: `pagehide` runs."""


class Browser(Protocol):
    """One browser process."""

    @property
    def name(self) -> str:
        """`chromium` or `firefox`."""

    @property
    def profile(self) -> Path:
        """Its user data folder."""

    def new_page(self, *, init_script: str | None = None) -> Page:
        """Open a tab; the init script runs in it before any script of a page."""

    def kill(self) -> None:
        """End the whole browser as `kill -9` would."""


def wait_for_value(page: Page, expression: str, what: str, *, timeout_s: float = 20.0) -> Any:  # Any: JSON
    """Evaluate until the value is truthy, and return it."""
    return wait_for(lambda: page.evaluate(expression), what, timeout_s=timeout_s)


def wait_for_download(page: Page, *, timeout_s: float = 60.0) -> Downloaded:
    """The first completed download of a tab."""
    found: list[Downloaded] = wait_for(page.downloads, "a file in the download folder", timeout_s=timeout_s)
    return found[0]


def saved_file(page: Page, name: str) -> Path:
    """The file of that name in the download folder; Firefox has one folder for all tabs."""

    def found() -> Path | None:
        return next((each.path for each in page.downloads() if each.name == name), None)

    return wait_for(found, f"{name} in the download folder", timeout_s=30)


def require_program(candidates: list[str], package: str) -> str:
    """The first program that exists.

    Raises:
        AssertionError: with the way to get it; a missing browser is a failure, never a skipped test.
    """
    for candidate in candidates:
        if Path(candidate).is_file():
            return candidate
    raise AssertionError(f"{package} is not installed (looked for {', '.join(candidates)}): apt-get install {package}")
