"""Writing to our own disk: whole, durably, and with errors that say who must act."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from distribute_io.errors import DistributeError, StoreError

FULL_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def stored(path: Path) -> Iterator[None]:
    """Turn what the operating system says of our own disk into one `StoreError`, with the cause."""
    try:
        yield
    except DistributeError:
        raise
    except OSError as error:
        if error.errno in FULL_ERRORS:
            raise StoreError(
                "disk_full", f"there is no room left for {path}; what is there is kept: free some and start again"
            ) from error
        raise StoreError("store_unreadable", f"{path} cannot be written or read ({error.strerror})") from error


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of `data` at the descriptor's place."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def overwrite(path: Path, data: bytes) -> None:
    """Replace the content of a file by as many bytes in its place, which takes no room: for a disk that is full.

    A power cut may leave a mixture of both, so the file must be such that a mixture is told from either.

    Raises:
        OSError: it is not there, or of another size.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_size != len(data):
            raise OSError(errno.ENOSPC, "no room for more", str(path))
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable: after a rename, for example."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_durably(path: Path, data: bytes | bytearray | memoryview) -> None:
    """Put a file in place whole: under `path` there is the old content or the new, also after a power cut.

    The temporary name is `path` with `.new` behind it; one that a crash left over may be removed.
    """
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, data)
        os.fsync(fd)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    temporary.rename(path)
