"""Proof f: a failure of integrity is not a failure of availability. It stops, names the error, and offers the plain
link as a choice; it never follows it by itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Route

from tests.harness.broken_publisher import sign_another_digest
from tests.harness.browser import wait_for_download
from tests.harness.chromium import Chromium, ChromiumPage
from tests.harness.coordinator import Release
from tests.harness.downloads import Visitor
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene

# What downloads have left in the private file system.
_STORED_FILES = """(async () => {
  let folder = await navigator.storage.getDirectory();
  for (const name of ["distribute-io", "downloads"]) folder = await folder.getDirectoryHandle(name);
  return Array.fromAsync(folder.keys());
})()"""

_ANOTHER_KEY = "ed25519:" + base64.b64encode(bytes(range(32))).decode()


Published = tuple[Scene, Release, dict[str, str]]


@pytest.fixture(scope="module")
def published(module_stage: Stage) -> Published:
    scene = make_scene(module_stage, [MirrorPlan(rate=None), MirrorPlan(rate=None)])
    release = scene.publish("release-1.0.iso", 6 * MIB)
    return scene, release, {"iso": scene.mirrors[0].link(release.name)}


def assert_it_stopped_and_offers_the_plain_link(visitor: Visitor, href: str) -> None:
    """Nothing was saved and the page is where it was; the panel's own link brings the file when it is chosen."""
    page = visitor.page
    assert isinstance(page, ChromiumPage)
    assert visitor.events("verified", "saved", "fallback") == []
    assert page.downloads() == []
    assert page.evaluate("document.title") == "Releases"
    # The first link is the page's own, any other is the panel's.
    choice = page.playwright.locator(f'a[href="{href}"]').nth(1)
    choice.wait_for(timeout=5_000)
    choice.click()
    wait_for_download(page)


# The panel's link has the address and the attributes of the page's own: also where the selector takes both, the loader
# must leave the panel's alone.
@pytest.mark.parametrize("select", ["a.download", "a[href*=release]"])
def test_a_wrong_pinned_key_is_refused(published: Published, chromium: Callable[..., Chromium], select: str) -> None:
    scene, _, links = published
    visitor = scene.visit(chromium("visitor"), links, attributes={"data-key": _ANOTHER_KEY, "data-select": select})
    visitor.click("iso")
    visitor.expect_error("untrusted_manifest")
    assert_it_stopped_and_offers_the_plain_link(visitor, links["iso"])


def test_a_tampered_manifest_is_refused(published: Published, chromium: Callable[..., Chromium]) -> None:
    scene, _, links = published
    visitor = scene.visit(chromium("visitor"), links)
    page = visitor.page
    assert isinstance(page, ChromiumPage)

    def tamper(route: Route) -> None:
        """What a coordinator that turned bad would do: another digest under the old signature."""
        entry = route.fetch().json()
        payload = json.loads(base64.b64decode(entry["manifests"][0]["payload"]))
        payload["sha256"] = entry["file_id"] = hashlib.sha256(b"something else").hexdigest()
        entry["manifests"][0]["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
        route.fulfill(json=entry, headers={"Access-Control-Allow-Origin": "*"})

    page.playwright.route("**/api/v1/resolve**", tamper)
    visitor.click("iso")
    visitor.expect_error("bad_signature", "untrusted_manifest")
    assert_it_stopped_and_offers_the_plain_link(visitor, links["iso"])


def test_a_whole_digest_that_does_not_fit_the_parts_is_named(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    scene, _, links = published
    visitor = scene.visit(chromium("visitor"), links)
    page = visitor.page
    assert isinstance(page, ChromiumPage)
    sign_another_digest(page, scene.publisher)
    visitor.click("iso")
    visitor.expect_error("file_mismatch")
    # Every part was right, so the browser may have the file; it is not called verified, and our copy is gone.
    assert visitor.events("verified", "saved", "fallback") == []
    assert len(page.started_downloads()) <= 1
    wait_for(lambda: page.evaluate(_STORED_FILES) == [], "an empty store")
    page.playwright.get_by_text("delete it").first.wait_for(timeout=5_000)


def test_when_all_sources_lie_it_stops(published: Published, chromium: Callable[..., Chromium]) -> None:
    scene, _, links = published
    for mirror in scene.mirrors:
        mirror.change(misbehave=["flip"])
    try:
        visitor = scene.visit(chromium("visitor"), links)
        visitor.click("iso")
        visitor.expect_error("all_sources_lie")
    finally:
        for mirror in scene.mirrors:
            mirror.change()
    assert_it_stopped_and_offers_the_plain_link(visitor, links["iso"])
