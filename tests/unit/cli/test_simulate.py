"""`dio simulate`: words, JSON, report and picture of one quick scenario; the fields are those of the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from distribute_io.cli.simulate import app, parse_span
from distribute_io.errors import UsageError

QUICK = ["steady", "--visitors", "8", "--files", "3", "--file-size", "8MiB", "--hours", "0.2", "--policy", "lru"]

CONTRACT = {
    "scenario", "seed", "net_offload", "gross_offload", "bound", "share_of_bound", "pushed_bytes",
    "filled_by_donors_bytes", "served_bytes", "baselines", "completion_s", "plan_ms",
}  # fmt: skip


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_has_the_fields_of_the_contract_and_is_the_same_again() -> None:
    one, other = (json.loads(run(*QUICK, "--json")) for _ in range(2))
    assert set(one) >= CONTRACT
    assert set(one["completion_s"]) == {"p50", "p95", "p99"}
    assert set(one["plan_ms"]) == {"join_p99", "full"}
    assert list(one["baselines"]) == ["lru"]
    del one["plan_ms"], other["plan_ms"]
    assert one == other


def test_the_question_is_answered_in_words_and_drawn(tmp_path: Path) -> None:
    report, plot = tmp_path / "report.html", tmp_path / "plot.png"
    said = " ".join(run(*QUICK, "--no-bound", "--report", str(report), "--plot", str(plot)).split())
    assert said.startswith("With 8 donors online"), "the question's answer comes first"
    assert "3 files of 8.39 MB; " in said, "and then what it is for, not the scenario's own figures"
    assert "your mirrors send" in said or "save you nothing" in said
    page = report.read_text()
    assert "<svg" in page
    assert "prefers-color-scheme:dark" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_scenarios_are_listed() -> None:
    assert {"steady", "flash", "release-day"} <= {row["scenario"] for row in json.loads(run("--list", "--json"))}
    assert "two-minute" in run("--list")


def test_spans_of_time() -> None:
    assert [parse_span(text) for text in ("90s", "5m", "2h", "1d", "7")] == [90, 300, 7200, 86400, 7]
    with pytest.raises(UsageError):
        parse_span("soon")
