"""What is not a source's fault: the network is silent for 20 s, the coordinator is gone, the disk is full."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.browser.conftest import BOTH, StartBrowser
from tests.harness.browser import wait_for_download
from tests.harness.chromium import Chromium, ChromiumPage
from tests.harness.coordinator import Release, make_publisher, start_coordinator
from tests.harness.downloads import Visitor, bytes_by_kind
from tests.harness.firefox import run_firefox
from tests.harness.mirrors import Mirror, start_mirror
from tests.harness.processes import Stage, dio, wait_for
from tests.harness.scene import MIB, Scene
from tests.harness.site import start_site
from tests.harness.tun_link import Line, open_line

_SIZE_BYTES = 8 * MIB
_LOST_S = 20
_LINE = Line(rate_bytes_per_s=1_000_000)
"""None of three can have a whole file of `_LARGE_BYTES` before the slowest has begun: alone it would take 16 s."""
_LARGE_BYTES = 16 * MIB
_RESTORED = Line(rate_bytes_per_s=10_000_000)

# Writes that much into the site's private files, and takes it away again; what `estimate()` says is no proof.
_FILL = """(async () => {
  const folder = await navigator.storage.getDirectory();
  const writable = await (await folder.getFileHandle("probe", { create: true })).createWritable();
  try {
    await writable.write(new Uint8Array(%d));
    await writable.close();
    return "there was room";
  } catch (error) {
    return error.name;
  } finally {
    await folder.removeEntry("probe").catch(() => undefined);
  }
})()"""


def received_bytes(visitor: Visitor) -> int:
    """Verified so far."""
    bytes_now: int = max((event["detail"]["receivedBytes"] for event in visitor.events("progress")), default=0)
    return bytes_now


def assert_right(visitor: Visitor, sha256: str) -> None:
    """The saved file is the release."""
    saved = wait_for_download(visitor.page)
    assert hashlib.sha256(saved.path.read_bytes()).hexdigest() == sha256


def make_world(stage: Stage, served: Path, mirror: Mirror) -> Scene:
    """One mirror, a coordinator that can be killed, and a site."""
    coordinator = start_coordinator(stage)
    publisher = make_publisher(coordinator, [mirror])
    return Scene(stage, coordinator, publisher, start_site(stage, stage.folder / "site"), (mirror,), served)


@pytest.fixture
def scene(stage: Stage) -> Scene:
    """A world on loopback."""
    served = stage.folder / "served"
    served.mkdir(parents=True)
    return make_world(stage, served, start_mirror(stage, served, rate="1MB/s"))


def test_a_network_that_is_silent_for_20_s_and_a_coordinator_that_never_comes_back(
    stage: Stage, any_browser: StartBrowser
) -> None:
    line = stage.enter(open_line(stage, _LINE))
    served = stage.folder / "served"
    served.mkdir()
    scene = make_world(stage, served, start_mirror(stage, served, line=line))
    release = scene.publish("release-1.0.iso", _LARGE_BYTES)
    link = scene.mirrors[0].link(release.name)
    # Both browsers and `dio get` at once: most of this test is waiting.
    visitors = [scene.visit(any_browser(name, name), {"iso": link}) for name in ("chromium", "firefox")]
    for visitor in visitors:
        visitor.click("iso")
    wait_for(lambda: min(map(received_bytes, visitors)) >= MIB, "the first MiB of both")
    words = ["--coordinator", scene.coordinator.url, "--pin", scene.publisher.public_key, "--json"]
    target = stage.folder / "got.iso"
    get = stage.start("get", dio("get", link, *words, "-o", target))
    part = Path(f"{target}.part")
    # Whose first byte never came is given up within seconds, as a dead address is.
    get.wait_until(
        lambda: part.exists() and part.stat().st_blocks * 512 >= MIB, "the first MiB of dio get", timeout_s=60
    )
    scene.coordinator.process.kill()
    line.change(replace(_LINE, loss=1.0))  # no packet arrives, and nobody is told
    assert max(map(received_bytes, visitors)) < _LARGE_BYTES
    silence = f"{_LOST_S} s without a byte"
    wait_for(lambda: min(map(seconds_since_last_byte, visitors)) > _LOST_S, silence, timeout_s=_LOST_S + 20)
    assert get.exit_code is None, get.output()
    line.change(_RESTORED)
    for visitor in visitors:
        verified = visitor.expect_verified(timeout_s=60)
        assert_right(visitor, release.sha256)
        assert sum(bytes_by_kind(verified)["mirror"].values()) == _LARGE_BYTES, "what had come was kept"
    assert get.wait(timeout_s=60) == 0, get.output()
    assert json.loads(get.stdout())["seconds"] > _LOST_S, "it was in the middle of it"
    assert hashlib.sha256(target.read_bytes()).hexdigest() == release.sha256


def seconds_since_last_byte(visitor: Visitor) -> float:
    """By the page's own clock, from its events."""
    events = visitor.events("progress")
    newest = events[-1]["at"]
    since = next(
        (event["at"] for event in events if event["detail"]["receivedBytes"] == received_bytes(visitor)), newest
    )
    seconds: float = (newest - since) / 1000
    return seconds


@BOTH
def test_a_coordinator_that_is_gone_before_the_click_leaves_the_plain_link(
    scene: Scene, any_browser: StartBrowser, browser_name: str
) -> None:
    release = scene.publish("release-1.0.iso", MIB)
    visitor = scene.visit(any_browser(browser_name, "visitor"), {"iso": scene.mirrors[0].link(release.name)})
    scene.coordinator.process.kill()
    visitor.click("iso")
    assert visitor.wait_for_event("fallback")["detail"]["code"] in ("part_unavailable", "coordinator_unreachable")
    assert_right(visitor, release.sha256)


def test_a_full_disk_in_chromium_is_named_and_the_file_right(scene: Scene, chromium: Callable[..., Chromium]) -> None:
    browser = chromium("visitor")
    release = scene.publish("release-1.0.iso", _SIZE_BYTES)
    scene.mirrors[0].change(rate="8MB/s")
    visitor = scene.visit(browser, {"iso": scene.mirrors[0].link(release.name)}, attributes={"data-peers": "off"})
    page = visitor.page
    assert isinstance(page, ChromiumPage)
    tools = browser.context.new_cdp_session(page.playwright)
    tools.send("Storage.overrideQuotaForOrigin", {"origin": scene.site.url, "quotaSize": 3 * MIB})
    expect_right_or_named(visitor, release)


def test_a_full_disk_in_firefox_is_named_and_the_file_right(scene: Scene, tmp_path: Path) -> None:
    # All sites together; one of them may have a fifth of it, or 10 MiB.
    prefs = {"dom.quotaManager.temporaryStorage.fixedLimit": 10 * 1024}
    browser = scene.stage.enter(run_firefox(tmp_path / "visitor", prefs=prefs))
    release = scene.publish("release-1.0.iso", 3 * _SIZE_BYTES)
    scene.mirrors[0].change(rate="16MB/s")
    visitor = scene.visit(browser, {"iso": scene.mirrors[0].link(release.name)}, attributes={"data-peers": "off"})
    expect_right_or_named(visitor, release)


def expect_right_or_named(visitor: Visitor, release: Release) -> None:
    """Another place is found, or the plain link is followed and says why; either way the file is the release."""
    assert visitor.page.evaluate(_FILL % len(release.content)) == "QuotaExceededError", "the disk is not full"
    visitor.click("iso")
    event = visitor.wait_for_event("verified", "fallback", "error")
    if event["type"] != "verified":
        assert (event["type"], event["detail"]["code"]) == ("fallback", "quota_exceeded"), event
    assert_right(visitor, release.sha256)
