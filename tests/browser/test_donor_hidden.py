"""A donor's tab gives as much when it is hidden as when it is in sight, for a minute, in both browsers at once.

`python -m bench donor_page -- hidden --hidden-s 600` has it for longer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.browser import Page, wait_for_value
from tests.harness.chromium import Chromium
from tests.harness.chromium_tabs import run_chromium_tabs
from tests.harness.donors import wait_until_held
from tests.harness.firefox import run_firefox
from tests.harness.processes import Stage, wait_for
from tests.harness.puppeteer import PuppeteerPage
from tests.harness.received_bytes import COUNT_RECEIVED, Sample, mean_rate, received
from tests.harness.scene import MIB, MirrorPlan, make_scene

# The slowest step of the page's slider: two donors at this rate take longer than the test for the file.
_RATE_BYTES_PER_S = 64_000
_SIZE_BYTES = 15 * MIB
_VISIBLE_S = 6
_HIDDEN_S = 60
_HELD_BACK_S = 8
"""After this Chromium holds a hidden tab's timers back (chromium_tabs.py)."""

_KEY = "localStorage['distribute-io:donor']"
_SETTINGS = {"storageBytes": 16_000_000, "upBytesPerS": 8_000_000}
_CHOSEN = f"""
delete window.PressureObserver;  // other tests press the processors, for which a donor gives less
{_KEY} ??= {json.dumps(json.dumps(_SETTINGS))};
"""
_SLOWED = f"void ({_KEY} = JSON.stringify({{ ...JSON.parse({_KEY}), upBytesPerS: {_RATE_BYTES_PER_S} }}))"


@pytest.mark.timeout(240)
def test_a_hidden_tab_gives_as_much_as_one_in_sight(
    stage: Stage, tmp_path: Path, chromium: Callable[..., Chromium]
) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    release = scene.publish("release-1.0.iso", _SIZE_BYTES)
    (mirror,) = scene.mirrors
    browsers = [stage.enter(run_chromium_tabs(tmp_path / "chromium")), stage.enter(run_firefox(tmp_path / "firefox"))]
    donors: list[PuppeteerPage] = []
    for browser in browsers:
        page = browser.new_page(init_script=_CHOSEN)
        page.goto(f"{scene.coordinator.url}/donate")
        page.press_button("Start…")
        donors.append(page)
    wait_until_held(scene.coordinator, 2 * _SIZE_BYTES, donors=2)
    for page in donors:  # filled quickly, from each other; left on, they come back with what was chosen now
        page.evaluate(_SLOWED)
        page.goto(f"{scene.coordinator.url}/donate")
    wait_until_held(scene.coordinator, 2 * _SIZE_BYTES, donors=2)

    mirror.change(rate="1kB/s")
    visitor = scene.visit(chromium("taker"), {"iso": mirror.link(release.name)}, init_script=COUNT_RECEIVED)
    visitor.click("iso")
    wait_for(lambda: rate_of(received(visitor.page), 2) > 1.5 * _RATE_BYTES_PER_S, "both donors to give")
    visible = rate_over(visitor.page, _VISIBLE_S)
    for page in donors:
        page.cover()
        wait_for_value(page, "document.visibilityState === 'hidden'", "a hidden tab")
    time.sleep(_HELD_BACK_S)
    hidden = rate_over(visitor.page, _HIDDEN_S)

    assert not visitor.events("verified"), "the file is too small for this test"
    assert hidden >= 0.8 * visible


def rate_of(found: list[Sample], last_s: int) -> float:
    """Bytes per second of late."""
    return mean_rate(found, found[-1][0] - 1_000 * last_s, found[-1][0]) if len(found) > 2 else 0.0


def rate_over(page: Page, seconds: int) -> float:
    """Bytes per second over the next seconds, which are what this test is about."""
    from_ms = round(time.time() * 1_000)
    time.sleep(seconds)
    return mean_rate(received(page), from_ms, round(time.time() * 1_000))
