"""The donor page as a person meets it: off until a click, one per browser, and gone without a trace."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.browser import Browser, Page, wait_for_value
from tests.harness.coordinator import Coordinator, run_dio_well
from tests.harness.donors import open_donor_page, return_to_donor_page, wait_until_held
from tests.harness.firefox import run_firefox
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene

StartBrowser = Callable[[str, str], Browser]

_STATE = "document.getElementById('state').textContent"
_BUTTONS = "[...document.querySelectorAll('button')].filter((b) => b.checkVisibility()).map((b) => b.textContent)"
_RATE_NOTE = "document.getElementById('rate-note').textContent"
_MEMORY = "localStorage['distribute-io:donor']"
# The five seconds in which a measured rate can be changed do not end by themselves.
_NO_HURRY = """void ((later) => {
  window.setTimeout = (run, ms, ...rest) => (ms === 5000 ? 0 : later(run, ms, ...rest));
})(window.setTimeout.bind(window))"""
_STORED = "navigator.storage.getDirectory().then(async (root) => (await Array.fromAsync(root.keys())).length)"


def small_scene(stage: Stage) -> Scene:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    scene.publish("release-1.0.iso", 8 * MIB)
    return scene


def wait_until_donors(coordinator: Coordinator, donors: int) -> None:
    wait_for(lambda: coordinator.stats()["donors"] == donors, f"{donors} donors")


def donor_page(browser: Browser, coordinator: Coordinator) -> Page:
    page = browser.new_page()
    page.goto(f"{coordinator.url}/donate")
    wait_for_value(page, f"{_STATE} !== ''", "the donor page's state")
    return page


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_it_is_off_until_a_click_and_comes_back_only_if_it_was_left_on(
    stage: Stage, any_browser: StartBrowser, kind: str
) -> None:
    scene = small_scene(stage)
    coordinator = scene.coordinator
    page = donor_page(any_browser(kind, "donor"), coordinator)
    assert page.evaluate(_BUTTONS) == ["Start donating"]
    lead = page.evaluate("document.querySelector('.lead').innerText")
    assert lead.count(". ") == 1, "two sentences"
    assert "can see your network (IP) address" in lead
    assert page.evaluate(_STORED) == 0
    assert coordinator.stats()["donors"] == 0

    page.evaluate(_NO_HURRY)
    page.press_button("Start…")
    wait_for_value(page, f"{_STATE}.startsWith('Your line sends')", "the measured upload")
    assert page.evaluate(f"JSON.parse({_MEMORY}).rateKnown"), "who stops now is not measured again"
    assert "a quarter of that" in page.evaluate(_RATE_NOTE)
    assert page.evaluate(_BUTTONS) == ["Start donating", "Stop"]
    assert coordinator.stats()["donors"] == 0, "nothing is given before the rate was to be seen"
    page.press_button("Start…")
    wait_until_held(coordinator, 8 * MIB)
    pushed = sum(mirror.bytes_sent() for mirror in scene.mirrors)
    page.goto(f"{coordinator.url}/donate")
    wait_for_value(page, f"{_STATE}.startsWith('On')", "the donor to come back by itself")
    wait_until_held(coordinator, 8 * MIB)
    assert sum(mirror.bytes_sent() for mirror in scene.mirrors) == pushed, "nothing is sent twice"

    page.press_button("Stop")
    wait_until_donors(coordinator, 0)
    wait_for_value(page, f"{_STATE}.startsWith('Stopped')", "the word that it has stopped")
    assert page.evaluate("document.getElementById('served-ever').checkVisibility()"), "what was given stays to be seen"
    page.goto(f"{coordinator.url}/donate")
    wait_for_value(page, f"{_STATE}.startsWith('Off')", "a donor that stays off")
    assert page.evaluate(_STORED) == 1, "what was stored is kept"
    page.press_button("Stop and erase")
    wait_for_value(page, f"{_STORED}.then((count) => count === 0)", "an empty store")
    assert "erased" in page.evaluate(_STATE)
    assert not page.evaluate("document.getElementById('live').checkVisibility()")


def test_a_second_tab_shows_the_first_and_can_stop_it(stage: Stage, any_browser: StartBrowser) -> None:
    coordinator = small_scene(stage).coordinator
    browser = any_browser("chromium", "donor")
    first = open_donor_page(browser, coordinator)
    wait_until_held(coordinator, 8 * MIB)
    second = donor_page(browser, coordinator)
    wait_for_value(
        second, "document.getElementById('held-size').textContent.startsWith('8.4')", "the first tab's figures"
    )
    assert "nother tab" in second.evaluate(_STATE)
    assert second.evaluate(_BUTTONS) == ["Stop"]
    assert coordinator.stats()["donors"] == 1

    # A code that is taken over in one tab counts in the other, which does not write its own over it.
    code, other = "document.getElementById('tally-code').textContent", "0f" * 16
    own = first.evaluate(code)
    second.evaluate(f"void ({_MEMORY} = JSON.stringify({{ ...JSON.parse({_MEMORY}), tallySecret: '{other}' }}))")
    wait_for_value(first, f"{code} !== {json.dumps(own)}", "the other code")

    second.press_button("Stop")
    wait_until_donors(coordinator, 0)
    for page in (first, second):
        wait_for_value(page, f"{_BUTTONS}.includes('Start donating')", "a tab that is off")
    assert first.evaluate(f"JSON.parse({_MEMORY}).tallySecret") == other


def test_a_second_tab_may_follow_when_the_first_is_closed(stage: Stage, any_browser: StartBrowser) -> None:
    coordinator = small_scene(stage).coordinator
    browser = any_browser("chromium", "donor")
    first = open_donor_page(browser, coordinator)
    wait_until_held(coordinator, 8 * MIB)
    second = donor_page(browser, coordinator)
    wait_for_value(second, f"{_STATE}.includes('nother tab')", "the notice of the first tab")
    first.close()
    wait_for_value(second, f"{_BUTTONS}.includes('Start donating')", "the end of the first tab")
    second.press_button("Start…")
    wait_until_held(coordinator, 8 * MIB)

    # Whoever unticks the last cause gives to nobody any more, and is told so.
    second.evaluate("document.querySelector('fieldset input').click()")
    wait_until_donors(coordinator, 0)
    wait_for_value(second, f"{_STATE}.startsWith('Stopped, since no cause')", "the word that it has stopped")
    assert second.evaluate("document.getElementById('start').disabled")


def test_a_days_limit_is_kept_and_a_crash_does_not_double_it(stage: Stage, any_browser: StartBrowser) -> None:
    limit, month = 3_000_000, 30_000_000
    scene = make_scene(stage, [MirrorPlan(rate="8MB/s")])
    release = scene.publish("release-1.0.iso", 12 * MIB)
    coordinator = scene.coordinator
    budgets = {"dailyBytes": limit, "monthlyBytes": month}
    chosen = {"storageBytes": 16_000_000, "upBytesPerS": 4_000_000, "causes": [], "allowance": budgets}
    seed = f"localStorage['distribute-io:donor'] ??= {json.dumps(json.dumps(chosen))}"
    browser = any_browser("chromium", "donor")
    page = browser.new_page(init_script=seed)
    page.goto(f"{coordinator.url}/donate")
    page.press_button("Start…")
    wait_until_held(coordinator, 12 * MIB)
    scene.mirrors[0].change(rate="1MB/s")

    def taken(name: str) -> int:
        words: list[str | Path] = [scene.publisher.manifest_path(release), "-o", stage.folder / name, "--json"]
        words += ["--coordinator", coordinator.url, "--pin", scene.publisher.public_key]
        report = json.loads(run_dio_well("get", *words, timeout_s=60))
        return sum(source["bytes"] for source in report["bytes_by_source"] if source["kind"] == "peer")

    given = taken("first")
    # Whole segments count, frames that were on their way do not: a little less than the limit allows.
    assert 1 * MIB <= given <= limit
    wait_for_value(page, f"{_STATE}.includes('resting')", "the donor to rest")
    assert coordinator.stats()["donors"] == 1, "it goes on holding"

    browser.kill()
    wait_until_donors(coordinator, 0)
    page = return_to_donor_page(any_browser("chromium", "donor"), coordinator, script=seed)
    wait_for_value(page, f"{_STATE}.includes('resting')", "the donor to rest after a crash, too")
    left = re.search(
        r", 0 byte left today, ([\d.]+) MB left this month$",
        page.evaluate("document.getElementById('left-today').textContent"),
    )
    assert left is not None
    assert float(left[1]) * 1_000_000 <= month - given, "the budget of the month goes on, too"
    scene.mirrors[0].change(rate="8MB/s")
    assert taken("second") == 0


def test_firefox_is_asked_to_keep_what_is_stored_by_a_button(stage: Stage, tmp_path: Path) -> None:
    coordinator = small_scene(stage).coordinator
    # What the browser's own question is answered with.
    answers = {"dom.storageManager.prompt.testing": True, "dom.storageManager.prompt.testing.allow": True}
    page = open_donor_page(stage.enter(run_firefox(tmp_path / "donor", prefs=answers)), coordinator)
    wait_for_value(page, f"{_BUTTONS}.includes('Ask the browser to keep it')", "the button")
    assert page.evaluate("navigator.storage.persisted()") is False, "nobody is asked what they did not ask for"
    page.press_button("Ask the browser to keep it")
    wait_for_value(page, "document.getElementById('kept').textContent.includes('until you erase')", "the answer")
    assert page.evaluate("navigator.storage.persisted()") is True
    assert "Ask the browser to keep it" not in page.evaluate(_BUTTONS)


def test_without_a_secure_context_it_says_in_words_what_is_missing(stage: Stage, any_browser: StartBrowser) -> None:
    coordinator = small_scene(stage).coordinator
    page = any_browser("chromium", "donor").new_page(
        init_script="Object.defineProperty(window, 'isSecureContext', { value: false })"
    )
    page.goto(f"{coordinator.url}/donate")
    words = wait_for_value(page, "document.getElementById('unavailable').textContent", "the words")
    assert "https" in words
    assert page.evaluate(_BUTTONS) == []
