"""`dio cause`: what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from distribute_io.cli.main import main


@pytest.mark.parametrize("weight", ["nan", "inf", "-inf", "0", "1000", "much"])
def test_a_weight_that_no_plan_could_use_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], weight: str
) -> None:
    words = ["cause", "create", "maps", "--data-dir", str(tmp_path)]
    assert main([*words, "--weight", weight]) == 2
    assert "[bad_argument]" in capsys.readouterr().err
    assert main([*words, "--weight", "2.5"]) == 0
