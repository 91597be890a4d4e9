"""The demo's other processes: started, listened to, and ended with it, whatever way it ends.

Rules:

1. Each is a process of its own, as in real life, with its output in one log file each.
2. Each is in a session of its own: Ctrl-C at the terminal reaches the demo only, which then ends them in the reverse
   order in which they were started. Ending is asked for first (SIGTERM) and insisted on after `_GRACE_S`.
3. Ctrl-C and SIGTERM wait while a child is being started (not on the list yet, nobody would end it), and while the
   children are being ended.
4. No waiting without a deadline; a child that died meanwhile is told with the last lines of its log.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from distribute_io.errors import RefusedError

_GRACE_S = 5.0
_POLL_S = 0.05
_LOG_LINES_TOLD = 5

T = TypeVar("T")


class Child:
    """One running process; `name` is what people are told."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log_path: Path) -> None:
        self.name = name
        self._popen = popen
        self._log_path = log_path

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def first_json_line(self) -> dict[str, Any] | None:  # Any: JSON of any shape
        """The first line of its output that is a JSON object; None while there is none."""
        for line in self._log_path.read_text(errors="replace").splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                value: dict[str, Any] = json.loads(line)  # Any: as above
                return value
        return None

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        return " / ".join(self._log_path.read_text(errors="replace").splitlines()[-_LOG_LINES_TOLD:])

    def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        if not self.is_running():
            return
        self._popen.terminate()
        try:
            self._popen.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


class Children:
    """All processes of one demo; a context manager that ends them."""

    def __init__(self, log_folder: Path) -> None:
        self._log_folder = log_folder
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _signals_held():
            while self._children:
                self._children.pop().stop()

    def start(self, name: str, module: str, arguments: Sequence[str]) -> Child:
        """Run a module of this Python with these arguments."""
        log_path = self._log_folder / f"{name.replace(' ', '-')}.log"
        with _signals_held(), log_path.open("wb") as log:
            popen = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
            child = Child(name, popen, log_path)
            self._children.append(child)
        return child

    def run(self, name: str, module: str, arguments: Sequence[str], *, env: Mapping[str, str] | None = None) -> str:
        """Run a module to its end and return its standard output.

        Raises:
            RefusedError: `internal`, with what it said, when it fails.
        """
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            check=False,
        )
        if done.returncode != 0:
            raise RefusedError("internal", f"{name} failed: {' / '.join(done.stderr.splitlines()[-_LOG_LINES_TOLD:])}")
        return done.stdout

    def wait_for(self, condition: Callable[[], T | None], what: str, *, timeout_s: float) -> T:
        """Wait until `condition` returns something true, and return that.

        Raises:
            RefusedError: `internal`, when a child died or the time is over.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            answer = condition()
            if answer:
                return answer
            for child in self._children:
                if not child.is_running():
                    raise RefusedError("internal", f"{child.name} ended while waiting for {what}: {child.last_words()}")
            if time.monotonic() > deadline:
                raise RefusedError("internal", f"waited {timeout_s:g} s in vain for {what}")
            time.sleep(_POLL_S)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Keeps SIGINT and SIGTERM back (rule 3), and lets those that came take effect afterwards. Main thread only.

    Not by a signal mask: a child would inherit it and could not be asked to end.
    """
    held: list[int] = []

    def hold(signum: int, _frame: FrameType | None) -> None:
        held.append(signum)

    before = {signum: signal.signal(signum, hold) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        if held:
            signal.raise_signal(held[0])
