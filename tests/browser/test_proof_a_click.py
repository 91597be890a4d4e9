"""Proof a: a click on a page of another origin brings the verified file, from mirrors and from donors at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.browser import Browser, wait_for_download
from tests.harness.donors import open_donor_page, wait_until_held
from tests.harness.downloads import assert_events_are_in_order, assert_saved, bytes_by_kind
from tests.harness.processes import Stage
from tests.harness.scene import MIB, make_scene


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_a_click_brings_the_file_from_two_mirrors_and_a_browser_donor(
    stage: Stage, any_browser: Callable[[str, str], Browser], kind: str
) -> None:
    scene = make_scene(stage)
    release = scene.publish("release-1.0.iso", 24 * MIB)
    other = scene.publish("handbook.pdf", 1 * MIB)
    open_donor_page(any_browser(kind, "donor"), scene.coordinator)
    wait_until_held(scene.coordinator, 14_000_000)
    sent_before = [mirror.bytes_sent() for mirror in scene.mirrors]

    first, second = scene.mirrors
    links = {"iso": first.link(release.name), "pdf": second.link(other.name), "plain": second.link(other.name)}
    visitor = scene.visit(any_browser(kind, "visitor"), links)
    visitor.click("iso")
    verified = visitor.expect_verified()
    assert_saved(visitor, release)
    visitor.wait_for_event("saved")

    events = visitor.events()
    assert_events_are_in_order(events, release, "iso")
    assert verified["detail"]["sha256"] == release.sha256
    assert verified["detail"]["signedBy"] == scene.publisher.public_key
    shares = bytes_by_kind(verified)
    assert len(shares["mirror"]) == 2, shares
    assert sum(shares["peer"].values()) >= 1 * MIB, shares
    # The figures are true: no mirror is credited with more than it has sent.
    for mirror, before in zip(scene.mirrors, sent_before, strict=True):
        credited = sum(size for source, size in shares["mirror"].items() if source.startswith(mirror.url))
        assert 0 < credited <= mirror.bytes_sent() - before


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_a_link_that_is_not_selected_is_left_alone(
    stage: Stage, any_browser: Callable[[str, str], Browser], kind: str
) -> None:
    scene = make_scene(stage)
    release = scene.publish("release-1.0.iso", 2 * MIB)
    href = scene.mirrors[0].link(release.name)
    visitor = scene.visit(any_browser(kind, "visitor"), {"iso": href, "plain": href})
    visitor.click("plain")
    saved = wait_for_download(visitor.page)
    assert saved.path.read_bytes() == release.content
    assert visitor.events() == []
    assert visitor.page.evaluate("document.getElementById('plain').href") == href
