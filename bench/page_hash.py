"""Is our SHA-256 in a page's worker faster than hash-wasm's?

Chromium, a worker, 1 MiB parts. Option: `--rounds N` (default 3). WebCrypto is no contender: it cannot hash in parts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.record import Bar, Comparison
from tests.harness.chromium import run_chromium, run_playwright
from tests.harness.processes import Stage
from tests.harness.site import start_site

_ROOT = Path(__file__).parents[1]
_WORKER = Path(__file__).with_name("page_hash_worker.mts")
_OURS, _THEIRS, _PLAIN = "ours, WebAssembly", "hash-wasm", "ours, JavaScript"
_ASK = """new Promise((resolve, reject) => {
  const worker = new Worker("worker.js");
  worker.onmessage = (event) => resolve(event.data);
  worker.onerror = (event) => reject(new Error(event.message));
  worker.postMessage(null);
})"""


def run(options: list[str]) -> bool:
    """Run all in one page, several times, and write the result; True when the bar holds."""
    parser = argparse.ArgumentParser(prog="page_hash", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(options)
    comparison = Comparison("page_hash", (__doc__ or "").splitlines()[0], unit="MiB/s")
    with tempfile.TemporaryDirectory(prefix="dio-hash-") as name, Stage(Path(name)) as stage:
        site = start_site(stage, stage.folder / "site")
        _bundle(site.folder / "worker.js")
        page_url = site.write_page("page.html", links={})
        for number in range(chosen.rounds):
            with (
                run_playwright() as playwright,
                run_chromium(playwright, stage.folder / f"profile-{number}") as browser,
            ):
                page = browser.new_page()
                page.goto(page_url)
                for what, rate in page.evaluate(_ASK).items():
                    comparison.figures.setdefault(what, []).append(rate)
    return comparison.finish([Bar(_OURS, _THEIRS, at_least=1.25), Bar(_PLAIN, _THEIRS, at_least=0.3)])


def _bundle(target: Path) -> None:
    esbuild = _ROOT / "client" / "node_modules" / "esbuild" / "bin" / "esbuild"
    node = Path(sys.executable).with_name("node")
    words: list[str | Path] = [node, esbuild, _WORKER, "--bundle", "--minify", "--format=iife"]
    words += [f"--outfile={target}", "--log-level=warning"]
    subprocess.run(words, check=True, env=os.environ | {"NODE_PATH": str(_ROOT / "client" / "node_modules")})
