"""Proof d: bytes do not need the coordinator. It is killed in the middle, and comes back to donors who lost nothing."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness.browser import Browser
from tests.harness.donors import open_donor_page, start_headless_donor, wait_until_filled, wait_until_held
from tests.harness.downloads import assert_saved, bytes_by_kind
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, make_scene


def test_a_download_survives_kill_9_and_donors_come_back_with_what_they_hold(
    stage: Stage, any_browser: Callable[[str, str], Browser]
) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None), MirrorPlan(rate=None)])
    release = scene.publish("release-1.0.iso", 24 * MIB)
    open_donor_page(any_browser("chromium", "donor"), scene.coordinator)
    start_headless_donor(scene.coordinator, stage.folder / "headless")
    held_before = wait_until_filled(scene.coordinator, 24 * MIB, donors=2)
    scene.slow_down("2MB/s")
    pushed_before = scene.coordinator.stats()["bytes_pushed"]

    visitor = scene.visit(any_browser("chromium", "visitor"), {"iso": scene.mirrors[0].link(release.name)})
    visitor.click("iso")
    wait_for(
        lambda: any(sum(bytes_by_kind(event)["peer"].values()) for event in visitor.events("progress")),
        "the first bytes from a donor",
    )
    scene.coordinator.process.kill()
    received = visitor.events()[-1]["detail"]["receivedBytes"]
    assert received < len(release.content), "the download was over before the coordinator was killed"
    visitor.expect_verified()
    assert_saved(visitor, release)

    sent_before = sum(mirror.bytes_sent() for mirror in scene.mirrors)
    scene.coordinator.start()
    wait_until_held(scene.coordinator, held_before, donors=2, timeout_s=40)
    assert scene.coordinator.stats()["bytes_held"] == held_before
    # Nothing was pushed twice: by the coordinator's books, and by what the mirrors have really sent.
    assert scene.coordinator.stats()["bytes_pushed"] == pushed_before
    assert sum(mirror.bytes_sent() for mirror in scene.mirrors) == sent_before
