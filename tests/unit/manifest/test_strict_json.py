from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.errors import DistributeError, ManifestError
from distribute_io.manifest.limits import DEPTH_MAX, INTEGER_MAX
from distribute_io.manifest.strict_json import JsonValue, parse_strict_json
from tests.unit.manifest.verdicts import verdict

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab_ü"), inner), max_leaves=20
)


def parse(data: bytes) -> JsonValue:
    return parse_strict_json(data, what="text")


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_what_is_written_is_read(value: JsonValue, ascii_only: bool, indent: int | None) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()) == value


@given(st.binary(max_size=60) | st.text('[]{}",:0123456789.eE-+tfn\\u dD8', max_size=60).map(str.encode))
def test_anything_is_refused_or_means_what_a_lenient_parser_reads(data: bytes) -> None:
    said = verdict(lambda: parse(data))
    if isinstance(said, DistributeError):
        assert said.code == "manifest_malformed"
    else:
        assert said == json.loads(data)


@given(st.integers(1, 2 * DEPTH_MAX), st.booleans())
def test_depth_is_bounded(depth: int, objects: bool) -> None:
    opening, closing = ('{"a":', "}") if objects else ("[", "]")
    data = (opening * depth + "1" + closing * depth).encode()
    if depth <= DEPTH_MAX:
        parse(data)
        return
    with pytest.raises(ManifestError, match="nested"):
        parse(data)


@pytest.mark.parametrize("data", [b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'{"a":1,"\\u0061":2}', b'[{"":1,"":1}]'])
def test_a_key_twice_is_refused_at_any_depth(data: bytes) -> None:
    with pytest.raises(ManifestError, match="twice"):
        parse(data)


@pytest.mark.parametrize("data", [b'"\\ud800"', b'{"\\udfff":1}', b'["\\ud800\\ud800"]', b'"\xed\xa0\x80"'])
def test_unpaired_surrogates_are_refused(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse(data)


def test_the_error_names_what_was_parsed() -> None:
    with pytest.raises(ManifestError, match="The payload is no strict JSON"):
        parse_strict_json(b"{", what="payload")
