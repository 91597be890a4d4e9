"""What people install from npm: one module, its workers, its types, and nothing to install below it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.harness.npm import COMPILER, TOOLS, project_with_module, run_node, run_tool


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the packed package in its node_modules; returns the project's folder."""
    return project_with_module(tmp_path_factory.mktemp("npm"))


def test_it_needs_no_other_package(installed: Path) -> None:
    manifest = json.loads((installed / "node_modules" / "distribute-io" / "package.json").read_text())
    assert "dependencies" not in manifest
    assert [path.name for path in (installed / "node_modules").iterdir() if not path.name.startswith(".")] == [
        "distribute-io"
    ]


def test_all_that_it_exports_is_there(installed: Path) -> None:
    package = installed / "node_modules" / "distribute-io"
    exports = json.loads((package / "package.json").read_text())["exports"]
    targets = [
        target for entry in exports.values() for target in (entry.values() if isinstance(entry, dict) else [entry])
    ]
    assert len(targets) == 5
    assert [target for target in targets if not (package / target).is_file()] == []
    assert {path.name for path in package.iterdir()} == {"package.json", "README.md", "dist", "types"}


def test_its_types_serve_strict_programs(installed: Path) -> None:
    shutil.copy(Path(__file__).with_name("consumer.mts"), installed)
    options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2023", "--lib", "es2023,dom"]
    for modules in (["--module", "nodenext"], ["--module", "esnext", "--moduleResolution", "bundler"]):
        run_node(COMPILER, *options, *modules, "consumer.mts", cwd=installed)


def test_importing_it_does_nothing(installed: Path) -> None:
    script = "import * as dio from 'distribute-io'; console.log(Object.keys(dio).sort().join(' '))"
    names = run_tool(TOOLS / "node", "--input-type=module", "-e", script, cwd=installed).split()
    assert {"donate", "download", "DistributeError"} <= set(names)
