"""core/tally_code.py: the vectors that TypeScript runs, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.tally_code import read_tally_code, write_tally_code
from distribute_io.errors import UsageError

VECTORS = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "tally-codes.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["codes"], ids=lambda vector: str(vector["code"]))
def test_code(vector: dict[str, str]) -> None:
    assert write_tally_code(bytes.fromhex(vector["secret"])) == vector["code"]
    assert read_tally_code(vector["code"]).hex() == vector["secret"]


@pytest.mark.parametrize("vector", VECTORS["alike"], ids=lambda vector: str(vector["name"]))
def test_code_as_people_type_it(vector: dict[str, str]) -> None:
    assert read_tally_code(vector["code"]).hex() == vector["secret"]


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: str(vector["name"]))
def test_what_is_no_code(vector: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        read_tally_code(vector["code"])
    assert caught.value.code == "bad_argument"


@given(st.binary(min_size=16, max_size=16))
def test_every_secret_comes_back(secret: bytes) -> None:
    assert read_tally_code(write_tally_code(secret)) == secret
