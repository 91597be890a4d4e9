"""runtime/device.py: what is known of power and network, and that what is not known is said to be so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from distribute_io.core.allowance import DeviceState
from distribute_io.runtime import device
from distribute_io.runtime.device import is_charging, is_metered, read_device

BATTERY = {"type": "Battery", "status": "Discharging"}
FULL = {"type": "Battery", "status": "Full"}
MAINS = {"type": "Mains", "online": "1"}
UNPLUGGED = {"type": "Mains", "online": "0"}


@pytest.mark.parametrize(
    ("supplies", "charging"),
    [
        (None, None),
        ([], True),
        ([UNPLUGGED], True),  # without a battery it could not run otherwise
        ([BATTERY, UNPLUGGED], False),
        ([BATTERY, MAINS], True),
        ([BATTERY, {"type": "USB", "online": "1"}], True),
        ([FULL], True),
        ([FULL, BATTERY], False),
        ([{"type": "Battery", "status": "Unknown"}], None),
        ([{**BATTERY, "scope": "Device"}], True),
    ],
)
def test_charging(supplies: Sequence[Mapping[str, str]] | None, charging: bool | None) -> None:
    assert is_charging(supplies) is charging


@pytest.mark.parametrize(
    ("answer", "metered"), [("u 0", None), ("u 1\n", True), ("u 2", False), ("u 3", True), ("u 4", False), ("", None)]
)
def test_metered(answer: str, metered: bool | None) -> None:
    assert is_metered(answer) is metered


def test_files_of_the_system_are_read_and_a_missing_program_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, files in (("BAT0", BATTERY), ("AC", UNPLUGGED)):
        (tmp_path / name).mkdir()
        for key, text in files.items():
            (tmp_path / name / key).write_text(text + "\n")
    monkeypatch.setattr(device, "_POWER", tmp_path)
    monkeypatch.setattr(device, "_ASK_METERED", ["/not/there"])
    assert read_device() == DeviceState(charging=False, metered=None)
    monkeypatch.setattr(device, "_POWER", tmp_path / "none")
    assert read_device() == DeviceState(charging=None, metered=None)
