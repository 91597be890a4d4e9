"""Real processes for tests: started on demand, watched, and ended by their own process id.

Rules:

1. Whoever starts a process ends it: `Process` is a context manager, and a `Stage` ends all that it started, in the
   reverse order.
2. All output goes to files and is shown when a test fails (`Stage.report`).
3. Nothing waits without a deadline, and a process that died ends the wait at once, with its output.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

_POLL_S = 0.02
_STOP_S = 10.0
_OUTPUT_SHOWN_CHARS = 20_000

T = TypeVar("T")


class DiedError(AssertionError):
    """A process ended although the test still needs it."""


class TimedOutError(AssertionError):
    """A condition did not come true before its deadline."""


def wait_for(condition: Callable[[], T | None], what: str, *, timeout_s: float = 20.0) -> T:
    """Ask `condition` again and again until it returns something true, and return that.

    Raises:
        TimedOutError: with `what` in words, when it does not become true in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimedOutError(f"waited {timeout_s:g} s in vain for {what}; last answer: {answer!r}")
        time.sleep(_POLL_S)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_udp_port_pair() -> int:
    """The first of two neighbouring UDP ports that were free a moment ago (STUN wants two)."""
    for _ in range(100):
        with socket.socket(type=socket.SOCK_DGRAM) as first, socket.socket(type=socket.SOCK_DGRAM) as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            if port == 65535:
                continue
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise TimedOutError("no two neighbouring UDP ports are free")


class Process:
    """One running program with its output in `stdout_path` and `stderr_path`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        folder.mkdir(parents=True, exist_ok=True)
        self.stdout_path = folder / f"{name}.stdout"
        self.stderr_path = folder / f"{name}.stderr"
        with self.stdout_path.open("ab") as stdout, self.stderr_path.open("ab") as stderr:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                # Its own session: Ctrl-C at the test runner reaches the runner only, which then ends its processes.
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    def stdout(self) -> str:
        """What it wrote to standard output so far."""
        return self.stdout_path.read_text(errors="replace")

    def stderr(self) -> str:
        """What it wrote to standard error so far."""
        return self.stderr_path.read_text(errors="replace")

    def output(self) -> str:
        """Both, with headings: what a failed test shows."""
        exit_code = "runs" if self.exit_code is None else f"exit code {self.exit_code}"
        return (
            f"--- {self.name} (pid {self.pid}, {exit_code}): {' '.join(self.command)}\n"
            f"{self.stdout()[-_OUTPUT_SHOWN_CHARS:]}\n--- {self.name}, stderr\n{self.stderr()[-_OUTPUT_SHOWN_CHARS:]}"
        )

    def wait_until(self, condition: Callable[[], T | None], what: str, *, timeout_s: float = 20.0) -> T:
        """As `wait_for`, but a death of the process ends the waiting with its output.

        Raises:
            DiedError: when the process is gone first.
            TimedOutError: when the condition does not come true in time.
        """

        def alive_and_true() -> T | None:
            answer = condition()
            if not answer and self.exit_code is not None:
                raise DiedError(f"{self.name} ended while waiting for {what}\n{self.output()}")
            return answer

        try:
            return wait_for(alive_and_true, what, timeout_s=timeout_s)
        except TimedOutError as error:
            raise TimedOutError(f"{error}\n{self.output()}") from None

    def wait_for_json_line(self, *, timeout_s: float = 20.0) -> dict[str, Any]:  # Any: JSON of any shape
        """The first line of standard output that is a JSON object."""

        def first_object() -> dict[str, Any] | None:  # Any: as above
            for line in self.stdout().splitlines():
                if line.startswith("{"):
                    with contextlib.suppress(json.JSONDecodeError):
                        value: dict[str, Any] = json.loads(line)
                        return value
            return None

        return self.wait_until(first_object, f"a JSON line of {self.name}", timeout_s=timeout_s)

    def wait(self, *, timeout_s: float) -> int:
        """Wait for the end and return the exit code.

        Raises:
            TimedOutError: with the output, when it still runs then.
        """
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimedOutError(f"{self.name} still runs after {timeout_s:g} s\n{self.output()}") from None

    def send_signal(self, signum: signal.Signals) -> None:
        """Send a signal."""
        self._popen.send_signal(signum)

    def kill(self) -> None:
        """End it at once, as `kill -9` would, and wait until it is gone."""
        self._popen.kill()
        self._popen.wait(_STOP_S)

    def stop(self) -> None:
        """Ask it to end (SIGTERM), insist after a while; then end what it started and left (a wrapper's program)."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)  # the session's group has its first process's id


class Stage:
    """All the processes of one test, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[Process] = []
        self._reports: list[tuple[str, Callable[[], str]]] = []
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything that was started, last first."""
        self._exits.close()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Process:
        """Start a program (in `folder`, where it is named); a second one of the same name gets a number."""
        count = sum(process.name.split("#")[0] == name for process in self._processes)
        unique = name if count == 0 else f"{name}#{count + 1}"
        process = Process(unique, command, self.folder / "output", env=env, cwd=folder)
        self._processes.append(process)
        self._exits.enter_context(process)
        return process

    @property
    def processes(self) -> tuple[Process, ...]:
        """All that were started, in that order."""
        return tuple(self._processes)

    def enter(self, resource: contextlib.AbstractContextManager[T]) -> T:
        """Keep any other context manager open until the stage ends."""
        return self._exits.enter_context(resource)

    def add_report(self, title: str, text: Callable[[], str]) -> None:
        """Show this text too when the test fails, as a browser's console."""
        self._reports.append((title, text))

    def report(self) -> str:
        """The output of everything that was started."""
        parts = [process.output() for process in self._processes]
        parts += [f"--- {title}\n{text()[-_OUTPUT_SHOWN_CHARS:]}" for title, text in self._reports]
        return "\n".join(parts)


def python_module(module: str, *arguments: str | Path) -> list[str | Path]:
    """The command that runs a module of this Python."""
    return [sys.executable, "-m", module, *arguments]


def dio(*arguments: str | Path) -> list[str | Path]:
    """The command line of `dio`, run by this Python, so that the tree under test is what runs."""
    return python_module("distribute_io.cli.main", *arguments)
