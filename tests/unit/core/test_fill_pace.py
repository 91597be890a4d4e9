"""core/fill_pace.py: the vectors that TypeScript runs, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distribute_io.core.fill_pace import BURST_US, PARTS, FillPace

VECTORS = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "fill-pace.json").read_text())
Vector = dict[str, Any]  # Any: a vector's fields


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: str(vector["name"]))
def test_pauses(vector: Vector) -> None:
    pace = FillPace(ceiling_bytes_per_s=vector["ceiling_bytes_per_s"], now_us=0)
    for piece in vector["pieces"]:
        pause_us = pace.pause_us(size_bytes=piece["size_bytes"], elapsed_us=piece["elapsed_us"], now_us=piece["now_us"])
        assert pause_us == piece["pause_us"]


def test_in_the_long_run_a_mirror_is_used_for_a_sixteenth_of_the_time() -> None:
    pace = FillPace(ceiling_bytes_per_s=10**12, now_us=0)
    now_us = busy_us = 0
    for number in range(1_000):
        elapsed_us = 100_000 + 7_919 * number % 3_000_000
        busy_us += elapsed_us
        now_us += elapsed_us
        now_us += pace.pause_us(size_bytes=1_048_576, elapsed_us=elapsed_us, now_us=now_us)
    assert busy_us <= BURST_US + now_us // PARTS + 1
