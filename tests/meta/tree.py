"""The files of this repository, as the meta tests look at them."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE_SUFFIXES = {".py", ".ts", ".mjs", ".css", ".sh"}


def tracked_files() -> list[Path]:
    """What git has, and what it would take: nothing built, nothing installed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def code_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix in CODE_SUFFIXES]
