"""A link whose target was replaced is followed, but never on the word of wrong bytes where a key is pinned."""

from __future__ import annotations

import hashlib
import json
import os
import time

import pytest

from tests.browser.conftest import BOTH, StartBrowser
from tests.harness.browser import wait_for_download, wait_for_value
from tests.harness.coordinator import Release, make_publisher, make_release, run_dio, start_coordinator
from tests.harness.downloads import Visitor, assert_saved
from tests.harness.mirror_farm import MirrorKind, start_farm
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, Scene
from tests.harness.site import start_site

_SIZE_BYTES = 6 * MIB


@pytest.fixture(scope="module")
def scene(module_stage: Stage) -> Scene:
    """For all tests: two mirrors with a folder each. Links lead to the first one's, to a release of each test."""
    folders = [module_stage.folder / name for name in ("linked", "mirrored")]
    for folder in folders:
        folder.mkdir(parents=True)
    mirrors = start_farm(module_stage, [MirrorKind(folder, "8MB/s") for folder in folders])
    coordinator = start_coordinator(module_stage)
    publisher = make_publisher(coordinator, mirrors)
    site = start_site(module_stage, module_stage.folder / "site")
    return Scene(module_stage, coordinator, publisher, site, tuple(mirrors), folders[0])


def publish(scene: Scene, name: str) -> Release:
    """On both mirrors, with the age of a file that was made a while before it was published."""
    release = make_release(scene.served, name, _SIZE_BYTES)
    os.utime(release.path, (time.time() - 60, time.time() - 60))
    copy = scene.served.with_name("mirrored") / name
    copy.write_bytes(release.content)
    scene.publisher.publish([release], scene.mirrors)
    return release


def replace(release: Release, size_bytes: int) -> Release:
    """Put another file behind the link, a while after the manifest was made."""
    newer = make_release(release.path.parent, release.name, size_bytes, seed=2)
    os.utime(newer.path, (time.time() + 60, time.time() + 60))
    return newer


def visit(
    scene: Scene, browser_name: str, any_browser: StartBrowser, release: Release, *, pinned: bool = True
) -> Visitor:
    links = {"iso": scene.mirrors[0].link(release.name)}
    attributes = {"data-select": "a.download", "data-peers": "off"}
    script = scene.tag(attributes) if pinned else scene.coordinator.script_tag(attributes)
    visitor = scene.visit(any_browser(browser_name, release.name), links, script=script)
    visitor.click("iso")
    return visitor


def panel_text(visitor: Visitor) -> str:
    panel = "document.querySelector('distribute-panel')"
    text: str = wait_for_value(visitor.page, f"{panel}?.shadowRoot.textContent", "the panel")
    return text


@BOTH
@pytest.mark.parametrize(
    ("size_bytes", "pinned"),
    [(_SIZE_BYTES, False), (_SIZE_BYTES + 70_000, True)],
    ids=["same size without a pin", "another size"],
)
def test_a_link_that_leads_to_another_file_is_followed(
    scene: Scene, any_browser: StartBrowser, browser_name: str, size_bytes: int, pinned: bool
) -> None:
    newer = replace(publish(scene, f"latest-{browser_name}-{size_bytes}.iso"), size_bytes)
    visitor = visit(scene, browser_name, any_browser, newer, pinned=pinned)
    fallback = visitor.wait_for_event("fallback", "error", "verified", timeout_s=30)
    assert (fallback["type"], fallback["detail"]["code"]) == ("fallback", "link_changed")
    assert [row for row in fallback["detail"]["sources"] if row["state"] == "banned"] == []
    saved = wait_for_download(visitor.page)
    assert hashlib.sha256(saved.path.read_bytes()).hexdigest() == newer.sha256


@BOTH
def test_with_a_pin_wrong_bytes_of_a_newer_link_are_banned_and_the_published_file_delivered(
    scene: Scene, any_browser: StartBrowser, browser_name: str
) -> None:
    release = publish(scene, f"pinned-{browser_name}.iso")
    replace(release, _SIZE_BYTES)
    visitor = visit(scene, browser_name, any_browser, release)
    verified = visitor.expect_verified()
    link, other = (mirror.link(release.name) for mirror in scene.mirrors)
    found = {row["id"]: (row["state"], row["problem"]) for row in verified["detail"]["sources"]}
    assert found == {link: ("banned", "link_changed"), other: ("ready", None)}
    wait_for(lambda: "the file behind the link seems to have changed" in panel_text(visitor), "its row", timeout_s=10)
    assert_saved(visitor, release)


def test_with_a_pin_wrong_bytes_everywhere_stop_and_the_link_is_only_offered(
    scene: Scene, any_browser: StartBrowser
) -> None:
    release = publish(scene, "nowhere.iso")
    newer = replace(release, _SIZE_BYTES)
    copy = scene.served.with_name("mirrored") / release.name
    copy.write_bytes(newer.content)
    visitor = visit(scene, "chromium", any_browser, release)
    visitor.expect_error("all_sources_lie")
    wait_for(lambda: "from any source" in panel_text(visitor), "the panel's reason", timeout_s=10)
    assert visitor.events("fallback", "saved") == []


def test_a_link_that_lies_is_banned_and_the_published_file_delivered(scene: Scene, any_browser: StartBrowser) -> None:
    release = publish(scene, "release.iso")
    scene.mirrors[0].change(misbehave=["flip"], rate="8MB/s")
    try:
        verified = visit(scene, "chromium", any_browser, release).expect_verified()
    finally:
        scene.mirrors[0].change(rate="8MB/s")
    states = {row["id"]: row["state"] for row in verified["detail"]["sources"]}
    assert states[scene.mirrors[0].link(release.name)] == "banned"


def test_dio_get_names_a_link_that_leads_to_another_file(scene: Scene) -> None:
    release = publish(scene, "latest.iso")
    newer = replace(release, _SIZE_BYTES)
    link, target = scene.mirrors[0].link(newer.name), scene.stage.folder / "got.iso"
    options = ("--coordinator", scene.coordinator.url, "--mirrors-only", "-o", target)
    done = run_dio("get", link, *options)
    assert done.returncode == 1, done.stderr
    assert "link_changed" in done.stderr
    assert not target.exists()
    # With a pin it is a source that sends wrong bytes, and the others deliver.
    pinned = run_dio("get", link, *options, "--pin", scene.publisher.public_key, "--json")
    assert pinned.returncode == 0, pinned.stderr
    said = json.loads(pinned.stdout)
    assert said["sources_banned"] == [link]
    assert {row["source"]: row["reason"] for row in said["sources"]}[link] == "link_changed"
    assert target.read_bytes() == release.content
    target.unlink()
    # Whoever asks another mirror, whose link leads where it did, gets the file that was published.
    assert run_dio("get", scene.mirrors[1].link(newer.name), *options).returncode == 0
