"""The page around a link: several tags, single-page sites, frames, other listeners, and what is the browser's.

All cases of a browser share its process. Each has a site, hence an origin, of its own: nothing stored is shared.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.harness.browser import Browser, wait_for_download, wait_for_value
from tests.harness.chromium_tabs import ChromiumTabs, run_chromium_tabs
from tests.harness.coordinator import Release, make_release
from tests.harness.donors import start_headless_donor, wait_until_held
from tests.harness.downloads import CONNECTIONS_MADE, KEEP_CONNECTIONS, Visitor, assert_saved
from tests.harness.firefox import Firefox, run_firefox
from tests.harness.processes import Stage, wait_for
from tests.harness.puppeteer import PuppeteerPage
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene
from tests.harness.site import start_site

_CLIENT = Path(__file__).parents[2] / "src" / "distribute_io" / "client_dist"

# Tells of every click and its like whether somebody has taken it over, and keeps the browser from acting on it.
_WATCH_CLICKS = """(() => {
  window.taken = [];
  for (const type of ["click", "auxclick", "contextmenu"]) {
    window.addEventListener(type, (event) => { taken.push(event.defaultPrevented); event.preventDefault(); });
  }
})()"""


# A frame's page clicks its own link, and tells the page around it what became of that and where scripts came from.
_CLICK_AND_TELL = """<script>addEventListener("load", () => {
  const link = document.querySelector("a.download");
  link.dispatchEvent(new Event("pointerover", { bubbles: true }));
  addEventListener("click", (event) => {
    const parts = performance.getEntriesByType("resource").map((entry) => new URL(entry.name).pathname);
    const told = { frame: document.title, taken: event.defaultPrevented, parts };
    event.preventDefault();
    parent.postMessage(told, "*");
  });
  setTimeout(() => link.click(), 300);
});</script>"""
_HEAR_FRAMES = 'window.told = {}; addEventListener("message", ({ data, origin }) => { told[origin] = data; });'

_OPEN = "window.connections.filter((connection) => connection.connectionState !== 'closed').length"
_IS_CONNECTED = "window.connections.some((connection) => connection.connectionState === 'connected')"
_SWITCH = "document.querySelector('distribute-panel')?.shadowRoot?.querySelector('[role=switch]')"

_ADD_SHADOW = """(() => {
  const host = document.createElement("div");
  host.id = "host";
  host.attachShadow({ mode: "open" }).innerHTML = "<a class=download href=NAME>in the shadow</a>";
  document.body.prepend(host);
})()"""


@dataclass(frozen=True)
class World:
    """What all cases share: two files on a mirror and at a donor."""

    scene: Scene
    releases: tuple[Release, Release]


@dataclass(frozen=True)
class Case:
    """What one case has for itself."""

    browser: Browser
    scene: Scene
    release: Release
    other: Release

    def href(self, release: Release) -> str:
        """The link to a release at the mirror."""
        return self.scene.mirrors[0].link(release.name)

    def visit(
        self, links: Mapping[str, str], *, attributes: Mapping[str, str] | None = None, script: str | None = None
    ) -> Visitor:
        return self.scene.visit(
            self.browser, links, attributes=attributes, script=script, init_script=KEEP_CONNECTIONS + _HEAR_FRAMES
        )


@pytest.fixture(scope="module")
def world(module_stage: Stage) -> World:
    scene = make_scene(module_stage, [MirrorPlan(rate="4MB/s")])
    first = make_release(scene.served, "release-1.0.iso", 6 * MIB)
    second = make_release(scene.served, "release-1.1.iso", 1 * MIB)
    scene.publisher.publish([first, second], scene.mirrors)
    start_headless_donor(scene.coordinator, module_stage.folder / "donor", up="150kB/s")
    wait_until_held(scene.coordinator, 7 * MIB)
    return World(scene, (first, second))


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def shared_browser(
    module_stage: Stage, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Browser, Path]:
    """A browser of either kind, and its folder for downloads."""
    folder = tmp_path_factory.mktemp(request.param)
    browser: ChromiumTabs | Firefox
    if request.param == "chromium":
        browser = module_stage.enter(run_chromium_tabs(folder))
    else:
        browser = module_stage.enter(run_firefox(folder))
    module_stage.add_report(f"console of {request.param}", browser.console)
    return browser, folder / "downloads"


@pytest.fixture
def case(world: World, shared_browser: tuple[Browser, Path], stage: Stage) -> Case:
    browser, downloads = shared_browser
    for path in downloads.iterdir():
        path.unlink()
    site = start_site(stage, stage.folder / "site")
    return Case(browser, replace(world.scene, stage=stage, site=site), *world.releases)


def test_modified_clicks_and_other_buttons_are_the_browsers(case: Case) -> None:
    visitor = case.visit({"iso": case.href(case.release)})
    visitor.page.evaluate(_WATCH_CLICKS)
    for key in ("Control", "Shift", "Alt", "Meta"):
        visitor.page.click("#iso", holding=key)
    for button in ("middle", "right"):
        visitor.page.click("#iso", button=button)
    taken = visitor.page.evaluate("window.taken")
    assert len(taken) >= 6
    assert not any(taken)
    visitor.click("iso")
    assert visitor.page.evaluate("window.taken.at(-1)") is True
    visitor.page.close()


def test_a_single_page_site_may_replace_all_of_its_page(case: Case) -> None:
    href = case.href(case.release)
    visitor = case.visit({"iso": href}, attributes={"data-peers": "off"})
    visitor.click("iso")
    wait_for(lambda: visitor.events("progress"), "progress")
    visitor.page.evaluate(
        f"""(() => {{ history.pushState(null, "", "/other");
        document.body.innerHTML = `<a id=again class=download href="{href}">again</a>`; }})()"""
    )
    assert visitor.events("verified") == [], "the download ended before the page was replaced"
    visitor.click("again")  # runs already: brings its card into view
    visitor.expect_verified()
    assert_saved(visitor, case.release)
    assert visitor.events("saved")[-1]["link"] == "again"
    assert len(visitor.events("start")) == 1
    wait_for_value(visitor.page, "document.querySelector('distribute-panel')?.isConnected === true", "the panel")
    visitor.page.close()


def test_a_relative_link_is_followed_to_where_it_led_when_it_was_clicked(case: Case) -> None:
    (case.scene.site.folder / "unlisted.iso").write_bytes(b"no coordinator knows it")
    visitor = case.visit({"iso": "unlisted.iso"})
    # The page has another address by the time the coordinator has answered.
    visitor.page.evaluate("void (document.getElementById('iso').click(), history.pushState(null, '', '/deep/other'))")
    assert visitor.wait_for_event("fallback")["detail"]["code"] == "unknown_link"
    saved = wait_for_download(visitor.page)
    assert saved.path.read_bytes() == b"no coordinator knows it"
    visitor.page.close()


def test_mirrors_only_in_one_tab_holds_in_the_others(case: Case) -> None:
    mirror = case.scene.mirrors[0]
    mirror.change(rate="30kB/s")
    visitor = case.visit({"iso": case.href(case.release)})
    visitor.click("iso")
    wait_for(lambda: visitor.page.evaluate(_IS_CONNECTED), "a donor")
    other = case.visit({"second": case.href(case.other)})
    other.click("second")
    wait_for_value(other.page, f"{_SWITCH} instanceof HTMLElement", "the card of the other tab")
    other.page.evaluate(f"{_SWITCH}.click()")
    wait_for(lambda: visitor.page.evaluate(f"{_OPEN} === 0 && {_SWITCH}.checked"), "the choice", timeout_s=5)
    assert visitor.events("verified") == [], "the download ended before the choice"
    mirror.change(rate="4MB/s")
    visitor.expect_verified()
    visitor.page.close()
    other.page.close()


def install_another_version(folder: Path) -> None:
    """Put other bytes with the same meaning onto the site itself, and a loader that pins them."""
    loader = (_CLIENT / "distribute.js").read_text()
    pinned = json.loads((_CLIENT / "build.json").read_text())["integrity"]
    name = "download.js"
    changed = (_CLIENT / name).read_bytes() + b"\n// another version\n"
    (folder / name).write_bytes(changed)
    assert pinned[name] in loader
    loader = loader.replace(pinned[name], f"sha384-{base64.b64encode(hashlib.sha384(changed).digest()).decode()}")
    (folder / "distribute.js").write_text(loader)


def test_several_tags_and_versions_do_not_disturb_each_other(case: Case) -> None:
    scene = case.scene
    install_another_version(scene.site.folder)
    first = scene.tag({"data-select": "#iso"})
    other = (
        f'<script src="/distribute.js" data-coordinator="{scene.coordinator.url}" data-select="a.download" '
        f'data-key="{scene.publisher.public_key}"></script>'
    )
    links = {"iso": case.href(case.release), "second": case.href(case.other)}
    visitor = case.visit(links, script=first + first + other)
    visitor.click("iso")
    visitor.expect_verified()
    assert_saved(visitor, case.release)
    assert len(visitor.events("verified")) == len(visitor.events("start")) == 1
    visitor.click("second")
    wait_for(lambda: len(visitor.events("saved")) == 2, "the file of the other version's link")
    assert visitor.events("saved")[-1]["link"] == "second"
    assert visitor.events("error", "fallback") == []
    of_parts = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/download.js'))"
    loaded = visitor.page.evaluate(f"{of_parts}.map((entry) => [entry.name, entry.initiatorType, entry.transferSize])")
    parts = [name for name, initiator, _ in loaded if initiator == "script"]
    assert len(parts) == 2, "each version has its part, once"
    own = {initiator: size for name, initiator, size in loaded if name.startswith(scene.site.url)}
    assert own["script"] > 10_000
    assert own["fetch"] < 1_000, "its workers' text comes from the cache"
    visitor.page.close()


def test_frames_base_and_shadow_roots(case: Case) -> None:
    scene, release = case.scene, case.release
    # Nobody knows this file, so a frame that takes the link over follows it, to a page that says so.
    unknown = {"inner": case.href(release) + ".missing"}
    inner = scene.site.write_page("inner.html", links=unknown, script=scene.tag() + _CLICK_AND_TELL)
    frames = f'<iframe sandbox="allow-scripts allow-downloads" src="{inner}"></iframe><iframe src="{inner}"></iframe>'
    base = f'<base href="{scene.mirrors[0].url}/">'
    visitor = case.visit({"iso": release.name}, script=base + scene.tag() + frames)
    told = wait_for_value(visitor.page, "Object.keys(window.told).length === 2 && window.told", "both frames")
    # Without an origin there is no storage: the links are left alone, and nothing is loaded for them.
    assert told["null"]["taken"] is False
    assert not any(part.endswith("/download.js") for part in told["null"]["parts"])
    assert told[scene.site.url]["taken"] is True
    assert any(part.endswith("/download.js") for part in told[scene.site.url]["parts"])

    visitor.page.evaluate(_ADD_SHADOW.replace("NAME", release.name))
    visitor.page.evaluate("document.getElementById('host').shadowRoot.querySelector('a').click()")
    assert visitor.expect_verified()["link"] == "host"
    assert_saved(visitor, release)
    visitor.page.evaluate("document.getElementById('iso').focus()")
    visitor.page.press_key("Enter")
    wait_for(lambda: len(visitor.events("verified")) == 2, "the link of the page itself, by the keyboard")
    assert visitor.events("verified")[-1]["link"] == "iso"
    visitor.page.close()


def test_no_connection_is_made_before_the_choice_is_honoured(case: Case) -> None:
    links = {"iso": case.href(case.release)}
    plans = [
        ("on", None, True),  # there is something to connect to
        ("off", None, False),
        ("ask", None, False),
        ("on", "off", False),  # the visitor's own, which stays from visit to visit
    ]
    for peers, chosen, may_connect in plans:
        # Nobody is met beside a mirror that brings the file within a second.
        case.scene.slow_down("1MB/s" if may_connect else "4MB/s")
        visitor = case.visit(links, attributes={"data-peers": peers})
        if chosen is not None:
            visitor.page.evaluate(f"localStorage.setItem('distribute-io:peers', '{chosen}')")
        visitor.click("iso")
        visitor.expect_verified()
        assert (visitor.page.evaluate(CONNECTIONS_MADE) > 0) is may_connect, (peers, chosen)
        visitor.page.close()


def test_a_page_with_the_tag_stays_in_the_back_forward_cache(case: Case) -> None:
    visitor = case.visit({"iso": case.href(case.other), "next": case.href(case.release)})
    visitor.click("iso")
    visitor.wait_for_event("saved")
    visitor.page.evaluate("window.isSame = true")
    visitor.page.goto(case.scene.site.write_page("away.html", links={}))
    assert visitor.page.evaluate("window.isSame === undefined")
    assert isinstance(visitor.page, PuppeteerPage)
    visitor.page.go_back()
    reasons = "JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons ?? null)"
    assert visitor.page.evaluate("location.pathname === '/releases.html' && window.isSame === true"), (
        visitor.page.evaluate(reasons)
    )
    visitor.click("next")
    wait_for(lambda: len(visitor.events("saved")) == 2, "a download in the page that came back")
    visitor.page.close()


def test_a_page_that_is_kept_in_mid_download_holds_nothing_up(case: Case) -> None:
    links = {"iso": case.href(case.release)}
    left = case.visit(links)
    left.click("iso")
    wait_for(lambda: left.events("progress"), "progress")
    # The browser may keep the page that is left; its lock on the file must not outlast a click elsewhere.
    visitor = Visitor(left.page, case.scene.site.write_page("next.html", links=links, script=case.scene.tag()))
    visitor.click("iso")
    assert visitor.wait_for_event("start", timeout_s=10)["detail"]["receivedBytes"] < len(case.release.content)
    visitor.expect_verified()
    assert_saved(visitor, case.release)
    visitor.page.close()
