"""Proof g: `dio get` takes from a browser's tab, and a page takes from `dio donate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distribute_io.transport.webrtc_engines import EngineName
from tests.harness.browser import Browser
from tests.harness.coordinator import run_dio_well
from tests.harness.donors import open_donor_page, start_headless_donor, wait_until_held
from tests.harness.downloads import assert_saved, bytes_by_kind
from tests.harness.processes import Stage
from tests.harness.scene import MIB, MirrorPlan, make_scene


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_dio_get_takes_from_a_browser_donor(
    stage: Stage, any_browser: Callable[[str, str], Browser], kind: str
) -> None:
    scene = make_scene(stage, [MirrorPlan(rate="4MB/s")])
    release = scene.publish("release-1.0.iso", 6 * MIB)
    open_donor_page(any_browser(kind, "donor"), scene.coordinator)
    wait_until_held(scene.coordinator, 6 * MIB)
    scene.mirrors[0].change(rate="500kB/s")

    target = stage.folder / "got"
    target.mkdir()
    manifest = scene.publisher.manifest_path(release)
    words: list[str | Path] = [manifest, "-o", target / release.name, "--coordinator", scene.coordinator.url]
    words += ["--pin", scene.publisher.public_key, "--json"]
    report = json.loads(run_dio_well("get", *words, timeout_s=60))
    assert (target / release.name).read_bytes() == release.content
    assert report["verified"] is True
    assert report["sha256"] == release.sha256
    assert report["signed_by"] == [scene.publisher.public_key]
    assert sum(source["bytes"] for source in report["bytes_by_source"]) == report["size_bytes"] == len(release.content)
    assert sum(source["bytes"] for source in report["bytes_by_source"] if source["kind"] == "peer") >= 1 * MIB, report


@pytest.mark.parametrize(
    ("kind", "webrtc"), [("chromium", "reactor-webrtc"), ("firefox", "reactor-webrtc"), ("chromium", "aiortc")]
)
def test_a_page_takes_from_a_headless_donor(
    stage: Stage, any_browser: Callable[[str, str], Browser], kind: str, webrtc: EngineName
) -> None:
    scene = make_scene(stage, [MirrorPlan(rate="8MB/s")])
    release = scene.publish("release-1.0.iso", 6 * MIB)
    start_headless_donor(scene.coordinator, stage.folder / "headless", webrtc=webrtc)
    wait_until_held(scene.coordinator, 6 * MIB)
    scene.mirrors[0].change(rate="500kB/s")

    visitor = scene.visit(any_browser(kind, "visitor"), {"iso": scene.mirrors[0].link(release.name)})
    visitor.click("iso")
    verified = visitor.expect_verified()
    assert_saved(visitor, release)
    assert sum(bytes_by_kind(verified)["peer"].values()) >= 1 * MIB, verified
