"""Browsers that puppeteer-core drives, through a small Node process.

`puppeteer_bridge.mjs` is the other half and tells why.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any, Literal

from tests.harness.browser import Downloaded

_ROOT = Path(__file__).parents[2]
_BRIDGE = Path(__file__).with_name("puppeteer_bridge.mjs")
_CALL_S = 130.0  # above the bridge's own protocol timeout, so that its error is the one that is seen


def find_node() -> str:
    """The Node of the virtual environment, with the client's packages beside it."""
    beside_python = Path(sys.executable).with_name("node")
    node = str(beside_python) if beside_python.is_file() else shutil.which("node")
    assert node is not None, "Node is not there: `make setup` puts it into .venv"
    assert (_ROOT / "client" / "node_modules" / "puppeteer-core").is_dir(), (
        "puppeteer-core is not there: `make setup` installs client/node_modules"
    )
    return node


class PuppeteerBridge:
    """The Node process: sends calls, receives answers."""

    def __init__(self, log_path: Path) -> None:
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [find_node(), str(_BRIDGE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                text=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin: IO[str] = self._process.stdin
        self._stdout: IO[str] = self._process.stdout
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()  # Any: JSON
        self._next_id = 0
        self.console_lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._stdout:
            message = json.loads(line)
            if "console" in message:
                self.console_lines.append(message["console"])
            else:
                self._answers.put(message)
        self._answers.put({"error": "the bridge to the browser ended"})

    def call(self, method: str, **params: Any) -> Any:  # Any: JSON
        """Call one of the bridge's methods and wait for its answer.

        Raises:
            AssertionError: with the bridge's words, when it failed.
        """
        self._next_id += 1
        self._stdin.write(json.dumps({"id": self._next_id, "method": method, "params": params}) + "\n")
        self._stdin.flush()
        answer = self._answers.get(timeout=_CALL_S)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def close(self) -> None:
        """End the bridge, which ends the browser."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._reader.join(5)
        self._stdout.close()


class PuppeteerPage:
    """A `Page` of a browser that puppeteer-core drives."""

    def __init__(self, bridge: PuppeteerBridge, page: int, downloads: Path, frame: str | None = None) -> None:
        self._bridge = bridge
        self._page = page
        self._downloads = downloads
        self._frame = frame

    def frame(self, address_part: str) -> PuppeteerPage:
        """The frame whose address has this text: what is evaluated and pressed there is so in that frame."""
        return PuppeteerPage(self._bridge, self._page, self._downloads, address_part)

    def goto(self, url: str) -> None:
        self._bridge.call("goto", page=self._page, url=url)

    def go_back(self) -> None:
        """Go back in the tab's history, as its button does, and wait until that page is there."""
        self._bridge.call("goBack", page=self._page)

    def evaluate(self, expression: str) -> Any:  # Any: JSON of any shape
        return self._bridge.call("evaluate", page=self._page, frame=self._frame, expression=expression)

    def click(self, selector: str, *, button: str = "left", holding: str | None = None) -> None:
        self._bridge.call("click", page=self._page, selector=selector, button=button, holding=holding)

    def press_key(self, key: str) -> None:
        self._bridge.call("pressKey", page=self._page, key=key)

    def press_button(self, name: str) -> None:
        text = name.removesuffix("…")
        self._bridge.call("pressButton", page=self._page, frame=self._frame, text=text, isPrefix=name.endswith("…"))

    def downloads(self) -> list[Downloaded]:
        # Firefox first makes an empty file of the final name and fills one that ends in .part beside it. Chromium
        # renames a hidden one, by way of one that ends in .crdownload.
        files = list(self._downloads.iterdir())
        if any(path.suffix in (".part", ".crdownload") or path.name.startswith(".") for path in files):
            return []
        files.sort(key=lambda path: path.stat().st_mtime_ns)
        return [Downloaded(path.name, path) for path in files if path.stat().st_size > 0]

    def screenshot(self, path: Path) -> None:
        self._bridge.call("screenshot", page=self._page, path=str(path))

    def cover(self) -> None:
        """Open another tab in front of this one, which is hidden then."""
        self._bridge.call("cover")

    def set_lifecycle(self, state: Literal["frozen", "active"]) -> None:
        """What Chromium does to tabs long hidden: timers, events and workers stand still. `cover` it first."""
        self._bridge.call("setLifecycle", page=self._page, state=state)

    def console(self) -> str:
        return "\n".join(self._bridge.console_lines)

    def close(self) -> None:
        self._bridge.call("closePage", page=self._page)


class PuppeteerBrowser:
    """One browser process, whichever one it is: a bridge, a profile and a download folder of its own.

    Args:
        folder: what an earlier process with the same folder left there is used again.
        method: the bridge's way to start it.
        launch: what that way takes besides the folders.
    """

    def __init__(self, folder: Path, method: str, **launch: Any) -> None:  # Any: JSON
        self.profile = folder / "profile"
        self._downloads = folder / "downloads"
        self.profile.mkdir(parents=True, exist_ok=True)
        self._downloads.mkdir(exist_ok=True)
        self._bridge = PuppeteerBridge(folder / "bridge.stderr")
        launched = self._bridge.call(method, profile=str(self.profile), downloads=str(self._downloads), **launch)
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
