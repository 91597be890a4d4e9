"""The files under `deploy/`: systemd takes the unit, and what it calls is what the program has."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from distribute_io.cli.main import load_command

UNIT = Path(__file__).parents[2] / "deploy" / "dio-donate.service"
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
