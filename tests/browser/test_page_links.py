"""Which clicks the snippet takes over, and which it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness.chromium import Chromium, ChromiumPage
from tests.harness.coordinator import Release
from tests.harness.downloads import Visitor, assert_saved
from tests.harness.processes import Stage
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene

Published = tuple[Scene, Release, str]


@pytest.fixture(scope="module")
def published(module_stage: Stage) -> Published:
    scene = make_scene(module_stage, [MirrorPlan(rate=None)])
    release = scene.publish("release-1.0.iso", 1 * MIB)
    return scene, release, scene.mirrors[0].link(release.name)


def page_of(visitor: Visitor) -> ChromiumPage:
    assert isinstance(visitor.page, ChromiumPage)
    return visitor.page


def test_a_link_that_is_added_later_is_taken_over(published: Published, chromium: Callable[..., Chromium]) -> None:
    scene, release, href = published
    visitor = scene.visit(chromium("visitor"), {"plain": href})
    visitor.page.evaluate(
        f"document.body.insertAdjacentHTML('beforeend', `<a id=late class=download href='{href}'><b>late</b></a>`)"
    )
    page_of(visitor).click("#late b")
    visitor.expect_verified()
    assert_saved(visitor, release)


def test_the_keyboard_works_as_the_pointer_does(published: Published, chromium: Callable[..., Chromium]) -> None:
    scene, release, href = published
    visitor = scene.visit(chromium("visitor"), {"iso": href})
    page_of(visitor).playwright.focus("#iso")
    page_of(visitor).playwright.keyboard.press("Enter")
    visitor.expect_verified()
    assert_saved(visitor, release)


def test_a_link_may_name_the_file_by_its_id(published: Published, chromium: Callable[..., Chromium]) -> None:
    scene, release, _ = published
    visitor = scene.visit(
        chromium("visitor"), {"plain": scene.site.url}, attributes={"data-select": "[data-distribute]"}
    )
    visitor.page.evaluate(f"document.getElementById('plain').dataset.distribute = '{release.sha256}'")
    visitor.click("plain")
    visitor.expect_verified()
    assert_saved(visitor, release)


def test_the_loader_without_its_immutable_address_works(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    scene, release, href = published
    tag = (
        f'<script src="{scene.coordinator.url}/distribute.js" data-select="a.download" '
        f'data-key="{scene.publisher.public_key}" async></script>'
    )
    visitor = scene.visit(chromium("visitor"), {"iso": href}, script=tag)
    visitor.click("iso")
    visitor.expect_verified()
    assert_saved(visitor, release)


@pytest.mark.parametrize("modifier", ["Control", "Shift", "Alt", "Meta"])
def test_clicks_with_a_modifier_key_are_the_browsers(
    published: Published, chromium: Callable[..., Chromium], modifier: str
) -> None:
    scene, _, href = published
    visitor = scene.visit(chromium("visitor"), {"iso": href})
    page = page_of(visitor).playwright
    page.evaluate(
        "document.addEventListener('click', (e) => { window.taken = e.defaultPrevented; e.preventDefault(); })"
    )
    page.keyboard.down(modifier)
    page.click("#iso")
    page.keyboard.up(modifier)
    assert page.evaluate("window.taken") is False
    assert visitor.events() == []


def test_a_click_that_the_page_handles_itself_is_the_pages(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    scene, _, href = published
    visitor = scene.visit(chromium("visitor"), {"iso": href})
    visitor.page.evaluate("document.getElementById('iso').addEventListener('click', (e) => e.preventDefault())")
    with page_of(visitor).playwright.expect_response("**/download.js"):
        visitor.click("iso")  # the pointer alone brings the part in
    assert visitor.events() == []
    assert visitor.page.downloads() == []


def test_nothing_is_fetched_and_no_name_is_leaked_before_somebody_comes_near(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    scene, _, href = published
    browser = chromium("visitor")
    names = "JSON.stringify(Object.getOwnPropertyNames(window).sort())"
    bare = scene.visit(browser, {"iso": href}, script="<!-- none -->")
    visitor = scene.visit(browser, {"iso": href})
    page_of(visitor).playwright.wait_for_load_state("networkidle")
    loaded = visitor.page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in loaded if scene.site.url not in name] == [
        name for name in loaded if name.endswith("/distribute.js")
    ]
    assert len([name for name in loaded if name.startswith(scene.coordinator.url)]) == 1
    assert visitor.page.evaluate(names) == bare.page.evaluate(names)


def test_a_page_that_draws_its_own_gets_no_panel(published: Published, chromium: Callable[..., Chromium]) -> None:
    scene, release, href = published
    visitor = scene.visit(chromium("visitor"), {"iso": href}, attributes={"data-ui": "none"})
    visitor.click("iso")
    visitor.expect_verified()
    assert_saved(visitor, release)
    assert visitor.page.evaluate("document.querySelector('distribute-panel')") is None
