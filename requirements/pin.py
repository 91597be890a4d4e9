"""Writes `runtime.txt` and `dev.txt`: the exact versions that pip picks today, without any word of where from.

Each is resolved in a virtual environment of its own, so that nothing which happens to be installed slips in.
Run it by `make pins`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADER = "# Written by `make pins`. Exact versions, no hosts.\n"


def resolve(requirements: list[str], constraint: Path | None) -> list[str]:
    """Installs `requirements` into a fresh environment and returns the `name==version` lines of all that came."""
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        python = Path(directory) / "bin" / "python"
        limits = ["-c", str(constraint)] if constraint else []
        subprocess.run([python, "-m", "pip", "install", "-q", *limits, *requirements], check=True)
        frozen = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True)
    lines = frozen.stdout.splitlines()
    if strange := [line for line in lines if "==" not in line]:
        raise SystemExit(f"not a plain version: {strange}")
    return lines


def main() -> None:
    """Resolves the runtime first; the rest may not move what the runtime chose."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    runtime_file = HERE / "runtime.txt"
    runtime = resolve(project["dependencies"], None)
    runtime_file.write_text(HEADER + "\n".join(runtime) + "\n")
    wanted = [line for line in (HERE / "dev.in").read_text().splitlines() if line and not line.startswith("#")]
    dev = sorted(set(resolve(wanted, runtime_file)) - set(runtime), key=str.lower)
    (HERE / "dev.txt").write_text(HEADER + "-r runtime.txt\n" + "\n".join(dev) + "\n")
    sys.stderr.write(f"{len(runtime)} runtime and {len(dev)} development packages pinned\n")


if __name__ == "__main__":
    main()
