"""The panel for everybody: by keyboard, by ear, in forced colours, on narrow windows, on pages with their own styles.

Most of it runs on `client/tests/ui/gallery.ts`, which draws the real panel in any state without a download.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import BOTH, StartBrowser
from tests.harness.browser import Browser, Page, wait_for_value
from tests.harness.chromium import Chromium, ChromiumPage
from tests.harness.processes import Stage
from tests.harness.puppeteer import find_node
from tests.harness.scene import MIB, MirrorPlan, make_scene
from tests.harness.site import Site, start_site

_CLIENT = Path(__file__).parents[2] / "client"
_SCENES = (
    "before",
    "asked",
    "running",
    "paused",
    "verified",
    "listed",
    "save_waits",
    "stopped",
    "followed",
    "nobody",
    "elsewhere",
    "no_room",
    "share_asked",
    "sharing",
    "share_off",
    "unfinished",
)

_SHADOW = "document.querySelector('distribute-panel').shadowRoot"
_PANEL_IS_THERE = "document.querySelector('distribute-panel') !== null"
# The name of what has the focus, through the shadow root.
_FOCUSED = f"""(() => {{
  const inner = document.querySelector('distribute-panel') && {_SHADOW}.activeElement;
  const focused = inner ?? document.activeElement;
  return focused.ariaLabel ?? (focused.textContent.trim() || focused.closest("label")?.textContent);
}})()"""
_VIOLATIONS = """axe.run({ include: [["distribute-panel"]] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => [id, ...nodes.map(({ html, failureSummary }) => html + failureSummary)]))"""
# What can be pressed and is smaller than a thumb, and what sticks out of the panel.
_TOO_SMALL = f"""[...{_SHADOW}.querySelectorAll("button, .button, summary, label")]
  .filter((target) => target.checkVisibility())
  .filter((target) => target.getBoundingClientRect().height < 44 || target.getBoundingClientRect().width < 44)
  .map((target) => target.outerHTML)"""
_STICKING_OUT = f"""[...{_SHADOW}.querySelectorAll("section *")]
  .filter((part) => part.checkVisibility() && part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0)
  .filter((part) => getComputedStyle(part).display !== "inline" && part.tagName !== "H3") // long names are cut
  .map((part) => part.outerHTML)"""


@pytest.fixture(scope="module")
def gallery(module_stage: Stage) -> Site:
    folder = module_stage.folder / "gallery"
    folder.mkdir()
    esbuild = _CLIENT / "node_modules" / "esbuild" / "bin" / "esbuild"
    axe = _CLIENT / "node_modules" / "axe-core" / "axe.min.js"
    assert axe.is_file(), "axe-core is not there: `make setup` installs client/node_modules"
    source, out = _CLIENT / "tests" / "ui" / "gallery.ts", folder / "gallery.js"
    subprocess.run(
        [find_node(), esbuild, source, "--bundle", f"--outfile={out}", "--target=es2022", "--log-level=warning"],
        check=True,
    )
    shutil.copy(axe, folder)
    (folder / "hostile.css").write_text(
        "html { font-size: 60px } body { transform: scale(1) } distribute-panel { display: none }"
        "* { all: unset !important; color: red !important; font: 90px serif !important; --paper: red !important }"
    )
    return start_site(module_stage, folder)


def open_gallery(gallery: Site, browser: Browser, *, head: str = "", direction: str = "ltr") -> Page:
    (gallery.folder / "page.html").write_text(
        f"<!doctype html><html lang=en dir={direction}><meta charset=utf-8>{head}<meta name=viewport "
        'content="width=device-width"><title>Releases</title><main><h1>Releases</h1>'
        '<a href="https://mirror.example.org/release-1.0.iso">release</a></main>'
        "<script src=axe.min.js></script><script src=gallery.js></script>"
    )
    page = browser.new_page()
    page.goto(f"{gallery.url}/page.html")
    return page


def show(page: Page, scene: str, language: str = "en") -> None:
    page.evaluate(f"clear(), show('{scene}', '{language}')")


def playwright_page(page: Page) -> Any:  # Any: Playwright's page, for what only it can do
    assert isinstance(page, ChromiumPage)
    return page.playwright


@BOTH
def test_no_state_has_a_barrier_that_a_machine_can_find(
    gallery: Site, any_browser: StartBrowser, browser_name: str
) -> None:
    page = open_gallery(gallery, any_browser(browser_name, "visitor"))
    for scene in _SCENES:
        show(page, scene)
        assert page.evaluate(_VIOLATIONS) == [], scene


def test_dark_and_forced_colours_have_no_barrier_and_keep_the_patterns(
    gallery: Site, chromium: Callable[..., Chromium]
) -> None:
    page = open_gallery(gallery, chromium("visitor"))
    for media in ({"color_scheme": "dark"}, {"forced_colors": "active", "reduced_motion": "reduce"}):
        playwright_page(page).emulate_media(**media)
        for scene in ("running", "verified", "stopped"):
            show(page, scene)
            assert page.evaluate(_VIOLATIONS) == [], (media, scene)
    show(page, "crowd")
    patterns = page.evaluate(
        f"Object.fromEntries([...{_SHADOW}.querySelectorAll('.map i')]"
        ".map((cell) => [cell.dataset.mark, getComputedStyle(cell).backgroundImage]))"
    )
    marked = [pattern for mark, pattern in patterns.items() if mark]
    assert len(marked) >= 6
    assert len(set(marked)) == len(marked), "told apart without any colour"
    assert page.evaluate(f"{_SHADOW}.getAnimations().length") == 0


@BOTH
def test_all_can_be_done_by_keyboard_and_the_focus_is_never_lost(
    gallery: Site, any_browser: StartBrowser, browser_name: str
) -> None:
    page = open_gallery(gallery, any_browser(browser_name, "visitor"))
    page.evaluate("document.querySelector('a').focus()")
    show(page, "running")
    assert page.evaluate(_FOCUSED) == "release", "the panel does not take the focus"
    page.press_key("Tab")
    assert page.evaluate(_FOCUSED) == "Minimise the downloads"
    page.press_key("Escape")
    assert page.evaluate(_FOCUSED) == "1 download · 48%"
    page.press_key("Enter")
    assert page.evaluate(_FOCUSED) == "Minimise the downloads"
    names = [tab_on(page)]
    while names[-1] != "Pause" and len(names) < 8:  # Firefox also stops at the part that can be scrolled
        names.append(tab_on(page))
    assert names[-3:] == ["From 3 mirrors and 2 donors", "Mirrors only", "Pause"]
    page.press_key("Enter")
    assert page.evaluate(_FOCUSED) == "Resume"
    page.press_key("Enter")
    assert page.evaluate(_FOCUSED) == "Pause"
    page.press_key("Tab")
    page.press_key("Enter")
    assert page.evaluate(_FOCUSED) == "Close"
    assert page.evaluate("pressed") == ["pause", "resume", "cancel"]
    page.press_key("Enter")
    assert page.evaluate(_PANEL_IS_THERE) is False
    assert page.evaluate(_FOCUSED) == "release", "back to where the download was begun"


def tab_on(page: Page) -> str:
    page.press_key("Tab")
    return str(page.evaluate(_FOCUSED))


def test_milestones_are_said_politely(gallery: Site, chromium: Callable[..., Chromium]) -> None:
    page = open_gallery(gallery, chromium("visitor"))
    show(page, "verified")
    region = f"{_SHADOW}.querySelector('[aria-live=polite]')"
    said = wait_for_value(page, f"[...{region}.children].map((line) => line.textContent)", "something said")
    wait_for_value(page, f"{region}.textContent.includes('Handed to')", "the last milestone")
    assert said[0].startswith("The download of release-1.0.iso has started, 734 MB.")
    bar = page.evaluate(f"(({{ ariaValueNow, role }}) => [ariaValueNow, role])({_SHADOW}.querySelector('.bar'))")
    assert bar[1] == "progressbar"


@pytest.mark.parametrize("language", ["en", "de", "xx"])
@pytest.mark.parametrize("width", [320, 1280])
def test_everything_fits_and_is_large_enough_for_a_thumb(
    gallery: Site, chromium: Callable[..., Chromium], language: str, width: int
) -> None:
    page = open_gallery(gallery, chromium("visitor"), direction="rtl" if language == "xx" else "ltr")
    playwright_page(page).set_viewport_size({"width": width, "height": 700})
    for scene in (*_SCENES, "long", "crowd"):
        show(page, scene, language)
        page.evaluate(f"{_SHADOW}.querySelectorAll('details').forEach((part) => (part.open = true))")
        assert page.evaluate(_TOO_SMALL) == [], scene
        assert page.evaluate(_STICKING_OUT) == [], scene
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), scene


@BOTH
def test_no_style_of_the_page_gets_in_and_no_policy_is_broken(
    gallery: Site, any_browser: StartBrowser, browser_name: str
) -> None:
    policy = (
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; script-src 'self'; style-src 'self'\">"
    )
    measure = f"""(() => {{
      const box = {_SHADOW}.querySelector("section").getBoundingClientRect();
      const {{ color, fontSize, backgroundColor }} = getComputedStyle({_SHADOW}.querySelector("h3"));
      const {{ backgroundColor: paper }} = getComputedStyle({_SHADOW}.querySelector("section"));
      const {{ width: fill }} = {_SHADOW}.querySelector(".bar span").getBoundingClientRect();
      const {{ clientWidth, clientHeight }} = document.documentElement; // without the page's scroll bars
      const right = clientWidth - box.right, bottom = clientHeight - box.bottom;
      return [box.width, box.height, right, bottom, color, fontSize, backgroundColor, paper, fill].map(String);
    }})()"""
    browser = any_browser(browser_name, "visitor")
    plain = open_gallery(gallery, browser)
    show(plain, "running")
    hostile = open_gallery(gallery, browser, head=policy + "<link rel=stylesheet href=hostile.css>")
    hostile.evaluate(
        "void (window.broken = [], addEventListener('securitypolicyviolation', (e) => broken.push(e.blockedURI)))"
    )
    show(hostile, "running")
    assert hostile.evaluate(measure) == plain.evaluate(measure)
    assert hostile.evaluate("window.broken") == []


def test_a_download_is_drawn_by_its_sources_and_ends_with_the_checksum(
    module_stage: Stage, chromium: Callable[..., Chromium]
) -> None:
    scene = make_scene(module_stage, [MirrorPlan(rate="4MB/s"), MirrorPlan(rate="4MB/s")])
    release = scene.publish("release-1.0.iso", 12 * MIB)
    visitor = scene.visit(chromium("visitor"), {"iso": scene.mirrors[0].link(release.name)})
    visitor.click("iso")
    visitor.expect_verified()
    cells = visitor.page.evaluate(f"[...{_SHADOW}.querySelectorAll('.map i')].map((cell) => cell.dataset.mark)")
    assert len(cells) == 12
    assert set(cells) == {"1", "2"}
    text = visitor.page.evaluate(f"{_SHADOW}.querySelector('article').textContent")
    assert "This is exactly the file that the publisher signed." in text
    assert release.sha256 in text
    assert scene.publisher.public_key in text
    assert "From 2 mirrors" in text
