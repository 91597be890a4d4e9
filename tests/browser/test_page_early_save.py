"""With `data-sw` a browser saves a large file while it comes; what is in the private file system still counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Download

from tests.browser.conftest import StartBrowser
from tests.harness.broken_publisher import sign_another_digest
from tests.harness.browser import Browser
from tests.harness.chromium import Chromium, ChromiumPage
from tests.harness.coordinator import Release
from tests.harness.downloads import Visitor, assert_saved
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene
from tests.harness.site_workers import install_workers

_LARGE_BYTES = 48 * MIB
_OTHER_BYTES = 33 * MIB
# The large one takes 17 s: its end waits for the test, which sees it begin, and is fast then.
_SLOW = "3MB/s"
_FAST = "60MB/s"


@dataclass(frozen=True)
class Published:
    """Two files on a mirror that is slow enough to be the limit."""

    scene: Scene
    large: Release
    other: Release

    def visit(self, browser: Browser, **attributes: str) -> Visitor:
        links = {name: self.scene.mirrors[0].link(getattr(self, name).name) for name in ("large", "other")}
        wanted = {"data-peers": "off", "data-sw": "dio-sw.js"}
        return self.scene.visit(browser, links, attributes=wanted | {f"data-{k}": v for k, v in attributes.items()})

    def at(self, rate: str) -> None:
        self.scene.mirrors[0].change(rate=rate)

    def sent_bytes(self) -> int:
        return self.scene.mirrors[0].bytes_sent()


@pytest.fixture(scope="module")
def scene(module_stage: Stage) -> Published:
    scene = make_scene(module_stage, [MirrorPlan(rate=_SLOW)])
    install_workers(scene.site)
    large = scene.publish("large (1.0)'ü.iso", _LARGE_BYTES)
    return Published(scene, large, scene.publish("other.iso", _OTHER_BYTES))


@pytest.fixture
def published(scene: Published) -> Published:
    scene.at(_SLOW)
    return scene


def chromium_page(visitor: Visitor) -> ChromiumPage:
    assert isinstance(visitor.page, ChromiumPage)
    return visitor.page


def received_bytes(visitor: Visitor) -> int:
    return max((event["detail"]["receivedBytes"] for event in visitor.events("progress")), default=0)


def begun_early(visitor: Visitor, release: Release) -> Download:
    """The browser's download, which is there before the file is."""
    (begun,) = wait_for(chromium_page(visitor).started_downloads, "the browser's download")
    assert received_bytes(visitor) < len(release.content)
    return begun


def test_files_are_saved_while_they_come_and_ask_for_no_second_click(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor"))
    visitor.click("large")
    begun_early(visitor, published.large)
    visitor.click("other")
    wait_for(lambda: len(chromium_page(visitor).started_downloads()) == 2, "the second download")
    assert visitor.events("verified") == []
    published.at(_FAST)
    wait_for(lambda: len(visitor.events("saved")) == 2, "both files")
    saved = {downloaded.name: downloaded.path.read_bytes() for downloaded in visitor.page.downloads()}
    assert {name: hashlib.sha256(content).hexdigest() for name, content in saved.items()} == {
        release.name: release.sha256 for release in (published.large, published.other)
    }
    visitor.page.press_button("Save again")
    wait_for(lambda: len(visitor.page.downloads()) == 3, "a copy of what is still stored")


def test_firefox_has_it_handed_over_when_it_is_complete(published: Published, any_browser: StartBrowser) -> None:
    visitor = published.visit(any_browser("firefox", "visitor"))
    published.at("30MB/s")
    visitor.click("large")
    visitor.expect_verified()
    assert_saved(visitor, published.large)
    assert len(visitor.page.downloads()) == 1


def test_what_is_cancelled_in_the_browsers_list_ends_and_can_go_on(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor"))
    visitor.click("large")
    begun_early(visitor, published.large).cancel()
    visitor.expect_error("save_interrupted")
    published.at(_FAST)
    assert visitor.events("verified", "saved", "fallback") == []
    kept = received_bytes(visitor)
    sent_before = published.sent_bytes()
    visitor.click("large")
    wait_for(lambda: visitor.events("verified"), "the file")
    saved = wait_for(lambda: chromium_page(visitor).started_downloads()[1:], "the second download")[0]
    assert hashlib.sha256(saved.path().read_bytes()).hexdigest() == published.large.sha256
    in_flight_bytes = 4 * MIB
    assert published.sent_bytes() - sent_before <= _LARGE_BYTES - kept + in_flight_bytes


def test_a_service_worker_that_ends_costs_nothing_but_its_copy(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor"), sw="mute-saver.js", worker="hasty-worker.js")
    sent_before = published.sent_bytes()
    visitor.click("large")
    assert begun_early(visitor, published.large).failure() is not None
    published.at(_FAST)
    visitor.expect_verified()
    visitor.page.press_button("Save")  # the browser would ask before a second download since the click
    saved = wait_for(lambda: chromium_page(visitor).started_downloads()[1:], "the file")[0]
    assert hashlib.sha256(saved.path().read_bytes()).hexdigest() == published.large.sha256
    assert published.sent_bytes() - sent_before <= _LARGE_BYTES + 2 * MIB


def test_a_download_that_takes_nothing_keeps_nobody_waiting(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor"), sw="paused-saver.js")
    visitor.click("large")
    begun = begun_early(visitor, published.large)
    published.at(_FAST)
    visitor.expect_verified(timeout_s=30)
    assert begun.failure() is not None
    visitor.page.press_button("Save")
    assert_saved(visitor, published.large)


def test_after_a_reload_a_new_download_begins_with_what_is_stored(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    browser = chromium("visitor")
    visitor = published.visit(browser)
    visitor.click("large")
    left = begun_early(visitor, published.large)
    wait_for(lambda: received_bytes(visitor) > 4 * MIB, "a part of it")
    visitor.page.press_button("Pause")  # which makes durable what is there
    module = json.dumps(published.scene.coordinator.url + "/v/latest/index.js")
    durable = f"import({module}).then(async ({{ listUnfinished }}) => (await listUnfinished())[0]?.storedBytes ?? 0)"
    kept: int = wait_for(lambda: visitor.page.evaluate(durable), "a checkpoint")
    visitor.page.evaluate("location.reload()")
    assert left.failure() is not None, "the browser knows that this one is no file"
    again = published.visit(browser)
    sent_before = published.sent_bytes()
    again.click("large")
    begun_early(again, published.large)
    published.at(_FAST)
    again.expect_verified()
    assert_saved(again, published.large)
    assert published.sent_bytes() - sent_before <= _LARGE_BYTES - kept + 2 * MIB  # the first range may be known already


def test_a_file_whose_whole_digest_is_wrong_is_never_complete(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = published.visit(chromium("visitor"))
    page = chromium_page(visitor)
    sign_another_digest(page, published.scene.publisher)
    visitor.click("large")
    begun = begun_early(visitor, published.large)
    published.at(_FAST)
    visitor.expect_error("file_mismatch")
    assert begun.failure() is not None
    assert len(page.started_downloads()) == 1
    assert visitor.events("verified", "saved", "fallback") == []
