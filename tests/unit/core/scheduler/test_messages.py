from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from distribute_io.core.scheduler import messages as m

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sizeBytes", -1),
        ("segmentSizeBytes", 0),
        ("segmentSizeBytes", 65_537),
        ("maxInFlightBytes", 65_535),
        ("maxOpenRequests", 0),
        ("firstRequestBytes", 0),
        ("stallUs", 0),
        ("giveUpUs", 0),
        ("noSourceGraceUs", 0),
    ],
)
def test_settings_outside_their_range_are_refused(field: str, value: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"sizeBytes": 1, "segmentSizeBytes": 65_536, field: value}, m.SchedulerConfig)


def test_json_has_the_names_of_the_typescript_interfaces() -> None:
    text = (ROOT / "client/src/core/scheduler/messages.ts").read_text()
    for union in (m.Event, m.Action):
        for struct in union.__args__:
            body = re.search(rf"export interface {struct.__name__} \{{(.*?)\n\}}", text, re.DOTALL)
            assert body is not None, struct.__name__
            fields = set(re.findall(r"readonly (\w+)\??:", body[1])) - {"type"}
            assert fields == {field.encode_name for field in msgspec.structs.fields(struct)}, struct.__name__
    for struct in (m.SchedulerConfig, m.SourceStatus, m.Part):
        body = re.search(rf"export interface {struct.__name__} \{{(.*?)\n\}}", text, re.DOTALL)
        assert body is not None
        assert set(re.findall(r"readonly (\w+)\??:", body[1])) == {
            field.encode_name for field in msgspec.structs.fields(struct)
        }


def test_defaults_are_equal_in_both_languages() -> None:
    text = (ROOT / "client/src/core/scheduler/config.ts").read_text()
    defaults = m.SchedulerConfig(size_bytes=0, segment_size_bytes=65_536)
    for name, expression in re.findall(r"config\.(\w+) \?\? ([\d_<\s]+),", text):
        field = re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name)
        left, _, shift = expression.partition("<<")
        assert getattr(defaults, field) == int(left) << int(shift or 0), name


def test_fixed_numbers_are_equal_in_both_languages() -> None:
    number = re.compile(r"^(?:export const )?([A-Z_]+)(?:: Final)? = ([\d_]+);?$", re.MULTILINE)
    python = number.findall((ROOT / "src/distribute_io/core/scheduler/tuning.py").read_text())
    typescript = number.findall((ROOT / "client/src/core/scheduler/tuning.ts").read_text())
    assert len(python) > 20
    assert dict(python) == dict(typescript)
