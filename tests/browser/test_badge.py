"""The badge on somebody else's page: off until a click, and a whole donor in a frame that the browser keeps apart."""

from __future__ import annotations

import html
import re
import urllib.request

import pytest

from tests.harness.browser import wait_for_value
from tests.harness.chromium_tabs import run_chromium_tabs
from tests.harness.coordinator import Coordinator
from tests.harness.donors import wait_until_held
from tests.harness.firefox import run_firefox
from tests.harness.processes import Stage, wait_for
from tests.harness.puppeteer import PuppeteerBrowser, PuppeteerPage
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene

_STATE = "document.getElementById('state').textContent"
_STORED = "navigator.storage.getDirectory().then(async (root) => (await Array.fromAsync(root.keys())).length)"

# What of it can be seen only by scrolling.
_CUT = """[...document.querySelectorAll("#badge, #badge button:not([hidden])")]
  .filter((each) => each.scrollHeight > each.clientHeight + 1 || each.scrollWidth > each.clientWidth + 1)
  .map((each) => each.outerHTML)"""

# A badge counts clicks after a second in plain sight (plain-sight.ts).
_A_WHILE_IN_SIGHT = "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 1500, true)))"


def a_browser(stage: Stage, kind: str) -> PuppeteerBrowser:
    """Neither has the flags by which Playwright switches off the keeping apart of frames."""
    folder = stage.folder / kind
    browser = stage.enter(run_firefox(folder) if kind == "firefox" else run_chromium_tabs(folder))
    stage.add_report(f"console of {kind}", browser.console)
    return browser


def front_page_tag(coordinator: Coordinator) -> str:
    """What the front page shows to copy."""
    with urllib.request.urlopen(f"{coordinator.url}/", timeout=10) as answer:
        shown = re.search('<code id="badge">(.*?)</code>', answer.read().decode())
    assert shown is not None
    return html.unescape(shown[1])


def with_badge(scene: Scene, browser: PuppeteerBrowser, tag: str) -> tuple[PuppeteerPage, PuppeteerPage]:
    """A page of another site with this tag, and the badge in it."""
    page = browser.new_page()
    page.goto(scene.site.write_page("blog.html", links={}, script=tag))
    badge = page.frame("/badge?")
    wait_for_value(badge, "document.getElementById('start').hidden === false", "the badge")
    return page, badge


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_a_badge_donates_from_a_frame_of_another_site(stage: Stage, kind: str) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    scene.publish("release-1.0.iso", 8 * MIB)
    coordinator, browser = scene.coordinator, a_browser(stage, kind)
    tag = front_page_tag(coordinator).replace('"m"', '"l"').replace('"auto"', '"dark"')
    page, badge = with_badge(scene, browser, tag)
    assert page.evaluate("document.querySelector('iframe').width") == "360"
    assert badge.evaluate("document.documentElement.dataset.theme") == "dark"
    assert "site that shows this badge" in badge.evaluate("document.getElementById('per-site').textContent")
    assert badge.evaluate(_STORED) == 0
    assert coordinator.stats()["donors"] == 0, "off until a click"

    wait_for_value(badge, _A_WHILE_IN_SIGHT, "a badge that has been seen long enough")
    badge.press_button("Start…")
    wait_until_held(coordinator, 8 * MIB)
    assert badge.evaluate(_STORED) == 1
    first_party = browser.new_page()
    first_party.goto(f"{coordinator.url}/donate")
    wait_for_value(first_party, f"{_STATE} !== ''", "the donor page")
    assert first_party.evaluate(_STORED) == 0, "browsers keep the two apart, and so do their limits"
    first_party.close()

    badge.press_button("Stop")
    wait_for(lambda: coordinator.stats()["donors"] == 0, "no donor")
    badge.press_button("Stop and erase")
    wait_for_value(badge, f"{_STORED}.then((count) => count === 0)", "an empty store")


def test_each_size_fits_its_frame_and_has_the_colours_that_were_asked_for(stage: Stage) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    browser, tag = a_browser(stage, "chromium"), front_page_tag(scene.coordinator)
    looks = [(size, theme) for size in ("s", "m", "l") for theme in ("light", "dark")]
    tags = [tag.replace('"m"', f'"{size}"').replace('"auto"', f'"{theme}"') for size, theme in looks]
    page = browser.new_page()
    page.goto(scene.site.write_page("blog.html", links={}, script="\n".join(tags)))
    for size, theme in looks:
        page.evaluate(f"document.querySelector('iframe[src*=\"size={size}&theme={theme}\"]').scrollIntoView()")
        badge = page.frame(f"size={size}&theme={theme}")
        wait_for_value(badge, "document.getElementById('start').hidden === false", f"the badge {size}, {theme}")
        assert badge.evaluate(_CUT) == [], f"{size}, {theme}"
        assert badge.evaluate("getComputedStyle(document.getElementById('badge')).colorScheme") == theme


def test_a_badge_that_the_page_hides_does_not_start(stage: Stage) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    frame = (
        f'<iframe src="{scene.coordinator.url}/badge?size=m" style="opacity: 0.01" width="320" height="250"></iframe>'
    )
    _page, badge = with_badge(scene, a_browser(stage, "chromium"), frame)
    wait_for_value(badge, _A_WHILE_IN_SIGHT, "a badge that would have been seen long enough")
    badge.press_button("Start…")
    wait_for_value(badge, f"{_STATE}.includes('does not count')", "the refusal")
    assert scene.coordinator.stats()["donors"] == 0
