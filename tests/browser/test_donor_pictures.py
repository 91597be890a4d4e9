"""The donor page in every state, on phone and desktop, light and dark: what a machine can find wrong with the pictures.

The pictures lie in the test's folder (`pytest --basetemp=FOLDER tests/browser/test_donor_pictures.py` keeps them): look
at them after a change.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from tests.harness.browser import wait_for_value
from tests.harness.chromium import Chromium, ChromiumPage
from tests.harness.donors import wait_until_held
from tests.harness.processes import Stage
from tests.harness.scene import MIB, MirrorPlan, make_scene

_AXE = Path(__file__).parents[2] / "client" / "node_modules" / "axe-core" / "axe.min.js"
_SIZES = {"phone": (360, 740), "desktop": (1280, 900)}
_STATE = "document.getElementById('state').textContent"
_WIDER = "document.documentElement.scrollWidth > innerWidth"
_TOO_SMALL = """[...document.querySelectorAll("button, summary, select, input[type=range], .check, fieldset label")]
  .filter((target) => target.checkVisibility() && target.getBoundingClientRect().height < 43.5)
  .map((target) => target.outerHTML)"""
_VIOLATIONS = """axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => [id, ...nodes.map(({ html, failureSummary }) => html + failureSummary)]))"""


# States that pass, held; and what a device tells that this one does not.
_NO_ANSWER = """
const asked = window.fetch;
window.fetch = (url, init) => (String(url).includes("upload-probe") ? new Promise(() => undefined) : asked(url, init));
"""
_NO_HURRY = """
const later = window.setTimeout;
window.setTimeout = (run, ms, ...rest) => (ms === 5000 ? 0 : later(run, ms, ...rest));
"""
_NO_LOCK_YET = "navigator.locks.request = () => new Promise(() => undefined);"
_ON_BATTERY = "navigator.getBattery = () => Promise.resolve(Object.assign(new EventTarget(), { charging: false }));"
_MOBILE = "Object.defineProperty(navigator.connection, 'saveData', { value: true });"


class Look(Protocol):
    """Takes pictures of a state."""

    def __call__(self, page: ChromiumPage, state: str, *, judged: bool = False) -> None: ...


@pytest.fixture
def photographed(tmp_path: Path) -> Look:
    """Takes the pictures of one state; `judged`: by axe as well, which takes a second each."""
    assert _AXE.is_file(), "axe-core is not there: `make setup` installs client/node_modules"
    axe = _AXE.read_text()

    def look(page: ChromiumPage, state: str, *, judged: bool = False) -> None:
        if judged:
            page.playwright.evaluate(axe)
        for size, (width, height) in _SIZES.items():
            page.playwright.set_viewport_size({"width": width, "height": height})
            assert not page.evaluate(_WIDER), f"{state}: wider than a {size}"
            assert page.evaluate(_TOO_SMALL) == [], f"{state}, {size}"
            for scheme in ("light", "dark"):
                page.playwright.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                page.playwright.screenshot(path=tmp_path / f"{state}-{size}-{scheme}.png", full_page=True)
                if judged and size == "phone":
                    assert page.evaluate(_VIOLATIONS) == [], f"{state}, {scheme}"

    return look


@pytest.mark.timeout(240)
def test_no_state_is_too_wide_too_small_or_too_pale(
    stage: Stage, chromium: Callable[..., Chromium], photographed: Look
) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    scene.publish("release-with-a-long-name-that-nobody-would-type-1.0-netinst-amd64.iso", 12 * MIB)
    coordinator = scene.coordinator
    browser = chromium("donor")

    def opened(
        words: str, *, start: bool = True, rate_known: bool = True, script: str = "", **limits: object
    ) -> ChromiumPage:
        chosen = {
            "storageBytes": 16_000_000,
            "upBytesPerS": 4_000_000,
            "rateKnown": rate_known,
            "allowance": limits,
        }
        seed = f"localStorage['distribute-io:donor'] = {json.dumps(json.dumps(chosen))};"
        page = browser.new_page(init_script=seed + script)
        page.goto(f"{coordinator.url}/donate")
        wait_for_value(page, "document.querySelector('fieldset').childElementCount === 1", "the causes")
        if start:
            page.press_button("Start…")
        wait_for_value(page, f"{_STATE}.includes({json.dumps(words)})", f"the state {words}")
        return page

    before = opened("Off", start=False)
    before.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    photographed(before, "before", judged=True)
    before.close()
    measuring = opened("Measuring", rate_known=False, script=_NO_ANSWER)
    photographed(measuring, "measuring")
    measuring.close()
    measured = opened("Your line sends", rate_known=False, script=_NO_HURRY)
    photographed(measured, "measured")
    measured.close()
    starting = opened("Starting", script=_NO_LOCK_YET)
    photographed(starting, "starting")
    starting.close()
    failed = opened("ended", script="navigator.locks.request = () => Promise.reject(new Error('forbidden'));")
    photographed(failed, "error")
    failed.close()
    used = opened("limit is used up", dailyBytes=0)
    photographed(used, "limit-reached")
    used.close()
    battery = opened("until this device is charging", script=_ON_BATTERY, whileCharging=True)
    photographed(battery, "battery")
    battery.close()
    metered = opened("mobile data", script=_MOBILE, unmetered=True)
    photographed(metered, "metered")
    metered.close()
    later = time.localtime().tm_hour + 2
    paused = opened("hours that you chose", hours=[later % 24 * 60, (later + 1) % 24 * 60])
    photographed(paused, "paused")
    second = browser.new_page()
    second.goto(f"{coordinator.url}/donate")
    wait_for_value(second, f"{_STATE}.includes('nother tab')", "the second tab")
    photographed(second, "elsewhere")
    second.close()
    paused.close()
    running = opened("On")
    wait_until_held(coordinator, 12 * MIB)
    wait_for_value(running, "document.getElementById('kept').textContent", "what becomes of the store")
    wait_for_value(running, "document.querySelectorAll('.map rect').length > 0", "the map")
    photographed(running, "running", judged=True)
    coordinator.process.kill()
    wait_for_value(running, f"{_STATE}.includes('does not answer')", "the word about the coordinator", timeout_s=60)
    photographed(running, "offline")
    running.goto(f"{coordinator.url}/donate")  # what was kept when it was started opens without the network
    wait_for_value(running, f"{_STATE}.startsWith('Off')", "the page without its coordinator")
    photographed(running, "without-network")
