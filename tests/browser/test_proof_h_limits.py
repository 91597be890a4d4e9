"""Proof h: a donor's storage is a hard limit, whatever the catalogue holds; moving the slider takes effect at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.browser import Browser, wait_for_value
from tests.harness.chromium import Chromium, ChromiumPage
from tests.harness.coordinator import Release, make_release
from tests.harness.donors import (
    CHOSEN,
    folder_bytes,
    open_donor_page,
    return_to_donor_page,
    start_headless_donor,
    wait_until_filled,
    wait_until_held,
)
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, make_scene

LIMIT_BYTES = 16_000_000
DONORS = 2
FILES = 5
FILE_BYTES = 64 * MIB

_STATE = "document.getElementById('state').textContent"

# Every file of the site's storage, again and again; `store.largest` is the most that was ever there since it was reset.
_SAMPLER = (
    CHOSEN
    + """
window.store = { samples: 0, bytes: 0, largest: 0 };
async function sizeOf(folder) {
  let total = 0;
  for await (const entry of folder.values()) {
    try {
      total += entry.kind === "directory" ? await sizeOf(entry) : (await entry.getFile()).size;
    } catch (error) {
      if (error.name !== "NotFoundError") throw error; // erased while we looked
    }
  }
  return total;
}
(async () => {
  for (;;) {
    store.bytes = await sizeOf(await navigator.storage.getDirectory());
    store.largest = Math.max(store.largest, store.bytes);
    store.samples += 1;
    await new Promise((done) => setTimeout(done, 20));
  }
})();
"""
)


class FolderSampler:
    """Looks at a folder again and again; `largest` is the most that all its files ever had."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stop = threading.Event()
        self.largest = 0
        self.samples = 0

    def run(self) -> None:
        """Sample until told to stop."""
        while not self._stop.wait(0.02):
            self.largest = max(self.largest, folder_bytes(self._folder))
            self.samples += 1

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()


@contextmanager
def sampled(folder: Path) -> Iterator[FolderSampler]:
    sampler = FolderSampler(folder)
    thread = threading.Thread(target=sampler.run)
    thread.start()
    try:
        yield sampler
    finally:
        sampler.stop()
        thread.join()


def move_storage_slider(page: ChromiumPage, step: int) -> None:
    """As a person does by the keyboard: focus, Home, and the arrow key once for each step."""
    slider = page.playwright.get_by_role("slider", name="Storage on this device")
    slider.press("Home")
    for _ in range(step):
        slider.press("ArrowRight")


def test_a_donor_never_holds_more_than_it_gave(stage: Stage, chromium: Callable[..., Chromium]) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    releases: list[Release] = [make_release(scene.served, f"release-{n}.iso", FILE_BYTES) for n in range(FILES)]
    assert FILES * FILE_BYTES > 10 * DONORS * LIMIT_BYTES
    *first, last = releases
    scene.publisher.publish(first, scene.mirrors)

    page = chromium("donor").new_page(init_script=_SAMPLER)
    page.goto(f"{scene.coordinator.url}/donate")
    headless_dir = stage.folder / "headless"
    with sampled(headless_dir) as headless:
        page.press_button("Start…")
        start_headless_donor(scene.coordinator, headless_dir, storage="16MB")
        wait_until_filled(scene.coordinator, 28 * MIB, donors=DONORS)
        # A new file gives the coordinator a reason to give both donors something else.
        scene.publisher.publish([last], scene.mirrors)
        wait_until_filled(scene.coordinator, 28 * MIB, donors=DONORS)
        assert 14 * MIB <= headless.largest <= LIMIT_BYTES
        assert headless.samples > 50
    store = page.evaluate("store")
    assert 14 * MIB <= store["largest"] <= LIMIT_BYTES
    assert store["samples"] > 50
    held = [entry["file_id"] for entry in scene.coordinator.stats()["files"] if entry["segments_held"]]
    assert len(set(held)) >= 3, held

    # More: the room is used, and still a limit.
    move_storage_slider(page, 1)
    wait_for_value(page, "store.bytes > 28_000_000", "a store of up to 32 MB")
    wait_until_held(scene.coordinator, 42 * MIB, donors=DONORS)
    assert page.evaluate("store.largest") <= 2 * LIMIT_BYTES

    # Less: at once, and for good.
    move_storage_slider(page, 0)
    started = time.monotonic()
    wait_for_value(page, f"store.bytes <= {LIMIT_BYTES}", "a store within the smaller limit", timeout_s=3)
    page.evaluate("store.largest = 0")
    assert time.monotonic() - started < 3
    wait_until_filled(scene.coordinator, 20 * MIB, donors=DONORS)
    assert page.evaluate("store.largest") <= LIMIT_BYTES

    # Also while it is off.
    move_storage_slider(page, 1)
    wait_for_value(page, "store.bytes > 20_000_000", "a store of more than 16 MB")
    page.press_button("Stop")
    wait_for_value(page, f"{_STATE}.startsWith('Stopped')", "the word that it has stopped")
    move_storage_slider(page, 0)
    wait_for_value(page, f"store.bytes <= {LIMIT_BYTES}", "a store within the smaller limit", timeout_s=3)
    wait_for_value(page, f"{_STATE}.startsWith('Off. Nothing is sent')", "a donor that is off")


def test_crashes_and_a_second_tab_double_no_store(stage: Stage, chromium: Callable[..., Chromium]) -> None:
    scene = make_scene(stage, [MirrorPlan(rate="1MB/s")])
    release = make_release(scene.served, "release.iso", 48 * MIB)
    scene.publisher.publish([release], scene.mirrors)
    coordinator = scene.coordinator
    browser = chromium("donor")
    # Where Chromium keeps the files of the private file system: what a crash leaves there is seen, too.
    with sampled(browser.profile / "Default" / "File System" / "000" / "t" / "00") as disk:
        open_donor_page(browser, coordinator)
        wait_for(lambda: disk.largest > 4 * MIB, "a store that is half full")
        assert disk.largest < 12 * MIB, "in the middle of filling"
        browser.kill()
        scene.mirrors[0].change(rate=None)
        browser = chromium("donor")
        return_to_donor_page(browser, coordinator)
        wait_until_filled(coordinator, 14 * MIB)
        second = browser.new_page()
        second.goto(f"{coordinator.url}/donate")
        wait_for_value(second, "document.getElementById('state').textContent.includes('nother tab')", "its words")
        browser.kill()
        wait_until_held(coordinator, 0, donors=0)
        return_to_donor_page(chromium("donor"), coordinator)
        wait_until_filled(coordinator, 14 * MIB)
        assert coordinator.stats()["donors"] == 1
        assert coordinator.stats()["bytes_held"] <= LIMIT_BYTES
    assert 14 * MIB <= disk.largest <= LIMIT_BYTES
    assert disk.samples > 50


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_stop_and_erase_leaves_nothing(stage: Stage, any_browser: Callable[[str, str], Browser], kind: str) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    scene.publish("release.iso", 24 * MIB)  # more than it may hold
    page = any_browser(kind, "donor").new_page(init_script=_SAMPLER)
    page.goto(f"{scene.coordinator.url}/donate")
    assert page.evaluate("store.bytes") == 0, "nothing is stored before the click"
    page.press_button("Start…")
    wait_until_held(scene.coordinator, 14 * MIB)
    assert 14 * MIB <= page.evaluate("store.largest") <= LIMIT_BYTES
    page.press_button("Stop and erase…")
    wait_for_value(page, "store.bytes === 0", "an empty store", timeout_s=5)
    wait_until_held(scene.coordinator, 0, donors=0)
