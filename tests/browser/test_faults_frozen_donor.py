"""A donor's tab that the browser freezes in mid-delivery costs nothing, and gives again when it thaws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from tests.harness.chromium import Chromium
from tests.harness.donors import open_donor_page, wait_until_held
from tests.harness.downloads import Visitor, assert_saved, bytes_by_kind
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, make_scene

_SIZE_BYTES = 12 * MIB


def test_a_frozen_donor_costs_nothing_and_gives_again_when_it_thaws(
    stage: Stage, chromium: Callable[..., Chromium]
) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    (mirror,) = scene.mirrors
    release = scene.publish("release-1.0.iso", _SIZE_BYTES)
    donor = chromium("donor")
    open_donor_page(donor, scene.coordinator)
    wait_until_held(scene.coordinator, _SIZE_BYTES)
    mirror.change(rate="200kB/s")  # a minute alone: it cannot finish before the donor is frozen
    links = {"iso": mirror.link(release.name)}

    first = scene.visit(chromium("first"), links)
    first.click("iso")
    wait_for_peer_bytes(first)
    set_lifecycle(donor, "frozen")
    mirror.change(rate="4MB/s")
    first.expect_verified(timeout_s=60)
    assert_saved(first, release)

    mirror.change(rate="200kB/s")
    set_lifecycle(donor, "active")
    second = scene.visit(chromium("second"), links)
    second.click("iso")
    wait_for_peer_bytes(second)


def wait_for_peer_bytes(visitor: Visitor) -> None:
    wait_for(
        lambda: any(bytes_by_kind(event)["peer"] for event in visitor.events("progress")),
        "verified bytes of the donor",
        timeout_s=40,
    )


def set_lifecycle(browser: Chromium, state: Literal["frozen", "active"]) -> None:
    """What browsers do to tabs that were in the background for long; timers, events and workers stand still."""
    (page,) = [page for page in browser.context.pages if page.url.endswith("/donate")]
    browser.context.new_cdp_session(page).send("Page.setWebLifecycleState", {"state": state})
