"""Files that others made and whose SHA-256 others publish, got at run time from the package registries of this machine.

Nothing of it is committed, and no registry is named: `pip` and `apt-get` are asked as the machine has them set up.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Published:
    """A file, and the digest that its publisher states for it (not one that we computed)."""

    path: Path
    sha256: str
    published_by: str


def fetch_wheel(folder: Path, requirement: str) -> Published:
    """A wheel of the package index, with the digest in the index's own metadata."""
    report_path = folder / "pip-report.json"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    dry_run = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--report", str(report_path), requirement]
    subprocess.run([*pip, *dry_run], check=True)
    sha256 = json.loads(report_path.read_text())["install"][0]["download_info"]["archive_info"]["hashes"]["sha256"]
    report_path.unlink()
    subprocess.run([*pip, "download", "--no-deps", "--dest", str(folder), requirement], check=True)
    return Published(next(folder.glob("*.whl")), sha256, "package index")


def fetch_debian_package(folder: Path, package: str) -> Published:
    """A Debian package, with the digest in the signed package list."""
    shown = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", package], check=True, capture_output=True, text=True
    ).stdout
    sha256 = next(line.partition(": ")[2] for line in shown.splitlines() if line.startswith("SHA256: "))
    subprocess.run(["apt-get", "--quiet", "--quiet", "download", package], cwd=folder, check=True, capture_output=True)
    return Published(next(folder.glob("*.deb")), sha256, "Debian package list")


def copy_mixed_files(folder: Path, count: int) -> list[Path]:
    """A folder of mixed real files with subfolders: sizes from nothing to megabytes, and names that are not ASCII.

    They are copies out of the running Python's installation, the same choice on every run.
    """
    library = Path(sysconfig.get_paths()["purelib"])
    candidates = sorted(path for path in library.rglob("*") if path.is_file() and path.stat().st_size < 8_000_000)
    largest = sorted(candidates, key=lambda path: path.stat().st_size)[-20:]
    chosen = [*largest, *random.Random(200).sample(candidates, count - 22)]
    made = []
    for number, source in enumerate(chosen):
        path = folder / f"part {number % 7}" / f"{number:03}-{source.name.lstrip('.')}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes())
        made.append(path)
    for name, content in [("empty.txt", b""), ("part 1/Größe – 大小.bin", b"small, with a name in three scripts\n")]:
        path = folder / name
        path.write_bytes(content)
        made.append(path)
    return made


def make_big_file(path: Path, size_bytes: int) -> None:
    """One file of random bytes, as no file of that size is at hand."""
    with path.open("wb") as file:
        left = size_bytes
        while left:
            piece = os.urandom(min(left, 64 * 1024 * 1024))
            file.write(piece)
            left -= len(piece)
