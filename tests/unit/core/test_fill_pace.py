"""core/fill_pace.py: the vectors that TypeScript runs, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distribute_io.core.fill_pace import fill_pause_us

VECTORS = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "fill-pace.json").read_text())
Vector = dict[str, Any]  # Any: a vector's fields


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: str(vector["name"]))
def test_pause(vector: Vector) -> None:
    pause_us = fill_pause_us(
        size_bytes=vector["size_bytes"],
        elapsed_us=vector["elapsed_us"],
        ceiling_bytes_per_s=vector["ceiling_bytes_per_s"],
    )
    assert pause_us == vector["pause_us"]
