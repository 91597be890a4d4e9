"""Proof e: when something of ours is not available, the plain link or plain HTTP works."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from tests.harness.browser import Page, wait_for_download
from tests.harness.chromium import Chromium, ChromiumPage
from tests.harness.coordinator import Release, make_release
from tests.harness.downloads import assert_saved, bytes_by_kind
from tests.harness.processes import Stage, free_port
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene

_WITHOUT_WEBRTC = "for (const name of ['RTCPeerConnection', 'webkitRTCPeerConnection']) delete window[name];"


Published = tuple[Scene, Release, dict[str, str]]


def publish(stage: Stage) -> Published:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    release = scene.publish("release-1.0.iso", 4 * MIB)
    return scene, release, {"iso": scene.mirrors[0].link(release.name)}


@pytest.fixture(scope="module")
def published(module_stage: Stage) -> Published:
    """For the tests that leave the coordinator alone."""
    return publish(module_stage)


def assert_plainly_saved(page: Page, release: Release) -> None:
    saved = wait_for_download(page)
    assert saved.name == release.name
    assert hashlib.sha256(saved.path.read_bytes()).hexdigest() == release.sha256


def test_without_javascript_the_link_is_a_link(published: Published, chromium: Callable[..., Chromium]) -> None:
    scene, release, links = published
    visitor = scene.visit(chromium("visitor", javascript=False), links)
    visitor.click("iso")
    assert_plainly_saved(visitor.page, release)


def test_a_blocked_script_leaves_the_link_alone(published: Published, chromium: Callable[..., Chromium]) -> None:
    scene, release, links = published
    dead = f'<script src="http://127.0.0.1:{free_port()}/distribute.js" data-select="a.download" async></script>'
    visitor = scene.visit(chromium("visitor"), links, script=dead)
    visitor.click("iso")
    assert_plainly_saved(visitor.page, release)
    assert visitor.events() == []


def test_a_script_with_another_hash_than_pinned_leaves_the_link_alone(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    scene, release, links = published
    visitor = scene.visit(chromium("visitor"), links, attributes={"integrity": "sha384-" + "A" * 64})
    visitor.click("iso")
    assert_plainly_saved(visitor.page, release)
    assert visitor.events() == []


def test_an_unknown_link_is_followed(published: Published, chromium: Callable[..., Chromium]) -> None:
    scene, _, _ = published
    unknown = make_release(scene.served, "unpublished.iso", 1 * MIB)
    visitor = scene.visit(chromium("visitor"), {"iso": scene.mirrors[0].link(unknown.name)})
    visitor.click("iso")
    assert_plainly_saved(visitor.page, unknown)
    assert visitor.wait_for_event("fallback")["detail"]["code"] == "unknown_link"
    assert visitor.events("error", "verified") == []


def test_without_webrtc_mirrors_deliver_it_verified(published: Published, chromium: Callable[..., Chromium]) -> None:
    scene, release, links = published
    visitor = scene.visit(chromium("visitor"), links, init_script=_WITHOUT_WEBRTC)
    assert visitor.page.evaluate("typeof RTCPeerConnection") == "undefined"
    visitor.click("iso")
    verified = visitor.expect_verified()
    assert_saved(visitor, release)
    assert bytes_by_kind(verified) == {"mirror": {links["iso"]: len(release.content)}, "peer": {}}


def test_when_the_coordinator_is_gone_before_the_click_the_link_is_followed(
    stage: Stage, chromium: Callable[..., Chromium]
) -> None:
    scene, release, links = publish(stage)
    visitor = scene.visit(chromium("visitor"), links)
    scene.coordinator.process.kill()
    visitor.click("iso")
    assert_plainly_saved(visitor.page, release)
    assert visitor.wait_for_event("fallback")["detail"]["code"] == "part_unavailable"


def test_when_the_coordinator_goes_between_hover_and_click_the_link_is_followed(
    stage: Stage, chromium: Callable[..., Chromium]
) -> None:
    scene, release, links = publish(stage)
    visitor = scene.visit(chromium("visitor"), links)
    page = visitor.page
    assert isinstance(page, ChromiumPage)
    with page.playwright.expect_response("**/download.js"):
        page.playwright.hover("#iso")
    scene.coordinator.process.kill()
    visitor.click("iso")
    assert_plainly_saved(visitor.page, release)
    assert visitor.wait_for_event("fallback")["detail"]["code"] == "coordinator_unreachable"
