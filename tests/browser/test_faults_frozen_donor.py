"""A donor's tab that the browser freezes in mid-delivery costs nothing, and gives again when it thaws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.harness.browser import wait_for_value
from tests.harness.chromium import Chromium
from tests.harness.chromium_tabs import run_chromium_tabs
from tests.harness.donors import open_donor_page, wait_until_held
from tests.harness.downloads import Visitor, assert_saved, bytes_by_kind
from tests.harness.processes import Stage, wait_for
from tests.harness.puppeteer import PuppeteerPage
from tests.harness.scene import MIB, MirrorPlan, make_scene

_SIZE_BYTES = 12 * MIB
_COUNT_FREEZES = "void (window.froze = 0, document.addEventListener('freeze', () => { window.froze += 1; }))"


def test_a_frozen_donor_costs_nothing_and_gives_again_when_it_thaws(
    stage: Stage, tmp_path: Path, chromium: Callable[..., Chromium]
) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    (mirror,) = scene.mirrors
    release = scene.publish("release-1.0.iso", _SIZE_BYTES)
    donor = open_donor_page(stage.enter(run_chromium_tabs(tmp_path / "donor")), scene.coordinator)
    assert isinstance(donor, PuppeteerPage)
    wait_until_held(scene.coordinator, _SIZE_BYTES)
    donor.evaluate(_COUNT_FREEZES)
    donor.cover()
    wait_for_value(donor, "document.visibilityState === 'hidden'", "a hidden tab")
    mirror.change(rate="200kB/s")  # a minute alone: it cannot finish before the donor is frozen
    links = {"iso": mirror.link(release.name)}

    first = scene.visit(chromium("first"), links)
    first.click("iso")
    wait_for_peer_bytes(first)
    donor.set_lifecycle("frozen")
    mirror.change(rate="4MB/s")
    first.expect_verified(timeout_s=60)
    assert_saved(first, release)

    mirror.change(rate="200kB/s")
    donor.set_lifecycle("active")
    assert donor.evaluate("window.froze") == 1, "it was frozen indeed"
    second = scene.visit(chromium("second"), links)
    second.click("iso")
    wait_for_peer_bytes(second)


def wait_for_peer_bytes(visitor: Visitor) -> None:
    wait_for(
        lambda: any(bytes_by_kind(event)["peer"] for event in visitor.events("progress")),
        "verified bytes of the donor",
        timeout_s=40,
    )
