"""A page whose panel cannot be had: the file comes, no donor is met, and what is wrong is told."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog

from tests.harness.browser import wait_for_download
from tests.harness.chromium import Chromium, ChromiumPage
from tests.harness.coordinator import Release
from tests.harness.donors import start_headless_donor, wait_until_held
from tests.harness.downloads import CONNECTIONS_MADE, KEEP_CONNECTIONS, Visitor, assert_saved, bytes_by_kind
from tests.harness.processes import Stage, wait_for
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene

_ANOTHER_KEY = "ed25519:" + base64.b64encode(bytes(range(32))).decode()

Published = tuple[Scene, Release, dict[str, str]]


@pytest.fixture(scope="module")
def published(module_stage: Stage) -> Published:
    """A donor that holds all of the file, and a mirror that is slow enough to be helped."""
    scene = make_scene(module_stage, [MirrorPlan(rate="2MB/s")])
    release = scene.publish("release-1.0.iso", 4 * MIB)
    start_headless_donor(scene.coordinator, module_stage.folder / "donor", storage="8MB", up="4MB/s")
    wait_until_held(scene.coordinator, 4 * MIB)
    return scene, release, {"iso": scene.mirrors[0].link(release.name)}


def visit(published: Published, browser: Chromium, **attributes: str) -> tuple[Visitor, ChromiumPage]:
    scene, _, links = published
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    visitor = scene.visit(browser, links, attributes=named, init_script=KEEP_CONNECTIONS)
    page = visitor.page
    assert isinstance(page, ChromiumPage)
    page.playwright.route("**/panel.js", lambda route: route.abort())
    return visitor, page


def test_without_its_panel_a_file_is_saved_and_no_donor_is_met(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor, page = visit(published, chromium("visitor"))
    visitor.click("iso")
    verified = visitor.expect_verified()
    assert_saved(visitor, published[1])
    assert bytes_by_kind(verified)["peer"] == {}
    assert page.evaluate(CONNECTIONS_MADE) == 0


def test_without_its_panel_a_forged_file_is_told_and_the_link_is_a_choice(
    published: Published, chromium: Callable[..., Chromium]
) -> None:
    visitor, page = visit(published, chromium("visitor"), data_key=_ANOTHER_KEY)
    told: list[str] = []

    def accept(dialog: Dialog) -> None:
        told.append(dialog.message)
        dialog.accept()

    page.playwright.on("dialog", accept)
    visitor.click("iso")
    visitor.expect_error("untrusted_manifest")
    wait_for(lambda: page.evaluate("true") and told, "the browser's own question")
    assert "untrusted_manifest" in told[0]
    wait_for_download(page)
    assert visitor.events("verified", "saved") == []
