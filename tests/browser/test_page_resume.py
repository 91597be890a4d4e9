"""A download goes on where it was: after a reload, a `kill -9` of the browser, a pause; in one tab at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.browser.conftest import BOTH, StartBrowser
from tests.harness.browser import Browser
from tests.harness.chromium import Chromium
from tests.harness.coordinator import Release
from tests.harness.downloads import Event, Visitor, assert_saved, bytes_by_kind
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene

_SIZE_BYTES = 48 * MIB  # 48 segments of 1 MiB

# The journal of src/core/download-journal.ts as it is on disk: the newer slot's counter, and its mark of each segment.
_JOURNAL = """(async () => {
  let folder = await navigator.storage.getDirectory();
  for (const name of ["distribute-io", "downloads"]) folder = await folder.getDirectoryHandle(name, { create: true });
  for await (const [name, entry] of folder.entries()) {
    if (!name.endsWith(".journal")) continue;
    // Chromium refuses to read a file that was written to since it was opened: the next look finds it at rest.
    const bytes = await (await entry.getFile()).arrayBuffer().catch(() => new ArrayBuffer(0));
    const view = new DataView(bytes);
    if (view.byteLength / 2 < 352 + 48) return null; // made just now, and still empty
    const slots = [0, view.byteLength / 2].map((at) => ({
      counter: Number(view.getBigUint64(at + 4)),
      marks: Array.from({ length: 48 }, (_, index) => view.getUint8(at + 352 + index)),
    }));
    return slots.sort((left, right) => right.counter - left.counter)[0];
  }
  return null;
})()"""

# Overwrites the first bytes of one segment of the unfinished file.
_DAMAGE = """(async () => {
  let folder = await navigator.storage.getDirectory();
  for (const name of ["distribute-io", "downloads"]) folder = await folder.getDirectoryHandle(name);
  for await (const [name, entry] of folder.entries()) {
    if (!name.endsWith(".part")) continue;
    const writable = await entry.createWritable({ keepExistingData: true });
    await writable.write({ type: "write", position: %d, data: new Uint8Array(1000) });
    await writable.close();
  }
})()"""

_FILES = """(async () => {
  const names = [];
  let folder = await navigator.storage.getDirectory();
  for (const name of ["distribute-io", "downloads"]) folder = await folder.getDirectoryHandle(name);
  for await (const name of folder.keys()) names.push(name.split(".").at(-1));
  return names.sort();
})()"""


@dataclass(frozen=True)
class Published:
    """One release on one mirror, slow enough that its download can be interrupted."""

    scene: Scene
    release: Release

    def visit(self, browser: Browser) -> Visitor:
        links = {"iso": self.scene.mirrors[0].link(self.release.name)}
        return self.scene.visit(browser, links, attributes={"data-peers": "off"})

    def sent_bytes(self) -> int:
        return self.scene.mirrors[0].bytes_sent()


@pytest.fixture(scope="module")
def published(module_stage: Stage) -> Published:
    scene = make_scene(module_stage, [MirrorPlan(rate="5MB/s")])
    return Published(scene, scene.publish("release-1.0.iso", _SIZE_BYTES))


def wait_for_checkpoint(visitor: Visitor) -> dict[str, Any]:  # Any: JSON of the page
    """The journal after its first checkpoint, in the middle of the download."""

    def journal() -> dict[str, Any] | None:
        found: dict[str, Any] | None = visitor.page.evaluate(_JOURNAL)
        return found if found is not None and found["counter"] > 0 else None

    found: dict[str, Any] = wait_for(journal, "a checkpoint", timeout_s=30)
    assert 0 < durable_bytes(found) < _SIZE_BYTES
    return found


def durable_bytes(journal: dict[str, Any]) -> int:
    return sum(1 for mark in journal["marks"] if mark > 0) * MIB


def expect_resumed(published: Published, visitor: Visitor, durable: int) -> Event:
    """Click: what was durable is there from the start and not fetched again, and the file is right."""
    sent_before = published.sent_bytes()
    visitor.click("iso")
    start = visitor.wait_for_event("start", "error", "fallback")
    assert start["type"] == "start", start
    kept: int = start["detail"]["receivedBytes"]
    assert kept >= durable
    verified = visitor.expect_verified()
    assert_saved(visitor, published.release)
    missing = _SIZE_BYTES - kept
    assert sum(bytes_by_kind(verified)["mirror"].values()) == missing
    assert published.sent_bytes() - sent_before <= missing + MIB  # a hedge at the end may double the last piece
    assert visitor.page.evaluate(_FILES) == ["about", "done"]
    return start


@BOTH
def test_a_download_goes_on_after_a_reload(published: Published, any_browser: StartBrowser, browser_name: str) -> None:
    browser = any_browser(browser_name, "visitor")
    first = published.visit(browser)
    first.click("iso")
    durable = durable_bytes(wait_for_checkpoint(first))
    first.page.goto("about:blank")
    first.page.close()
    expect_resumed(published, published.visit(browser), durable)


@BOTH
def test_a_download_goes_on_after_the_browser_was_killed(
    published: Published, any_browser: StartBrowser, browser_name: str
) -> None:
    browser = any_browser(browser_name, "visitor")
    visitor = published.visit(browser)
    visitor.click("iso")
    durable = durable_bytes(wait_for_checkpoint(visitor))
    browser.kill()
    expect_resumed(published, published.visit(any_browser(browser_name, "visitor")), durable)


def test_a_segment_of_the_last_checkpoint_that_is_damaged_is_fetched_again(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    browser = chromium("visitor")
    visitor = published.visit(browser)
    visitor.click("iso")
    wait_for_checkpoint(visitor)
    visitor.page.close()
    again = published.visit(browser)
    journal = again.page.evaluate(_JOURNAL)
    recent = journal["marks"].index(2)
    wait_for(lambda: unlocked(again), "the closed tab's worker to end")
    again.page.evaluate(_DAMAGE % (recent * MIB))
    start = expect_resumed(published, again, durable_bytes(journal) - MIB)
    assert start["detail"]["receivedBytes"] == durable_bytes(journal) - MIB


def unlocked(visitor: Visitor) -> bool:
    held: list[str] = visitor.page.evaluate("navigator.locks.query().then(({ held }) => held.map(({ name }) => name))")
    return held == []


@BOTH
def test_a_second_tab_follows_the_first_and_does_not_fetch_the_file_again(
    published: Published, any_browser: StartBrowser, browser_name: str
) -> None:
    browser = any_browser(browser_name, "visitor")
    first = published.visit(browser)
    first.click("iso")
    wait_for(lambda: first.events("progress"), "progress")
    second = published.visit(browser)
    sent_before = published.sent_bytes()
    second.click("iso")
    wait_for(lambda: second.events("progress"), "the first tab's progress")
    first.expect_verified()
    assert_saved(first, published.release)
    verified = second.expect_verified()
    assert verified["detail"]["sha256"] == published.release.sha256
    assert published.sent_bytes() - sent_before <= _SIZE_BYTES + MIB
    second.page.press_button("Save again")


@BOTH
def test_a_second_tab_goes_on_where_the_first_was_closed(
    published: Published, any_browser: StartBrowser, browser_name: str
) -> None:
    browser = any_browser(browser_name, "visitor")
    first = published.visit(browser)
    first.click("iso")
    durable = durable_bytes(wait_for_checkpoint(first))
    second = published.visit(browser)
    second.click("iso")
    wait_for(lambda: second.events("progress"), "the first tab's progress")
    first.page.close()
    start = second.wait_for_event("start", "error", "fallback")
    assert start["type"] == "start", start
    assert start["detail"]["receivedBytes"] >= durable
    second.expect_verified()
    assert_saved(second, published.release)


def test_a_paused_download_asks_for_nothing_and_goes_on(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor"))
    visitor.click("iso")

    def received() -> list[int]:
        return [event["detail"]["receivedBytes"] for event in visitor.events("progress")]

    wait_for(lambda: max(received(), default=0) >= 4 * MIB, "some segments")
    visitor.page.press_button("Pause")
    wait_for(lambda: len(set(received()[-8:])) == 1 and len(received()) > 8, "two seconds without a byte")
    assert received()[-1] < _SIZE_BYTES
    assert visitor.page.evaluate(_JOURNAL)["counter"] > 0  # a pause is a checkpoint: the lid may be closed now
    visitor.page.press_button("Resume")
    visitor.expect_verified()
    assert_saved(visitor, published.release)
