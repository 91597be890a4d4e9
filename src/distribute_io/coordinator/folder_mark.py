"""Which folder a data directory belongs to.

The catalogue knows the folder's files by their paths in it. Serving another folder with the same data directory would
take every file of the first one down, silently: so that is refused, unless it is the first folder in another place.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from distribute_io.errors import UsageError
from distribute_io.stores.catalogue import Catalogue

MARK: Final = "folder"
"""File of the data directory with the path of the folder that was served last."""


async def refuse_other_folder(catalogue: Catalogue, folder: Path, data_dir: Path) -> None:
    """Remember the folder, unless the data directory belongs to another one.

    A folder is the same when its path is, or when it has a file at one of the known paths (it was moved).

    Raises:
        UsageError: `other_folder`.
    """
    mark = data_dir / MARK
    known = [record.path for record in await catalogue.library()]

    def judge() -> bytes | None:
        own = os.fsencode(folder.resolve())
        before = mark.read_bytes() if mark.exists() else None
        if before in (None, own) or not known or any((folder / os.fsdecode(path)).exists() for path in known):
            mark.write_bytes(own)
            return None
        return before

    before = await asyncio.to_thread(judge)
    if before is not None:
        raise UsageError(
            "other_folder",
            f"{data_dir} belongs to {os.fsdecode(before)}, whose files would all be taken down: give another "
            f"--data-dir, or remove {mark} if {folder} is to take its place.",
        )
