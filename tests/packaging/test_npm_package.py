"""What people install from npm: one module, its types, and nothing to install below it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "client"
COMPILER = CLIENT / "node_modules" / "typescript" / "bin" / "tsc"
TOOLS = Path(sys.executable).parent  # node and npm stand beside this Python


def run(*command: str | Path, cwd: Path) -> str:
    """Runs a tool that has to succeed, and returns what it printed."""
    env = {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the packed package in its node_modules; returns the project's folder."""
    package = tmp_path_factory.mktemp("package")
    shutil.copy(CLIENT / "package.json", package)
    (package / "dist").mkdir()
    shutil.copy(ROOT / "src" / "distribute_io" / "client_dist" / "index.js", package / "dist")
    run(TOOLS / "node", COMPILER, "-p", "tsconfig.types.json", "--outDir", package / "types", cwd=CLIENT)
    (packed,) = json.loads(run(TOOLS / "npm", "pack", "--json", "--ignore-scripts", cwd=package))
    project = tmp_path_factory.mktemp("project")
    (project / "node_modules").mkdir()
    with tarfile.open(package / packed["filename"]) as archive:
        archive.extractall(project, filter="data")
    (project / "package").rename(project / "node_modules" / "distribute-io")
    return project


def test_it_needs_no_other_package(installed: Path) -> None:
    manifest = json.loads((installed / "node_modules" / "distribute-io" / "package.json").read_text())
    assert "dependencies" not in manifest


def test_its_types_serve_strict_programs(installed: Path) -> None:
    shutil.copy(Path(__file__).with_name("consumer.mts"), installed)
    options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2023", "--lib", "es2023,dom"]
    for modules in (["--module", "nodenext"], ["--module", "esnext", "--moduleResolution", "bundler"]):
        run(TOOLS / "node", COMPILER, *options, *modules, "consumer.mts", cwd=installed)


def test_importing_it_does_nothing(installed: Path) -> None:
    script = "import * as dio from 'distribute-io'; console.log(Object.keys(dio).sort().join(' '))"
    names = run(TOOLS / "node", "--input-type=module", "-e", script, cwd=installed).split()
    assert {"donate", "download", "DistributeError"} <= set(names)
