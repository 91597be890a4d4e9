"""core/fair_turns.py: spec/vectors/fair-turns.json, which client/tests/core/sharing.test.ts runs, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distribute_io.core.fair_turns import FairTurns

VECTORS = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "fair-turns.json").read_text())


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: str(case["name"]))
def test_turns(case: dict[str, Any]) -> None:  # Any: a vector's fields
    turns: FairTurns[str] = FairTurns()
    for number, step in enumerate(case["steps"]):
        if "add" in step:
            turns.add(step["add"])
        elif "remove" in step:
            turns.remove(step["remove"])
        elif "sent" in step:
            turns.sent(step["sent"], step["bytes"])
        else:
            ready = set(step["next"])
            assert turns.next(ready.__contains__) == step["is"], f"step {number}"
