"""core/mirror_answer.py: the vectors that TypeScript runs, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from distribute_io.core.mirror_answer import (
    AnswerHead,
    AskedRange,
    FailureRow,
    Fault,
    is_replaced,
    judge_answer,
    judge_link,
    last_modified_s,
)
from distribute_io.errors import CODES

VECTORS = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "mirror-answers.json").read_text())
Vector = dict[str, Any]  # Any: a vector's fields


def name_of(vector: Vector) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("vector", VECTORS["answers"], ids=name_of)
def test_answer(vector: Vector) -> None:
    asked = AskedRange(vector["asked"]["start"], vector["asked"]["end"], vector["asked"]["size"])
    head = AnswerHead(vector["status"], vector["headers"].get)
    fault = judge_answer(head, asked, hidden=vector["hidden"], now_s=vector["nowS"])
    assert fault == (None if vector["code"] is None else Fault(vector["code"], vector["retryAfterUs"]))


@pytest.mark.parametrize("vector", VECTORS["rows"], ids=name_of)
def test_row_of_failures(vector: Vector) -> None:
    row = FailureRow()
    for code, permanent in zip(vector["codes"], vector["permanent"], strict=True):
        if code is None:
            row.delivered()
        else:
            assert row.failed(code) is permanent


@pytest.mark.parametrize("vector", VECTORS["lastModified"], ids=name_of)
def test_replaced_file(vector: Vector) -> None:
    seen = last_modified_s(AnswerHead(206, {"Last-Modified": vector["lastModified"]}.get))
    assert is_replaced(seen, vector["publishedAtS"]) is vector["replaced"]


@pytest.mark.parametrize("vector", VECTORS["links"], ids=name_of)
def test_link_that_was_dropped(vector: Vector) -> None:
    verdict = judge_link(vector["code"], replaced=vector["replaced"], pinned=vector["pinned"])
    assert verdict == vector["verdict"]


def test_every_code_is_of_the_source_family() -> None:
    codes = {vector["code"] for vector in VECTORS["answers"]} | {
        code for vector in VECTORS["rows"] for code in vector["codes"]
    }
    assert codes - {None} <= set(CODES["source"])
