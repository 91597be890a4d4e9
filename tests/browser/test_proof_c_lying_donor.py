"""Proof c: a donor that flips bits. Nothing wrong is delivered; it is banned and named, while an honest one gives."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness.bad_donor import start_bad_donor
from tests.harness.browser import Browser
from tests.harness.donors import open_donor_page, wait_until_held
from tests.harness.downloads import assert_saved, bytes_by_kind
from tests.harness.processes import Stage
from tests.harness.scene import MIB, MirrorPlan, make_scene


def test_a_donor_that_lies_is_banned_and_named(stage: Stage, any_browser: Callable[[str, str], Browser]) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None), MirrorPlan(rate=None)])
    release = scene.publish("release-1.0.iso", 16 * MIB)
    start_bad_donor(scene.coordinator, "lies", stage.folder / "liar", storage="32MB", up="8MB/s")
    wait_until_held(scene.coordinator, 16 * MIB)
    open_donor_page(any_browser("chromium", "donor"), scene.coordinator)
    wait_until_held(scene.coordinator, 28 * MIB, donors=2)
    scene.slow_down("2MB/s")
    visitor = scene.visit(any_browser("chromium", "visitor"), {"iso": scene.mirrors[0].link(release.name)})
    visitor.click("iso")
    verified = visitor.expect_verified()
    assert_saved(visitor, release)
    donors = [entry for entry in verified["detail"]["sources"] if entry["kind"] == "peer"]
    liars = [entry for entry in donors if entry["problem"] == "segment_mismatch"]
    assert len(liars) == 1, donors
    assert liars[0]["bytes"] == 0
    assert bytes_by_kind(verified)["peer"], "the honest donor gave something"
