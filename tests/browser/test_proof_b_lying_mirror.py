"""Proof b: a mirror that flips a bit in every segment. Nothing wrong is delivered; it is banned and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.harness.browser import Page
from tests.harness.chromium import Chromium
from tests.harness.downloads import Event, assert_saved
from tests.harness.processes import Stage
from tests.harness.scene import MIB, MirrorPlan, make_scene


def test_a_mirror_that_flips_bits_is_banned_and_named(stage: Stage, chromium: Callable[..., Chromium]) -> None:
    scene = make_scene(stage, [MirrorPlan(rate="3MB/s"), MirrorPlan(rate="6MB/s")])
    good, bad = scene.mirrors
    release = scene.publish("release-1.0.iso", 16 * MIB)
    bad.change(misbehave=["flip"], rate="6MB/s")  # after publishing: its claim was checked while it was honest
    visitor = scene.visit(chromium("visitor"), {"iso": good.link(release.name)})
    visitor.click("iso")
    verified = visitor.expect_verified()
    assert_saved(visitor, release)
    liar = source(verified, bad.url)
    assert liar["problem"] == "segment_mismatch"
    assert liar["bytes"] == 0
    assert source(verified, good.url)["bytes"] == len(release.content)
    assert bad.url.removeprefix("http://") in panel_text(visitor.page), "the panel names the liar"


def source(event: Event, source_id: str) -> dict[str, Any]:  # Any: JSON of the page
    """The one source of an event whose id begins so."""
    found = [entry for entry in event["detail"]["sources"] if entry["id"].startswith(source_id)]
    assert len(found) == 1, event
    entry: dict[str, Any] = found[0]  # Any: as above
    return entry


def panel_text(page: Page) -> str:
    """All text of the panel, in the shadow roots of the page."""
    text: str = page.evaluate(
        "[...document.querySelectorAll('*')].filter((e) => e.shadowRoot).map((e) => e.shadowRoot.textContent).join(' ')"
    )
    return text
