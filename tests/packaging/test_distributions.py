"""What people install: the sdist carries the built client, and the wheel is made from it without Node or npm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build(kind: str, source: Path, target: Path, environment: dict[str, str]) -> Path:
    """Builds one distribution with the backend that is installed here; returns its file."""
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(target), str(source)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made from a copy of what git has, so that nothing which lies about is packed, and nothing here is rebuilt."""
    tree = tmp_path_factory.mktemp("tree")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    (tree / "client" / "node_modules").symlink_to(ROOT / "client" / "node_modules")
    return build("sdist", tree, tmp_path_factory.mktemp("sdist"), dict(os.environ))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made from the unpacked sdist after everything that Node could work on was taken away."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (tree,) = unpacked.iterdir()
    shutil.rmtree(tree / "client")
    return build("wheel", tree, tmp_path_factory.mktemp("wheel"), {**os.environ, "PATH": "/nowhere"})


def test_the_sdist_carries_sources_and_the_built_client(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "src/distribute_io/client_dist/build.json",
        "client/package-lock.json",
        "spec/README.md",
        "LICENSE",
    } <= names
    assert not any("node_modules" in name for name in names)


def test_the_wheel_has_every_part_of_the_client_as_pinned(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        pins = json.loads(archive.read("distribute_io/client_dist/build.json"))
    assert {f"distribute_io/client_dist/{part}" for part in pins["integrity"]} <= names
    assert "distribute_io/py.typed" in names
    assert not any(name.startswith(("tests/", "client/")) for name in names)


def test_the_installed_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", installed, wheel],
        check=True,
        timeout=60,
    )
    script = "from distribute_io.cli import main as m; print(m.__file__); m.main(['--version'])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    where, version = done.stdout.splitlines()
    assert Path(where).is_relative_to(installed)
    assert version.startswith("dio ")
