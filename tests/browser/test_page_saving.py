"""Where a file goes when the private file system does not take it, and when the browser asks before it saves."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.browser.conftest import BOTH, StartBrowser
from tests.harness.browser import Browser, wait_for_value
from tests.harness.chromium import Chromium, ChromiumPage
from tests.harness.coordinator import Release
from tests.harness.downloads import Visitor, assert_saved
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene
from tests.harness.site_workers import install_workers

_LARGE_BYTES = 72 * MIB  # more than the window of 64 MiB, which goes to memory
_MEDIUM_BYTES = 8 * MIB  # more segments than the hasher has buffers
_SMALL_BYTES = 3 * MIB
_HUGE_BYTES = 130 * MIB  # more than the 128 MiB that a small machine keeps in memory

# The large one takes 50 s: what shall be seen unfinished does not finish on a slow machine either.
_NEVER_DONE = "1500kB/s"

# The download worker on a machine whose disk is full after 30 MiB: as Firefox does it, `write` returns 0 from then on.
_FULL_DISK = """
const write = FileSystemSyncAccessHandle.prototype.write;
let room = 30 * 1048576;
FileSystemSyncAccessHandle.prototype.write = function (bytes, options) {
  if (bytes.byteLength < 262144) return write.call(this, bytes, options); // the journal, which has its room
  room -= bytes.byteLength;
  return room < 0 ? 0 : write.call(this, bytes, options);
};
importScripts("download-worker.js");
"""

# Hashers that answer a second late, and never: the file was handed over by then, and its digest is still to come.
_LATE_HASHER = """
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (message, ...rest) {
  const isAnswer = message.type === "updated" || message.sha256 !== undefined;
  if (isAnswer) setTimeout(() => post.call(this, message, ...rest), 1_000);
  else post.call(this, message, ...rest);
};
importScripts("download-worker.js");
"""
_MUTE_HASHER = """
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (message, ...rest) {
  if (message.sha256 === undefined) post.call(this, message, ...rest);
};
importScripts("download-worker.js");
"""

# ... and a file that cannot be read any more once it has been handed over.
_BAD_DISK = """
const { move } = FileSystemFileHandle.prototype;
const { read } = FileSystemSyncAccessHandle.prototype;
let moved = false;
FileSystemFileHandle.prototype.move = function (...words) {
  moved = true;
  return move.apply(this, words);
};
FileSystemSyncAccessHandle.prototype.read = function (...words) {
  if (moved) throw new DOMException("a bad disk", "NotReadableError");
  return read.apply(this, words);
};
importScripts("late-hasher.js");
"""

# A file dialog that the visitor first closes, and then uses; on a machine with little memory.
_SECOND_THOUGHT = """
Object.defineProperty(Navigator.prototype, "deviceMemory", { get: () => 2 });
window.asked = 0;
window.showSaveFilePicker = async () => {
  window.asked += 1;
  if (window.asked === 1) throw new DOMException("closed", "AbortError");
  return (await navigator.storage.getDirectory()).getFileHandle("picked", { create: true });
};
"""

# A file dialog in which the visitor takes a while: until `window.pick()`. The file lies in the private file system.
_DIALOG = """
window.showSaveFilePicker = async ({ suggestedName }) => {
  window.asked = suggestedName;
  await new Promise((resolve) => (window.pick = resolve));
  return (await navigator.storage.getDirectory()).getFileHandle("picked", { create: true });
};
"""

_DIGEST_OF_PICKED = """(async () => {
  const file = await (await (await navigator.storage.getDirectory()).getFileHandle("picked")).getFile();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
})()"""


@dataclass(frozen=True)
class Published:
    scene: Scene
    large: Release
    medium: Release
    small: Release

    def visit(self, browser: Browser, *, init_script: str | None = None, **attributes: str) -> Visitor:
        links = {name: self.scene.mirrors[0].link(getattr(self, name).name) for name in ("large", "medium", "small")}
        wanted = {"data-peers": "off"} | {f"data-{name}": value for name, value in attributes.items()}
        return self.scene.visit(browser, links, attributes=wanted, init_script=init_script)

    @contextlib.contextmanager
    def at(self, rate: str) -> Iterator[None]:
        """The mirror's rate inside of the block; unlimited before and after it."""
        self.scene.mirrors[0].change(rate=rate)
        try:
            yield
        finally:
            self.scene.mirrors[0].change(rate=None)

    def sent_bytes(self) -> int:
        return self.scene.mirrors[0].bytes_sent()


@pytest.fixture(scope="module")
def published(module_stage: Stage) -> Published:
    scene = make_scene(module_stage, [MirrorPlan(rate=None)])
    install_workers(scene.site)
    (scene.site.folder / "full-disk-worker.js").write_text(_FULL_DISK)
    (scene.site.folder / "late-hasher.js").write_text(_LATE_HASHER)
    (scene.site.folder / "mute-hasher.js").write_text(_MUTE_HASHER)
    (scene.site.folder / "bad-disk.js").write_text(_BAD_DISK)
    return Published(
        scene,
        large=scene.publish("big (1.0)'ü.iso", _LARGE_BYTES),
        medium=scene.publish("medium.iso", _MEDIUM_BYTES),
        small=scene.publish("small.iso", _SMALL_BYTES),
    )


def limit_quota(visitor: Visitor, size_bytes: int | None) -> None:
    """Give the site so much room, really; None: as much as ever. Chromium alone can be told."""
    page: Any = visitor.page  # a ChromiumPage
    session = page.playwright.context.new_cdp_session(page.playwright)
    quota = {} if size_bytes is None else {"quotaSize": size_bytes}
    session.send("Storage.overrideQuotaForOrigin", {"origin": page.evaluate("location.origin"), **quota})


def test_a_private_window_of_firefox_streams_through_the_service_worker(
    published: Published, private_firefox: Browser
) -> None:
    """At a rate at which it takes longer than Firefox lets a service worker live that hears nothing."""
    visitor = published.visit(private_firefox, sw="dio-sw.js")
    with published.at("2MB/s"):
        visitor.click("large")
        verified = visitor.expect_verified(timeout_s=90)
    assert verified["detail"]["receivedBytes"] == _LARGE_BYTES
    assert_saved(visitor, published.large)


def test_a_private_window_of_firefox_keeps_a_small_file_in_memory(
    published: Published, private_firefox: Browser
) -> None:
    visitor = published.visit(private_firefox)
    visitor.click("small")
    visitor.expect_verified()
    assert_saved(visitor, published.small)


def test_an_incognito_window_of_chromium_has_the_private_file_system_too(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor", incognito=True))
    visitor.click("large")
    visitor.expect_verified()
    assert_saved(visitor, published.large)
    stored = visitor.page.evaluate("""(async () => {
      let folder = await navigator.storage.getDirectory();
      for (const name of ["distribute-io", "downloads"]) folder = await folder.getDirectoryHandle(name);
      return Array.fromAsync(folder.keys(), (name) => name.split(".").at(-1));
    })()""")
    assert "done" in stored


def test_where_there_is_no_room_the_service_worker_takes_the_file(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor"), sw="dio-sw.js")
    limit_quota(visitor, 20 * MIB)
    visitor.click("large")
    visitor.expect_verified()
    assert_saved(visitor, published.large)


def test_where_there_is_no_room_the_visitor_picks_a_file(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor"), init_script=_DIALOG, sw="dio-sw.js")
    limit_quota(visitor, 20 * MIB)
    visitor.click("large")
    assert wait_for_value(visitor.page, "window.asked", "the dialog") == published.large.name
    limit_quota(visitor, None)
    visitor.page.evaluate("window.pick()")
    visitor.wait_for_event("saved", "error", "fallback")
    visitor.expect_verified()
    assert visitor.page.evaluate(_DIGEST_OF_PICKED) == published.large.sha256
    assert visitor.page.downloads() == []


def test_where_all_is_full_the_panel_asks_for_a_place(published: Published, chromium: Callable[..., Chromium]) -> None:
    huge = published.scene.publish("huge.iso", _HUGE_BYTES)
    browser = chromium("visitor")
    links = {"huge": published.scene.mirrors[0].link(huge.name)}
    visitor = published.scene.visit(browser, links, attributes={"data-peers": "off"}, init_script=_SECOND_THOUGHT)
    limit_quota(visitor, 20 * MIB)
    visitor.click("huge")
    panel = "document.querySelector('distribute-panel')?.shadowRoot.textContent"
    wait_for_value(visitor.page, f"{panel}?.includes('No room left for this file')", "the question")
    assert visitor.page.evaluate(f"{panel}.includes('Download unchecked from')"), "the plain link is a choice"
    assert visitor.events() == [], "it waits"
    limit_quota(visitor, None)
    visitor.page.press_button("Choose a place")
    visitor.wait_for_event("saved", "error", "fallback")
    visitor.expect_verified()
    assert visitor.page.evaluate("window.asked") == 2
    assert visitor.page.evaluate(_DIGEST_OF_PICKED) == huge.sha256


def test_a_service_worker_that_ends_leaves_the_file_to_the_next_place(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor"), sw="mute-saver.js", worker="hasty-worker.js")
    limit_quota(visitor, 20 * MIB)
    page: Any = visitor.page
    with published.at(_NEVER_DONE):
        visitor.click("large")
        begun = wait_for(page.started_downloads, "the service worker's download")
        assert begun[0].failure() is not None
    visitor.expect_verified()
    visitor.page.press_button("Save")  # the browser would ask before a second download since the click
    visitor.wait_for_event("saved", "error", "fallback")
    saved = wait_for(lambda: page.started_downloads()[1:], "the file")[0]
    assert hashlib.sha256(saved.path().read_bytes()).hexdigest() == published.large.sha256


@BOTH
def test_a_disk_that_is_full_in_the_middle_loses_nothing(
    published: Published, any_browser: StartBrowser, browser_name: str
) -> None:
    visitor = published.visit(any_browser(browser_name, "visitor"), sw="dio-sw.js", worker="full-disk-worker.js")
    sent_before = published.sent_bytes()
    with published.at("40MB/s"):
        visitor.click("large")
        visitor.expect_verified()
    assert_saved(visitor, published.large)
    in_flight_bytes = 20 * MIB  # of what was received and not stored when the disk was full; 30 MiB were stored
    assert published.sent_bytes() - sent_before < _LARGE_BYTES + in_flight_bytes
    assert len([event for event in visitor.events() if event["type"] == "start"]) == 1


def test_cancel_ends_a_stream_without_a_file(published: Published, chromium: Callable[..., Chromium]) -> None:
    visitor = published.visit(chromium("visitor"), sw="dio-sw.js")
    limit_quota(visitor, 20 * MIB)
    page: Any = visitor.page
    with published.at("4MB/s"):
        visitor.click("large")
        wait_for(lambda: [e for e in visitor.events("progress") if e["detail"]["receivedBytes"] > 0], "progress")
        page.press_button("Cancel")
    downloads = page.started_downloads()
    assert [download.failure() is not None for download in downloads] == [True]
    assert visitor.events("verified", "fallback") == []


def test_a_second_file_since_the_last_click_waits_for_one(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor"))
    with published.at("20MB/s"):
        visitor.click("large")
        visitor.click("small")
        wait_for(lambda: len(visitor.events("verified")) == 2, "both files", timeout_s=30)
    assert [event["link"] for event in visitor.events("saved")] == ["small"]
    assert [download.name for download in visitor.page.downloads()] == [published.small.name]
    visitor.page.press_button("Save")
    wait_for(lambda: len(visitor.page.downloads()) == 2, "the second file")
    saved = visitor.page.downloads()[1]
    assert hashlib.sha256(saved.path.read_bytes()).hexdigest() == published.large.sha256
    assert [event["link"] for event in visitor.events("saved")] == ["small", "large"]


def test_what_was_handed_over_and_not_hashed_goes_on_where_it_was(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    browser = chromium("visitor")
    visitor = published.visit(browser, worker="mute-hasher.js")
    visitor.click("medium")
    wait_for(lambda: len(visitor.page.downloads()) == 1, "the file")
    # The digest never comes, the file that the browser has is whole, and there is nothing left to take back.
    assert isinstance(visitor.page, ChromiumPage)
    assert visitor.page.playwright.get_by_role("button", name="Cancel", exact=True).count() == 0
    assert hashlib.sha256(visitor.page.downloads()[0].path.read_bytes()).hexdigest() == published.medium.sha256
    assert visitor.events("verified", "saved", "error", "fallback") == []
    visitor.page.close()
    sent_before = published.sent_bytes()
    again = published.visit(browser)
    again.click("medium")
    again.expect_verified()
    first_range = 2 * MIB  # asked for before it is known what an earlier visit has stored
    assert published.sent_bytes() - sent_before <= first_range
    assert_saved(again, published.medium)


def test_a_digest_that_cannot_be_had_after_the_hand_over_fetches_nothing_again(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor"), worker="bad-disk.js")
    sent_before = published.sent_bytes()
    visitor.click("medium")
    visitor.expect_error("store_unreadable")
    assert_saved(visitor, published.medium)
    assert len(visitor.page.downloads()) == 1
    assert visitor.events("verified", "saved", "fallback") == []
    assert published.sent_bytes() - sent_before <= len(published.medium.content)


@BOTH
def test_the_module_writes_into_a_given_file(
    published: Published, any_browser: StartBrowser, browser_name: str
) -> None:
    page = published.visit(any_browser(browser_name, "visitor")).page
    scene = published.scene
    result = page.evaluate(f"""(async () => {{
      const {{ download }} = await import({json.dumps(scene.coordinator.url + "/v/latest/index.js")});
      const sink = await (await navigator.storage.getDirectory()).getFileHandle("picked", {{ create: true }});
      const {{ sha256, blob, handle }} = await download({json.dumps(published.large.sha256)}, {{
        coordinator: {json.dumps(scene.coordinator.url)}, key: {json.dumps(scene.publisher.public_key)}, sink,
      }});
      return {{ sha256, size: blob.size, handle: handle.name }};
    }})()""")
    assert result == {"sha256": published.large.sha256, "size": _LARGE_BYTES, "handle": "picked"}
    assert page.evaluate(_DIGEST_OF_PICKED) == published.large.sha256


@BOTH
def test_unfinished_downloads_are_listed_and_deleted(
    published: Published, any_browser: StartBrowser, browser_name: str
) -> None:
    browser = any_browser(browser_name, "visitor")
    visitor = published.visit(browser)
    module = json.dumps(published.scene.coordinator.url + "/v/latest/index.js")
    listed = f"import({module}).then(({{ listUnfinished }}) => listUnfinished())"
    deleted = (
        f"import({module}).then(({{ deleteUnfinished }}) => deleteUnfinished('{published.large.sha256}'))"
        ".then(() => 'deleted', (error) => error.code)"
    )
    with published.at(_NEVER_DONE):
        visitor.click("large")
        other = published.visit(browser).page
        wait_for(lambda: [row for row in other.evaluate(listed) if row["storedBytes"] > 0], "a checkpoint")
        (running,) = other.evaluate(listed)
        assert running["fileId"] == published.large.sha256
        assert running["name"] == published.large.name
        assert running["sizeBytes"] == _LARGE_BYTES
        assert running["href"] == published.scene.mirrors[0].link(published.large.name)
        assert running["running"] is True
        assert other.evaluate(deleted) == "store_in_use"
        visitor.page.close()
        wait_for(lambda: not other.evaluate(listed)[0]["running"], "the closed tab's worker to end")
    assert other.evaluate(deleted) == "deleted"
    assert other.evaluate(listed) == []


def test_the_front_page_lists_what_was_not_finished_there(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    browser = chromium("visitor")
    page = browser.new_page()
    page.goto(published.scene.coordinator.url)
    other = browser.new_page()

    def listed() -> list[str]:
        other.goto(published.scene.coordinator.url)
        rows: list[str] = other.evaluate(
            "[...document.querySelectorAll('#unfinished li')].map((row) => row.textContent)"
        )
        return [row for row in rows if " 0 %" not in row]

    with published.at(_NEVER_DONE):
        page.click(f'#files a[data-distribute="{published.large.sha256}"]')
        wait_for_value(page, "document.querySelector('distribute-panel') !== null", "the download")
        wait_for(listed, "a checkpoint")
        page.close()
        (row,) = wait_for(lambda: [row for row in listed() if "on its way" not in row], "the worker to end")
    assert row.startswith(published.large.name)
    other.press_button(f"Delete what is stored of {published.large.name}")
    wait_for_value(other, "document.getElementById('unfinished').hidden", "the list to go")
