"""The npm package as people get it: packed as `make build` packs it, and installed from the tarball."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "client"
COMPILER = CLIENT / "node_modules" / "typescript" / "bin" / "tsc"
VITE = CLIENT / "node_modules" / "vite" / "bin" / "vite.js"
TOOLS = Path(sys.executable).parent  # node and npm stand beside this Python


def run_tool(*command: str | Path, cwd: Path) -> str:
    """Run a tool that has to succeed, and return what it printed."""
    env = {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_node(script: Path, *arguments: str | Path, cwd: Path) -> str:
    """Run a program of `client/node_modules`."""
    assert script.is_file(), f"{script} is not there: `make setup` installs client/node_modules"
    return run_tool(TOOLS / "node", script, *arguments, cwd=cwd)


def packed_module(folder: Path) -> Path:
    """Pack what is built now; returns the tarball."""
    package = folder / "package"
    (package / "dist").mkdir(parents=True)
    for name in ("package.json", "README.md"):
        shutil.copy(CLIENT / name, package)
    for name in ("index.js", "download-worker.js", "donor-worker.js"):
        shutil.copy(ROOT / "src" / "distribute_io" / "client_dist" / name, package / "dist")
    run_node(COMPILER, "-p", "tsconfig.types.json", "--outDir", package / "types", cwd=CLIENT)
    (packed,) = json.loads(run_tool(TOOLS / "npm", "pack", "--json", "--ignore-scripts", cwd=package))
    return package / str(packed["filename"])


def project_with_module(folder: Path) -> Path:
    """A project that has installed the package, and nothing else; returns its folder."""
    project = folder / "project"
    project.mkdir(parents=True)
    (project / "package.json").write_text('{"name": "of-somebody-else", "private": true, "type": "module"}')
    install = ("install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund")
    run_tool(TOOLS / "npm", *install, packed_module(folder), cwd=project)
    return project
