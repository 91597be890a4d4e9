"""The files under `deploy/`: systemd takes the unit, and what unit and container call is what the program has."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from distribute_io.cli.main import load_command

UNIT = Path(__file__).parents[2] / "deploy" / "dio-donate.service"
CONTAINER = UNIT.with_name("Containerfile")
PROGRAM = "/opt/distribute-io/bin/dio"


def test_the_unit_calls_dio_donate_with_options_that_exist() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.read(UNIT)
    program, command, *words = unit["Service"]["ExecStart"].split()
    assert (program, command) == (PROGRAM, "donate")
    known = {name for option in load_command("donate").params for name in option.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.fail("systemd-analyze is not there: install systemd (apt-get install systemd)")
    there = tmp_path / UNIT.name
    there.write_text(UNIT.read_text().replace(PROGRAM, "/bin/true"))
    outcome = subprocess.run([analyze, "verify", there], capture_output=True, text=True, timeout=30, check=False)
    assert (outcome.returncode, outcome.stderr) == (0, "")


def instructions() -> list[tuple[str, str]]:
    """Of the container file: name and arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", CONTAINER.read_text()))
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in text.splitlines() if line.strip()]


def test_the_container_calls_dio_donate_with_options_that_exist_as_a_user_of_its_own() -> None:
    found = instructions()
    assert {name for name, _ in found} <= {
        "FROM",
        "ARG",
        "RUN",
        "USER",
        "WORKDIR",
        "VOLUME",
        "STOPSIGNAL",
        "ENTRYPOINT",
    }
    last = dict(found)
    program, command, *words = json.loads(last["ENTRYPOINT"])
    assert (program, command) == (PROGRAM, "donate")
    known = {name for option in load_command("donate").params for name in option.opts}
    assert {word for word in words if word.startswith("--")} <= known
    made = next(arguments for name, arguments in found if name == "RUN" and "useradd" in arguments)
    assert made.split()[-1] == last["USER"] != "root"
    assert last["VOLUME"] == last["WORKDIR"] == words[words.index("--data-dir") + 1]
    assert last["STOPSIGNAL"] == "SIGINT"  # which `dio donate` ends by in order, as PID 1 too


def test_the_containers_steps_are_shell_that_a_shell_takes() -> None:
    for name, arguments in instructions():
        if name == "RUN":
            script = re.sub(r"--mount=\S+ ", "", arguments)
            outcome = subprocess.run(["sh", "-n", "-c", script], capture_output=True, text=True, check=False)
            assert (outcome.returncode, outcome.stderr) == (0, ""), script
