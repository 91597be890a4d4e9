"""Files hashed one after the other in a thread, while the command does everything else; with a bar on a terminal.

`dio` starts this for `dio publish` before it parses the options and loads the cryptography (`start.py`).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final

from distribute_io.manifest.hashing import FileDigests, hash_file

_POLL_S: Final = 0.1
"""How often the bar moves."""

_SWITCH_INTERVAL_S: Final = 0.0002


class HashingAhead:
    """Owns the thread: leaving the `with` block cancels what is not done and waits for its end.

    Args:
        files: what to hash.
        segment_bytes: as in `hash_file`.
        is_begun_early: these are the first files of a longer list, which `follow` will tell.
    """

    def __init__(
        self, files: Sequence[Path], *, segment_bytes: int | None = None, is_begun_early: bool = False
    ) -> None:
        self._begun: Final = tuple(files)
        self._files = files
        self._rest: Final[SimpleQueue[Sequence[Path]]] = SimpleQueue()
        if not is_begun_early:
            self._rest.put(())
        self._segment_bytes: Final = segment_bytes
        self._results: SimpleQueue[FileDigests | BaseException] = SimpleQueue()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._switch_interval_before_s: Final = sys.getswitchinterval()
        self._finished_bytes = 0
        self.read_bytes = 0
        """Bytes read so far, of all files."""

    def __enter__(self) -> HashingAhead:
        # The hashers come back for the interpreter's lock after each MiB, in 0.6 ms. A thread that imports meanwhile
        # would keep it for the usual 5 ms each time, and they would stand still.
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cancelled.set()
        self._rest.put(())
        self._thread.join()
        sys.setswitchinterval(self._switch_interval_before_s)

    def follow(self, files: Sequence[Path]) -> bool:
        """Hash all of these, of which the first ones were begun with early. False, and nothing, if they were not."""
        begun = len(self._begun)
        if tuple(files[:begun]) != self._begun:
            return False
        self._files = files
        self._rest.put(files[begun:])
        return True

    def results(self) -> Iterator[FileDigests]:
        """The digests of each file, in order.

        Raises:
            DistributeError: what `hash_file` raised for the file whose turn it is; nothing comes after it.
        """
        with _bar(self._files) as show:
            for _ in self._files:
                while (result := self._next()) is None:
                    show(self.read_bytes)
                show(self.read_bytes)
                if isinstance(result, BaseException):
                    raise result
                yield result

    def _next(self) -> FileDigests | BaseException | None:
        try:
            return self._results.get(timeout=_POLL_S)
        except Empty:
            return None

    def _run(self) -> None:
        try:
            for file in self._all_files():
                digests = hash_file(
                    file,
                    segment_bytes=self._segment_bytes,
                    on_progress=self._note,
                    is_cancelled=self._cancelled.is_set,
                )
                self._finished_bytes += digests.size_bytes
                self._results.put(digests)
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits for it
            self._results.put(error)

    def _all_files(self) -> Iterator[Path]:
        """In the thread. Waits for the rest of the list, where it was begun early."""
        yield from self._begun
        yield from self._rest.get()

    def _note(self, read_bytes: int) -> None:
        self.read_bytes = self._finished_bytes + read_bytes


@contextmanager
def _bar(files: Sequence[Path]) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, if that is a terminal; yields what to tell the bytes that are done."""
    if not sys.stderr.isatty():
        yield lambda _done_bytes: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        # A file that is not there is reported when its turn comes; here it only does not count.
        task = progress.add_task("reading", total=sum(file.stat().st_size for file in files if file.is_file()))
        yield lambda done_bytes: progress.update(task, completed=done_bytes)
