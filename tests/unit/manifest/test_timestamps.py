from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.errors import DistributeError, ManifestError
from distribute_io.manifest.timestamps import TIME_S_MAX, format_timestamp, parse_timestamp
from tests.unit.manifest.verdicts import verdict


@given(st.integers(0, TIME_S_MAX))
def test_what_is_written_is_read(time_s: int) -> None:
    text = format_timestamp(time_s)
    assert len(text) == 20
    assert parse_timestamp(text) == time_s


@given(st.text("0123456789-:TZ. +", max_size=24))
def test_anything_else_is_refused(text: str) -> None:
    said = verdict(lambda: parse_timestamp(text))
    if isinstance(said, DistributeError):
        assert said.code == "manifest_bad_time"
    else:
        assert format_timestamp(said) == text


@pytest.mark.parametrize("time_s", [-1, TIME_S_MAX + 1])
def test_times_outside_the_form_cannot_be_written(time_s: int) -> None:
    with pytest.raises(ManifestError, match="cannot be written"):
        format_timestamp(time_s)
