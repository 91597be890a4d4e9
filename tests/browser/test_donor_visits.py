"""Takers who connect and leave leave nothing behind in a donor's page.

`python -m bench donor_visits` has a thousand of them, and memory.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.harness.chromium import Chromium
from tests.harness.donors import open_donor_page, wait_until_held
from tests.harness.live_objects import count_objects
from tests.harness.native_taker import NativeTaker, visit_often
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, make_scene

_VISITS = 24


def test_who_connected_and_left_leaves_no_connection(stage: Stage, chromium: Callable[..., Chromium]) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    release = scene.publish("release-1.0.iso", 8 * MIB)
    browser = chromium("donor")
    open_donor_page(browser, scene.coordinator)
    wait_until_held(scene.coordinator, 8 * MIB)
    taker = NativeTaker.of(scene.publisher.manifest_path(release), scene.coordinator, stage.folder)

    visit_often(taker, _VISITS)

    (page,) = [page for page in browser.context.pages if page.url.endswith("/donate")]
    wait_for(
        lambda: page.evaluate("document.getElementById('people').textContent").startswith(f"to {_VISITS} people"),
        "the page's count of them",
    )
    wait_for(lambda: count_objects(page, "RTCPeerConnection") == 0, "a page without connections")
