"""Hostile documents: whatever comes in, it is refused by a named error, or it says what was signed."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from distribute_io.errors import DistributeError
from distribute_io.ids import PublicKeyText
from distribute_io.manifest.document import open_document, read_document
from distribute_io.manifest.payload import parse_payload
from tests.unit.manifest.verdicts import verdict

VECTORS = Path(__file__).resolve().parents[3] / "spec" / "vectors" / "manifest" / "documents.json"
ACCEPTED = [vector for vector in json.loads(VECTORS.read_text())["vectors"] if vector["expect"] == "accept"]
PLAIN = ACCEPTED[0]
DATA = PLAIN["document"].encode()
PINS = [PublicKeyText(pin) for pin in PLAIN["pins"]]


@settings(max_examples=400)
@given(st.integers(0, len(DATA) - 1), st.integers(0, 40), st.binary(max_size=8))
def test_a_changed_document_says_nothing_that_was_not_signed(at: int, length: int, inserted: bytes) -> None:
    changed = DATA[:at] + inserted + DATA[at + length :]
    said = verdict(lambda: open_document(changed, pins=PINS, now_s=PLAIN["now_s"]))
    if not isinstance(said, DistributeError):
        assert said.verified.payload_sha256 == PLAIN["payload_sha256"]
        assert said.segment_list is None or said.segment_list.data == read_document(DATA).segments


pieces = st.sampled_from(
    [
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"1",
        b"-",
        b"null",
        b"envelope",
        b"payload",
        b"segments",
        b"\\u",
        b"\xff",
        b" ",
    ]
)


@settings(max_examples=300)
@given(st.lists(pieces, max_size=30).map(b"".join) | st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    assert isinstance(verdict(lambda: open_document(data, now_s=0)), DistributeError)
    assert isinstance(verdict(lambda: parse_payload(data)), DistributeError)


fields = st.sampled_from(["format", "type", *PLAIN["manifest"], "expires_at"])
wrong = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=20)
    | st.lists(st.integers(), max_size=2)
)


@settings(max_examples=400)
@given(st.dictionaries(fields, wrong, min_size=1, max_size=3))
def test_wrong_fields_are_refused_by_a_code_of_theirs(changes: dict[str, object]) -> None:
    said = verdict(lambda: parse_payload(json.dumps(PLAIN["manifest"] | changes).encode()))
    if isinstance(said, DistributeError):
        assert said.family == "manifest"
        return
    assert said.size_bytes >= 0
    assert 1 <= said.version <= 2**53 - 1
