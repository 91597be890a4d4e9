"""`data-share`: a page that has downloaded gives to others what it has, as far and as long as its visitor wants it.

Everything comes from one mirror that is fast for who downloads first, and next to nothing for who comes then.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.harness.browser import Browser
from tests.harness.chromium import Chromium
from tests.harness.coordinator import Release
from tests.harness.downloads import KEEP_CONNECTIONS, Visitor, assert_saved, bytes_by_kind
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene

_OPEN = "window.connections.filter((connection) => connection.connectionState !== 'closed').length"
_STRIP = """(() => {
  const strip = document.querySelector("distribute-panel")?.shadowRoot.querySelector(".share");
  return strip?.checkVisibility() ? strip.textContent : "";
})()"""

Published = tuple[Scene, Release]


@pytest.fixture
def published(stage: Stage) -> Published:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    return scene, scene.publish("release-1.0.iso", 8 * MIB)


def visit(published: Published, browser: Browser, **attributes: str) -> Visitor:
    scene, release = published
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    links = {"iso": scene.mirrors[0].link(release.name)}
    return scene.visit(browser, links, attributes=named, init_script=KEEP_CONNECTIONS)


def peer_bytes(visitor: Visitor) -> int:
    events = visitor.events("progress")
    return sum(bytes_by_kind(events[-1])["peer"].values()) if events else 0


def has_donors(visitor: Visitor) -> bool:
    sources = visitor.events("progress")[-1]["detail"]["sources"]
    return any(source["kind"] == "peer" and source["state"] == "ready" for source in sources)


def wait_for_strip(visitor: Visitor, *words: str) -> str:
    def text() -> str:
        shown: str = visitor.page.evaluate(_STRIP)
        return shown if all(word in shown for word in words) else ""

    return wait_for(text, f"the panel to say {words}")


def test_who_has_downloaded_gives_when_asked_until_stopped_and_again(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    scene, release = published
    first = visit(published, chromium("first"))
    first.click("iso")
    first.expect_verified()
    wait_for_strip(first, "Help others while this page is open?", "1 MB/s and 2 GB a day")
    scene.mirrors[0].change(rate="20kB/s")

    second = visit(published, chromium("second"))
    second.click("iso")
    wait_for(lambda: second.events("progress"), "progress")
    assert peer_bytes(second) == 0, "nothing before the answer"
    first.page.press_button("Help others")
    wait_for(lambda: peer_bytes(second) >= MIB, "bytes of the page that shares")
    wait_for_strip(first, "to 1 person")

    first.page.press_button("Stop")
    assert first.page.evaluate(_OPEN) == 0, "stop ends it at once"
    wait_for_strip(first, "You are not helping others")
    wait_for(lambda: not has_donors(second), "the other end to be without a donor")
    assert not second.events("verified")

    first.page.press_button("Help others")
    second.expect_verified()
    assert_saved(second, release)
    shares = bytes_by_kind(second.events("verified")[0])
    assert sum(shares["peer"].values()) > 6 * MIB

    # The answer sticks; and what is closed does not give.
    first.page.press_button("Close")
    wait_for_strip(first, "given to 1 person")  # the panel stays while it gives: what was given is there to see
    again = visit(published, chromium("third"), data_share="off")
    scene.mirrors[0].change(rate=None)
    again.click("iso")
    again.expect_verified()
    assert again.page.evaluate(_STRIP) == "", "a page without sharing does not ask"


def test_firefox_gives_what_it_has_downloaded(
    published: Published, chromium: Callable[..., Chromium], any_browser: Callable[[str, str], Browser]
) -> None:
    scene, _ = published
    first = visit(published, any_browser("firefox", "first"))
    first.click("iso")
    first.expect_verified()
    scene.mirrors[0].change(rate="20kB/s")
    second = visit(published, chromium("second"), data_share="off")
    second.click("iso")
    wait_for_strip(first, "Help others while this page is open?")
    first.page.press_button("Help others")
    wait_for(lambda: peer_bytes(second) >= MIB, "bytes of the Firefox that shares")
    wait_for_strip(first, "to 1 person")
    first.page.press_button("Stop")
    assert first.page.evaluate(_OPEN) == 0, "stop ends it at once"
    wait_for(lambda: not has_donors(second), "the other end to be without a donor")
    assert not second.events("verified")


def test_a_page_that_shares_without_asking_gives_while_it_downloads(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    scene, _ = published
    scene.mirrors[0].change(rate="400kB/s")
    first = visit(published, chromium("first"), data_share="on")
    second = visit(published, chromium("second"), data_share="off")
    first.click("iso")
    wait_for_strip(first, "Stop")
    second.click("iso")
    wait_for(lambda: peer_bytes(second) > 0, "bytes of a page that is not finished")
    assert not first.events("verified")


def test_who_wants_mirrors_only_gives_nothing_either(published: Published, chromium: Callable[..., Chromium]) -> None:
    scene, _ = published
    visitor = visit(published, chromium("first"), data_share="on")
    scene.mirrors[0].change(rate="400kB/s")
    visitor.click("iso")
    wait_for_strip(visitor, "Stop")
    visitor.page.click("distribute-panel label:has-text('Mirrors only')")
    wait_for(lambda: visitor.page.evaluate(_STRIP) == "", "sharing to end")
    assert visitor.page.evaluate(_OPEN) == 0


def test_a_page_of_its_own_shares_by_the_module_and_stops(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    scene, release = published
    first = scene.visit(chromium("first"), {}, script="<!-- no tag -->", init_script=KEEP_CONNECTIONS)
    first.page.evaluate(f"""(async () => {{
      const {{ download, stopSharing }} = await import({json.dumps(scene.coordinator.url + "/v/latest/index.js")});
      window.stopSharing = stopSharing;
      await download({json.dumps(release.sha256)}, {{
        coordinator: {json.dumps(scene.coordinator.url)}, key: {json.dumps(scene.publisher.public_key)},
        share: "on", onShare: (state) => (window.sharing = state),
      }});
    }})()""")
    wait_for(lambda: first.page.evaluate("window.sharing?.status?.session") == "online", "the page to share")
    scene.mirrors[0].change(rate="20kB/s")
    second = visit(published, chromium("second"), data_share="off")
    second.click("iso")
    wait_for(lambda: peer_bytes(second) > 0, "bytes of the page that shares")
    assert first.page.evaluate("window.sharing.status.people") == 1
    first.page.evaluate("window.stopSharing()")
    assert first.page.evaluate(f"[window.sharing.is, {_OPEN}]") == ["off", 0]
