"""The demo's processes are real, are ended with it, and a death is told with the last words."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from distribute_io.demo.children import Children
from distribute_io.errors import RefusedError

_MIRROR = "distribute_io.demo.throttled_mirror"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_speaks_and_ends_with_its_owner(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("mirror 1", _MIRROR, ["--dir", str(tmp_path)])
        line = children.wait_for(child.first_json_line, "its address", timeout_s=20)
        assert child.is_running()
        assert is_alive(line["pid"])
    assert not child.is_running()
    assert not is_alive(line["pid"])


def test_a_child_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        children.start("mirror 1", _MIRROR, ["--dir", str(tmp_path), "--misbehave", "lie"])
        with pytest.raises(
            RefusedError, match=r"mirror 1 ended while waiting for nothing: .*unknown misbehaviour 'lie'"
        ):
            children.wait_for(lambda: None, "nothing", timeout_s=20)


def test_waiting_has_an_end(tmp_path: Path) -> None:
    with Children(tmp_path) as children, pytest.raises(RefusedError, match="in vain for a wonder"):
        children.wait_for(lambda: None, "a wonder", timeout_s=0)


def test_a_child_that_does_not_listen_is_ended_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distribute_io.demo.children._GRACE_S", 0.2)
    with Children(tmp_path) as children:
        child = children.start("mirror 1", _MIRROR, ["--dir", str(tmp_path)])
        pid = children.wait_for(child.first_json_line, "its address", timeout_s=20)["pid"]
        os.kill(pid, signal.SIGSTOP)  # a stopped process gets no SIGTERM
    assert not is_alive(pid)


def test_a_command_is_run_to_its_end(tmp_path: Path) -> None:
    children = Children(tmp_path)
    assert "--rate" in children.run("help", _MIRROR, ["--help"])
    with pytest.raises(RefusedError, match=r"help failed: .*unknown misbehaviour"):
        children.run("help", _MIRROR, ["--dir", str(tmp_path), "--misbehave", "lie"])


def test_an_interrupt_while_a_child_is_started_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def interrupted(*words: Any, **options: Any) -> subprocess.Popen[bytes]:  # Any: whatever Popen takes
        started.append(real(*words, **options))
        signal.raise_signal(signal.SIGINT)
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt), Children(tmp_path) as children:
        children.start("mirror 1", _MIRROR, ["--dir", str(tmp_path)])
    assert started[0].poll() is not None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
