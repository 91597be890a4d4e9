"""A download goes on in a hidden tab: nothing waits for the page's timers, and a lock keeps it from being frozen."""

from __future__ import annotations

from pathlib import Path

from tests.browser.conftest import BOTH
from tests.harness.browser import Browser, wait_for_value
from tests.harness.chromium_tabs import run_chromium_tabs
from tests.harness.downloads import assert_saved
from tests.harness.firefox import run_firefox
from tests.harness.processes import Stage
from tests.harness.puppeteer import PuppeteerPage
from tests.harness.scene import MIB, MirrorPlan, make_scene

_SIZE_BYTES = 24 * MIB
_RATE_BYTES_PER_S = 5_000_000

# A timer of the page itself, to see that the browser really holds hidden tabs back.
_TICKS = "window.ticks = 0; setInterval(() => { window.ticks += 1; }, 50);"
_LOCKS = "navigator.locks.query().then(({ held }) => held.map(({ name }) => name))"


@BOTH
def test_a_hidden_tab_downloads_at_the_mirrors_rate(stage: Stage, tmp_path: Path, browser_name: str) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=f"{_RATE_BYTES_PER_S}B/s")])
    release = scene.publish("release-1.0.iso", _SIZE_BYTES)
    folder = tmp_path / "reader"
    browser: Browser = (
        stage.enter(run_firefox(folder)) if browser_name == "firefox" else stage.enter(run_chromium_tabs(folder))
    )
    links = {"iso": scene.mirrors[0].link(release.name)}
    visitor = scene.visit(browser, links, attributes={"data-peers": "off"}, init_script=_TICKS)
    visitor.click("iso")
    started = visitor.wait_for_event("start")
    assert isinstance(visitor.page, PuppeteerPage)
    visitor.page.cover()
    wait_for_value(visitor.page, "document.visibilityState === 'hidden'", "a hidden tab")
    hidden_ms: float = visitor.page.evaluate("performance.now()")
    ticks_before: int = visitor.page.evaluate("window.ticks")
    assert any(release.sha256 in name for name in visitor.page.evaluate(_LOCKS))

    verified = visitor.expect_verified(timeout_s=30)

    assert verified["at"] > hidden_ms + 2_000
    ticks = visitor.page.evaluate("window.ticks") - ticks_before
    assert ticks < (verified["at"] - hidden_ms) / 50 / 4, "the browser held this tab's timers back"
    nominal_ms = _SIZE_BYTES / _RATE_BYTES_PER_S * 1_000
    assert verified["at"] - started["at"] < 1.2 * nominal_ms
    assert_saved(visitor, release)
