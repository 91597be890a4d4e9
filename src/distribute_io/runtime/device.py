"""What the machine tells of its power and its network: for "only while charging" and "not on metered networks".

- Power: `/sys/class/power_supply` (Linux). A machine without a battery is on mains, and counts as charging.
- Network: NetworkManager's `Metered` over the system bus, which is about the connection that traffic goes by.

What is not there is None: not known. It never raises.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from distribute_io.core.allowance import DeviceState

_POWER: Final = Path("/sys/class/power_supply")
_ASK_METERED: Final = (
    "busctl",
    "--system",
    "--timeout=2",
    "get-property",
    "org.freedesktop.NetworkManager",
    "/org/freedesktop/NetworkManager",
    "org.freedesktop.NetworkManager",
    "Metered",
)
_METERED: Final[Mapping[str, bool]] = {"u 1": True, "u 2": False, "u 3": True, "u 4": False}
"""NMMetered: yes, no, guessed yes, guessed no; 0 is unknown."""

_ASK_S: Final = 4.0


def is_charging(supplies: Sequence[Mapping[str, str]] | None) -> bool | None:
    """Whether the machine is on mains, from the files of each power supply (None: there is no such list).

    >>> is_charging([{"type": "Battery", "status": "Discharging"}, {"type": "Mains", "online": "0"}])
    False
    """
    if supplies is None:
        return None
    # What has the scope of a device is the battery of a mouse.
    batteries = [each for each in supplies if each.get("type") == "Battery" and each.get("scope") != "Device"]
    if not batteries:
        return True
    if any(each.get("type") in ("Mains", "USB") and each.get("online") == "1" for each in supplies):
        return True
    states = {each.get("status") for each in batteries}
    if "Discharging" in states:
        return False
    return True if states & {"Charging", "Full", "Not charging"} else None


def is_metered(answer: str) -> bool | None:
    """What NetworkManager's answer says; None when it says nothing.

    >>> is_metered("u 4")
    False
    """
    return _METERED.get(answer.strip())


def read_device() -> DeviceState:
    """Look. Blocks for up to some seconds."""
    return DeviceState(charging=is_charging(_read_supplies(_POWER)), metered=is_metered(_ask_metered()))


def _read_supplies(folder: Path) -> list[dict[str, str]] | None:
    try:
        places = sorted(folder.iterdir())
    except OSError:
        return None
    return [
        {name: text for name in ("type", "scope", "online", "status") if (text := _read(place / name)) is not None}
        for place in places
    ]


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return None


def _ask_metered() -> str:
    try:
        done = subprocess.run(_ASK_METERED, capture_output=True, text=True, timeout=_ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
