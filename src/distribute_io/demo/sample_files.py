"""The files of the demo's catalogue: one worth downloading, and others that make the donors choose.

Rules:

1. The default download is real data that every Python has at hand: the sources of its standard library and of the
   packages beside us, as one tar. Names, order, times and owners are fixed, so the same installation gives the same
   digest on every run.
2. The companions are bytes of a seeded generator: they only have to exist, and they must not compress to nothing.
3. Nothing is read over the network.
"""

from __future__ import annotations

import io
import platform
import random
import sysconfig
import tarfile
from pathlib import Path

# Below the standard library of a system's Python lie all packages that were ever installed for it.
_PACKAGE_FOLDERS = frozenset({"site-packages", "dist-packages"})
_COMPANION_PIECE_BYTES = 8 * 1024 * 1024


def write_default_file(folder: Path) -> Path:
    """Make `python-library-VERSION.tar`, some tens of MB, in `folder` and return its path."""
    path = folder / f"python-library-{platform.python_version()}.tar"
    paths = sysconfig.get_paths()
    standard, packages = Path(paths["stdlib"]), Path(paths["purelib"])
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        _add_sources(archive, "python", standard)
        _add_sources(archive, "packages", packages)
    return path


def _add_sources(archive: tarfile.TarFile, name: str, root: Path) -> None:
    """Add every Python source under `root` as `name/…`, but those of packages in a folder of their own there."""
    for source in sorted(root.rglob("*.py")):
        inner = source.relative_to(root).parts
        if not source.is_file() or not _PACKAGE_FOLDERS.isdisjoint(inner):
            continue
        content = source.read_bytes()
        try:
            member = tarfile.TarInfo("/".join((name, *inner)))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        except ValueError:
            continue  # the format has no room for a path as long as this one


def write_companion(folder: Path, number: int, size_bytes: int) -> Path:
    """Make `companion-N.bin` of exactly this size in `folder` and return its path."""
    path = folder / f"companion-{number}.bin"
    generator = random.Random(number)
    with path.open("wb") as file:
        for start in range(0, size_bytes, _COMPANION_PIECE_BYTES):
            file.write(generator.randbytes(min(_COMPANION_PIECE_BYTES, size_bytes - start)))
    return path
