"""The files of the demo's catalogue: one worth downloading, and others that make the donors choose.

Rules:

1. The default download is real data that every Python has at hand: its own standard library, as one tar. Names, order,
   times and owners are fixed, so the same Python gives the same digest on every run and machine.
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

_COMPANION_PIECE_BYTES = 8 * 1024 * 1024


def write_default_file(folder: Path) -> Path:
    """Make `python-stdlib-VERSION.tar`, some tens of MB, in `folder` and return its path."""
    path = folder / f"python-stdlib-{platform.python_version()}.tar"
    library = Path(sysconfig.get_paths()["stdlib"])
    sources = [source for source in library.rglob("*.py") if "site-packages" not in source.parts and source.is_file()]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for source in sorted(sources):
            content = source.read_bytes()
            member = tarfile.TarInfo(f"python/{source.relative_to(library).as_posix()}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_companion(folder: Path, number: int, size_bytes: int) -> Path:
    """Make `companion-N.bin` of exactly this size in `folder` and return its path."""
    path = folder / f"companion-{number}.bin"
    generator = random.Random(number)
    with path.open("wb") as file:
        for start in range(0, size_bytes, _COMPANION_PIECE_BYTES):
            file.write(generator.randbytes(min(_COMPANION_PIECE_BYTES, size_bytes - start)))
    return path
