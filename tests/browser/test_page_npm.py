"""The npm package, installed from its tarball: bundled by Vite under a strict policy, and as a plain module script."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from urllib.parse import urlencode

from tests.browser.conftest import StartBrowser
from tests.harness.npm import VITE, project_with_module, run_node
from tests.harness.processes import Stage
from tests.harness.scene import MIB, MirrorPlan, make_scene

_PROGRAM = """
import { download } from "%(module)s";
%(imports)s
const asked = new URLSearchParams(location.search);
window.result = download(asked.get("href"), {
  coordinator: asked.get("coordinator"), key: asked.get("key"), %(options)s
}).then(({ blob, ...rest }) => ({ ...rest, size: blob.size }), (error) => ({ code: error.code, text: String(error) }));
"""


def test_both_ways_to_use_it_download_and_verify(stage: Stage, any_browser: StartBrowser, tmp_path: Path) -> None:
    scene = make_scene(stage, [MirrorPlan(rate=None)])
    release = scene.publish("release-1.0.iso", 1 * MIB)
    project = project_with_module(tmp_path / "npm")
    page = '<!doctype html><meta charset="utf-8"><script type="module" src="/%s"></script>'

    # A bundler gives the installed worker an address on the page's own origin, so no blob: is needed.
    worker = 'import worker from "distribute-io/download-worker.js?url";'
    (project / "main.js").write_text(_PROGRAM % {"module": "distribute-io", "imports": worker, "options": "worker,"})
    (project / "index.html").write_text(page % "main.js")
    run_node(VITE, "build", "--logLevel", "error", cwd=project)
    shutil.copytree(project / "dist", scene.site.folder, dirs_exist_ok=True)
    ours = scene.coordinator.url
    (scene.site.folder / "index.html.headers").write_text(
        "Content-Security-Policy: default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
        f"connect-src {ours} {ours.replace('http:', 'ws:')} {scene.mirrors[0].url}\n"
    )

    # A page without any build step.
    module = project / "node_modules" / "distribute-io" / "dist" / "index.js"
    shutil.copy(module, scene.site.folder / "distribute-io.js")
    (scene.site.folder / "plain.js").write_text(
        _PROGRAM % {"module": "/distribute-io.js", "imports": "", "options": ""}
    )
    (scene.site.folder / "plain.html").write_text(page % "plain.js")

    href = scene.mirrors[0].link(release.name)
    tabs = {kind: any_browser(kind, kind).new_page() for kind in ("chromium", "firefox")}
    query = urlencode({"coordinator": ours, "key": scene.publisher.public_key, "href": href})
    for (kind, tab), name in product(tabs.items(), ("index.html", "plain.html")):
        tab.goto(f"{scene.site.url}/{name}?{query}")
        result = tab.evaluate("window.result")
        assert result.get("sha256") == release.sha256, (kind, name, result, tab.console())
        assert result["signedBy"] == scene.publisher.public_key
        assert result["size"] == len(release.content)
    assert json.loads((project / "package.json").read_text())["dependencies"].keys() == {"distribute-io"}
