"""Donors: a browser tab that only opened `/donate`, and the headless `dio donate`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from distribute_io.ids import SegmentIndex
from distribute_io.manifest.segments import segment_count, segment_range
from distribute_io.transport.webrtc_engines import EngineName
from tests.harness.browser import Browser, Page, wait_for_value
from tests.harness.coordinator import CAUSE, Coordinator, Release
from tests.harness.processes import Process, dio, wait_for
from tests.harness.tun_link import OpenLine

# A donor tells what it holds every second while it fills, and a segment takes less from any mirror of the tests.
_SETTLED_S = 3.0


def chosen(*causes: str) -> str:
    """A script that chooses 16 MB, 1 MB/s and these causes (none: all), as if it had been done on an earlier visit."""
    # A rate that was chosen is not measured, and is the same on every machine.
    settings = {"storageBytes": 16_000_000, "upBytesPerS": 1_000_000, "causes": causes}
    return f"""
if (location.pathname === "/donate") {{
  localStorage["distribute-io:donor"] ??= {json.dumps(json.dumps(settings))};
}}
"""


CHOSEN = chosen()


def open_donor_page(browser: Browser, coordinator: Coordinator, *causes: str) -> Page:
    """Open the donor page and press its start button. It gives 16 MB and 1 MB/s to these causes, or to all."""
    page = browser.new_page(init_script=chosen(*causes))
    page.goto(f"{coordinator.url}/donate")
    page.press_button("Start…")
    return page


# Stop stands where Start was when it is on; a browser that was killed may or may not have remembered that it was.
_ON_AGAIN = """(() => {
  const [start, stop] = ["start", "stop"].map((id) => document.getElementById(id));
  if (start.checkVisibility()) start.click();
  return stop.checkVisibility() && !stop.disabled;
})()"""


def return_to_donor_page(browser: Browser, coordinator: Coordinator, *, script: str = CHOSEN) -> Page:
    """Open the donor page in a browser whose profile has donated before, and have it on."""
    page = browser.new_page(init_script=script)
    page.goto(f"{coordinator.url}/donate")
    wait_for_value(page, _ON_AGAIN, "a donor that is on again")
    return page


def start_headless_donor(
    coordinator: Coordinator,
    data_dir: Path,
    *,
    storage: str = "16MB",
    up: str = "4MB/s",
    webrtc: EngineName = "reactor-webrtc",
    name: str = "donor",
    line: OpenLine | None = None,
) -> Process:
    """Start `dio donate` in a process of its own; at the far end of a line, where one is given."""
    words: list[str | Path] = ["donate", coordinator.url, "--cause", CAUSE, "--storage", storage, "--up", up]
    command = dio(*words, "--webrtc", webrtc, "--data-dir", data_dir, "--json")
    return coordinator.stage.start(name, command if line is None else line.far_command(command))


def fill_store(data_dir: Path, release: Release, *, shared: Path | None = None) -> None:
    """Give a headless donor that is yet to start all of a file, as if it had been held since the last time.

    Args:
        data_dir: the donor's.
        release: the file.
        shared: a folder for segments that several donors hold: these are on the disk once.
    """
    place = data_dir / "segments" / release.sha256
    place.mkdir(parents=True)
    size_bytes = len(release.content)
    for index in range(segment_count(size_bytes)):
        start, end = segment_range(size_bytes, SegmentIndex(index))
        segment = release.content[start:end]
        name = f"{index}-{hashlib.sha256(segment).hexdigest()}"
        source = (place if shared is None else shared) / name
        if not source.exists():
            source.parent.mkdir(exist_ok=True)
            source.write_bytes(segment)
        if shared is not None:
            os.link(source, place / name)


def wait_until_held(coordinator: Coordinator, size_bytes: int, *, donors: int = 1, timeout_s: float = 60.0) -> None:
    """Wait until so many donors together hold at least so much, by the coordinator's count."""

    def held() -> dict[str, Any] | None:  # Any: JSON of any shape
        stats = coordinator.stats()
        return stats if stats["donors"] >= donors and stats["bytes_held"] >= size_bytes else None

    wait_for(held, f"{donors} donors that hold {size_bytes} bytes", timeout_s=timeout_s)


def wait_until_filled(coordinator: Coordinator, size_bytes: int, *, donors: int = 1, timeout_s: float = 60.0) -> int:
    """As `wait_until_held`, and then until they hold no more for a while; returns how much that is."""
    wait_until_held(coordinator, size_bytes, donors=donors, timeout_s=timeout_s)
    held, since = -1, 0.0

    def is_settled() -> bool:
        nonlocal held, since
        now_held = coordinator.stats()["bytes_held"]
        if now_held != held:
            held, since = now_held, time.monotonic()
        return time.monotonic() - since > _SETTLED_S

    wait_for(is_settled, "donors that are full", timeout_s=timeout_s)
    return held


def folder_bytes(folder: Path) -> int:
    """The size of all files under a folder; what vanishes while we look counts as nothing."""
    total = 0
    for place, _, names in os.walk(folder):  # passes over folders that are gone, where `Path.rglob` fails
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(os.path.join(place, name)).st_size
    return total
