"""The npm module in a page of somebody else: `download()` without tag and panel."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.harness.browser import Browser, wait_for_download
from tests.harness.coordinator import Release
from tests.harness.downloads import Visitor
from tests.harness.processes import Stage
from tests.harness.scene import MIB, MirrorPlan, Scene, make_scene

# Runs the module's `download` and says what came of it; the blob itself stays in the page.
_RUN = """(async () => {{
  const {{ download }} = await import({module});
  const seen = [];
  const stopped = new AbortController();
  try {{
    const {{ blob, ...result }} = await download({target}, {{
      coordinator: {coordinator}, key: {key}, {more}
      onProgress: (progress) => seen.push(progress),
      signal: stopped.signal,
    }});
    const digest = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
    const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return {{ ...result, blobSha256: hex, last: seen.at(-1), written: window.written }};
  }} catch (error) {{
    return {{ name: error.name, code: error.code, reason: String(error.message ?? error) }};
  }}
}})()"""

Published = tuple[Scene, Release, str]


@pytest.fixture(scope="module")
def published(module_stage: Stage) -> Published:
    scene = make_scene(module_stage, [MirrorPlan(rate="8MB/s"), MirrorPlan(rate="8MB/s")])
    release = scene.publish("release-1.0.iso", 5 * MIB)
    return scene, release, scene.mirrors[0].link(release.name)


def open_page(scene: Scene, browser: Browser) -> Visitor:
    return scene.visit(browser, {}, script="<!-- no tag -->")


def script(scene: Scene, target: str, *, key: str | None = None, more: str = "") -> str:
    module = f"{scene.coordinator.url}/v/latest/index.js"
    return _RUN.format(
        module=json.dumps(module),
        target=json.dumps(target),
        coordinator=json.dumps(scene.coordinator.url),
        key=json.dumps(key or scene.publisher.public_key),
        more=more,
    )


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_a_link_brings_a_verified_blob(
    published: Published, any_browser: Callable[[str, str], Browser], kind: str
) -> None:
    scene, release, href = published
    page = open_page(scene, any_browser(kind, "visitor")).page
    result = page.evaluate(script(scene, href))
    assert result["sha256"] == result["blobSha256"] == release.sha256, result
    assert result["signedBy"] == scene.publisher.public_key
    assert result["name"] == release.name
    assert sum(source["bytes"] for source in result["bytesBySource"]) == len(release.content)
    assert result["last"]["receivedBytes"] == result["last"]["sizeBytes"] == len(release.content)
    assert page.downloads() == []


def test_a_file_id_and_the_download_folder(published: Published, any_browser: Callable[[str, str], Browser]) -> None:
    scene, release, _ = published
    page = open_page(scene, any_browser("chromium", "visitor")).page
    result = page.evaluate(script(scene, release.sha256, more="sink: 'save',"))
    assert result["sha256"] == release.sha256, result
    assert wait_for_download(page).path.read_bytes() == release.content


def test_a_stream_gets_the_verified_file(published: Published, any_browser: Callable[[str, str], Browser]) -> None:
    scene, release, href = published
    page = open_page(scene, any_browser("chromium", "visitor")).page
    sink = "sink: new WritableStream({ write(chunk) { window.written = (window.written ?? 0) + chunk.length; } }),"
    assert page.evaluate(script(scene, href, more=sink))["written"] == len(release.content)


def test_a_key_that_did_not_sign_is_an_error_with_its_code(
    published: Published, any_browser: Callable[[str, str], Browser]
) -> None:
    scene, _, href = published
    page = open_page(scene, any_browser("chromium", "visitor")).page
    other = "ed25519:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert page.evaluate(script(scene, href, key=other))["code"] == "untrusted_manifest"


def test_an_abort_gives_back_its_reason(published: Published, any_browser: Callable[[str, str], Browser]) -> None:
    scene, _, href = published
    page = open_page(scene, any_browser("chromium", "visitor")).page
    stop = "sink: (setTimeout(() => stopped.abort(new Error('enough')), 300), undefined),"
    assert page.evaluate(script(scene, href, more=stop))["reason"] == "enough"
