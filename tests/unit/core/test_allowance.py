"""core/allowance.py: the vectors that TypeScript runs, too; and that no crashes ever add up to more than a budget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.allowance import Allowance, AllowanceLimits, Charged, DeviceState, LocalTime, on_the_wire

VECTORS = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "allowance.json").read_text())
Vector = dict[str, Any]  # Any: a vector's fields
NOON = LocalTime(20_000, 24_000, 720)


def run_step(allowance: Allowance, step: Vector) -> object:
    match step["do"]:
        case "take":
            return allowance.take(step["bytes"], LocalTime(*step["at"]))
        case "pause":
            return allowance.pause(LocalTime(*step["at"]), DeviceState(step["charging"], step["metered"]))
        case "fill":
            return allowance.may_fill(LocalTime(*step["at"]), DeviceState(step["charging"], step["metered"]))
        case "used":
            used = allowance.used(LocalTime(*step["at"]))
            return {"dayBytes": used.day_bytes, "monthBytes": used.month_bytes}
        case "settle":
            charged = allowance.settle()
            return {
                "day": charged.day,
                "dayBytes": charged.day_bytes,
                "month": charged.month,
                "monthBytes": charged.month_bytes,
            }
    raise ValueError(step["do"])


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: str(vector["name"]))
def test_limits(vector: Vector) -> None:
    said = vector["limits"]
    limits = AllowanceLimits(
        daily_bytes=said["dailyBytes"],
        monthly_bytes=said["monthlyBytes"],
        hours=None if said["hours"] is None else tuple(said["hours"]),
        while_charging=said["whileCharging"],
        unmetered=said["unmetered"],
    )
    on_disk = Charged()
    allowance = Allowance(limits, on_disk)
    for number, step in enumerate(vector["steps"]):
        if step["do"] == "crash":
            allowance = Allowance(limits, on_disk)
        elif step["do"] == "store":
            on_disk = allowance.charged
            allowance.stored(on_disk)
        else:
            assert run_step(allowance, step) == step["says"], (number, step)
            if step["do"] == "settle":
                on_disk = allowance.charged


@pytest.mark.parametrize(("size_bytes", "wire_bytes"), VECTORS["wire"])
def test_the_wire_carries_more_than_the_payload(size_bytes: int, wire_bytes: int) -> None:
    assert on_the_wire(size_bytes) == wire_bytes


@given(
    st.lists(st.one_of(st.just("crash"), st.just("close"), st.integers(1, 40_000_000)), max_size=20),
    st.integers(0, 100_000_000),
)
def test_never_more_than_the_limit_in_a_day_whatever_happens(steps: list[str | int], limit_bytes: int) -> None:
    limits = AllowanceLimits(daily_bytes=limit_bytes)
    on_disk = Charged()
    allowance = Allowance(limits, on_disk)
    given_bytes = 0
    for step in steps:
        if isinstance(step, int):
            answer = allowance.take(step, NOON)
            if answer == "store":
                on_disk = allowance.charged
                allowance.stored(on_disk)
                answer = allowance.take(step, NOON)
            given_bytes += step if answer == "yes" else 0
        else:
            if step == "close":
                on_disk = allowance.settle()
            allowance = Allowance(limits, on_disk)
    assert given_bytes <= limit_bytes
    assert allowance.used(NOON).day_bytes >= given_bytes
