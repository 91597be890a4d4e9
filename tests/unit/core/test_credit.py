"""core/credit.py: what a receipt counts, as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distribute_io.core.credit import Bounds, bound_by_rate, credit_after

VECTORS = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "credit.json").read_text())
Vector = dict[str, Any]  # Any: a vector's fields


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: str(vector["name"]))
def test_receipt(vector: Vector) -> None:
    bounds = Bounds(
        credited_bytes=vector.get("credited", 0),
        lacked_bytes=vector.get("lacked", 1_000),
        offered_bytes=vector.get("offered", 1_000),
        sendable_bytes=vector.get("sendable", 1_000),
        file_left_bytes=vector.get("file_left", 1_000),
    )
    assert credit_after(vector["stated"], bounds) == vector["becomes"]


@pytest.mark.parametrize("vector", VECTORS["sendable"])
def test_sendable(vector: Vector) -> None:
    sendable = bound_by_rate(rate_bytes_per_s=vector["rate_bytes_per_s"], took_us=vector["took_us"])
    assert sendable == vector["bytes"]
