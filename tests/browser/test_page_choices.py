"""What a visitor can choose: donors or mirrors only, cancel, save again. And what a second click does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.chromium import Chromium, ChromiumPage
from tests.harness.coordinator import Release
from tests.harness.donors import start_headless_donor, wait_until_held
from tests.harness.downloads import CONNECTIONS_MADE, KEEP_CONNECTIONS, Visitor, assert_saved, bytes_by_kind
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene

_OPEN = "window.connections.filter((connection) => connection.connectionState !== 'closed').length"
_STORED_FILES = """(async () => {
  const names = [];
  let folder = await navigator.storage.getDirectory();
  for (const name of ["distribute-io", "downloads"]) folder = await folder.getDirectoryHandle(name);
  for await (const name of folder.keys()) names.push(name.split(".").at(-1));
  return names;
})()"""

Published = tuple[Scene, Release, dict[str, str]]


@pytest.fixture(scope="module")
def published(module_stage: Stage) -> Published:
    """One donor that holds all of the file, one mirror that is slow enough to be helped."""
    scene = make_scene(module_stage, [MirrorPlan(rate=None)])
    release = scene.publish("release-1.0.iso", 12 * MIB)
    start_headless_donor(scene.coordinator, module_stage.folder / "donor", storage="16MB", up="4MB/s")
    wait_until_held(scene.coordinator, 12 * MIB)
    scene.slow_down("1MB/s")  # it has to be at work still when a donor was met on a busy machine
    return scene, release, {"iso": scene.mirrors[0].link(release.name)}


def visit(published: Published, browser: Chromium, **attributes: str) -> Visitor:
    scene, _, links = published
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    return scene.visit(browser, links, attributes=named, init_script=KEEP_CONNECTIONS)


def page_of(visitor: Visitor) -> ChromiumPage:
    assert isinstance(visitor.page, ChromiumPage)
    return visitor.page


def wait_for_peer_bytes(visitor: Visitor) -> None:
    def peer_bytes() -> int:
        events = visitor.events("progress")
        return sum(bytes_by_kind(events[-1])["peer"].values()) if events else 0

    wait_for(peer_bytes, "bytes from a donor")


def test_mirrors_only_in_mid_download_closes_all_connections_and_sticks(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    _, release, _ = published
    browser = chromium("visitor")
    visitor = visit(published, browser)
    visitor.click("iso")
    wait_for_peer_bytes(visitor)
    page_of(visitor).playwright.get_by_label("Mirrors only").check()
    wait_for(lambda: visitor.page.evaluate(_OPEN) == 0, "all connections to be closed", timeout_s=5)
    visitor.expect_verified()
    assert_saved(visitor, release)
    assert visitor.page.evaluate(_OPEN) == 0

    again = visit(published, browser)
    again.click("iso")
    assert bytes_by_kind(again.expect_verified())["peer"] == {}
    assert again.page.evaluate(CONNECTIONS_MADE) == 0


def test_a_page_that_asks_makes_no_connection_before_the_answer(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    _, release, _ = published
    browser = chromium("visitor")
    visitor = visit(published, browser, data_peers="ask")
    visitor.click("iso")
    wait_for(lambda: visitor.events("progress"), "progress from the mirror")
    assert visitor.page.evaluate(CONNECTIONS_MADE) == 0
    visitor.page.press_button("Use donors")
    wait_for_peer_bytes(visitor)
    visitor.expect_verified()
    assert_saved(visitor, release)

    again = visit(published, browser, data_peers="ask")
    again.click("iso")
    wait_for_peer_bytes(again)  # the answer is kept
    again.expect_verified()


def test_a_page_without_peers_makes_no_connection_and_offers_no_choice(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor = visit(published, chromium("visitor"), data_peers="off")
    visitor.click("iso")
    wait_for(lambda: visitor.events("progress"), "progress")
    assert page_of(visitor).playwright.get_by_label("Mirrors only").count() == 0
    assert bytes_by_kind(visitor.expect_verified())["peer"] == {}
    assert visitor.page.evaluate(CONNECTIONS_MADE) == 0


def test_cancel_delivers_nothing_and_keeps_nothing(published: Published, chromium: Callable[..., Chromium]) -> None:
    visitor = visit(published, chromium("visitor"))
    visitor.click("iso")
    wait_for(lambda: visitor.events("progress"), "progress")
    visitor.page.press_button("Cancel")
    wait_for(lambda: visitor.page.evaluate(_STORED_FILES) == [], "the stored part to be removed")
    wait_for(lambda: visitor.page.evaluate(_OPEN) == 0, "all connections to be closed", timeout_s=5)
    assert visitor.events("verified", "saved", "error", "fallback") == []
    assert visitor.page.downloads() == []


def test_a_second_click_does_not_begin_a_second_download(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    _, release, _ = published
    visitor = visit(published, chromium("visitor"))
    visitor.click("iso")
    wait_for(lambda: visitor.events("start"), "the start")
    visitor.click("iso")
    visitor.expect_verified()
    assert_saved(visitor, release)
    assert len(visitor.events("start")) == 1


def test_a_verified_file_can_be_saved_again(published: Published, chromium: Callable[..., Chromium]) -> None:
    _, release, _ = published
    visitor = visit(published, chromium("visitor"))
    visitor.click("iso")
    visitor.wait_for_event("saved")
    visitor.page.press_button("Save again")
    saved = wait_for(lambda: visitor.page.downloads()[1:], "the second copy")[0]
    assert saved.path.read_bytes() == release.content
    assert saved.name == release.name
