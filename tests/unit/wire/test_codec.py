"""Session messages against the vectors that TypeScript runs too, and against random JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.errors import RemoteProtocolError
from distribute_io.wire import codec

VECTORS = json.loads((Path(__file__).parents[3] / "spec/vectors/session.json").read_text())
DECODERS = {"client": codec.decode_client_message, "coordinator": codec.decode_coordinator_message}


@pytest.mark.parametrize("vector", VECTORS["accept"], ids=lambda vector: vector["name"])
def test_accepted_message_keeps_every_field(vector: dict[str, Any]) -> None:
    message = DECODERS[vector["from"]](json.dumps(vector["message"]))
    assert json.loads(codec.encode_message(message)) == vector["message"]


@pytest.mark.parametrize("vector", VECTORS["reject"], ids=lambda vector: vector["name"])
def test_rejected_message_has_its_named_error(vector: dict[str, Any]) -> None:
    text: str = vector["text"]
    if "repeat_to_bytes" in vector:
        text = text.replace("a" * 20, "a" * (20 + vector["repeat_to_bytes"] - len(text)))
    with pytest.raises(RemoteProtocolError) as caught:
        DECODERS[vector["from"]](text)
    assert caught.value.code == vector["code"]


def test_unknown_fields_are_ignored() -> None:
    assert codec.decode_client_message('{"type":"ping","since":"2027"}') == codec.decode_client_message(
        '{"type":"ping"}'
    )


def test_bytes_that_are_no_utf_8_are_malformed() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        codec.decode_client_message(b'{"type":"hello","protocol":1,"agent":"\xff"}')
    assert caught.value.code == "message_malformed"


def test_signal_of_unknown_kind_has_its_named_error() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        codec.decode_signal(msgspec.Raw(b'{"kind":"renegotiate"}'))
    assert caught.value.code == "message_unknown"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["type", "runs", "files", "payload"]), inner),
        max_leaves=8,
    )
)
def test_random_json_is_a_message_or_a_named_error(value: object) -> None:
    code = "message_"
    try:
        codec.decode_client_message(json.dumps(value))
    except RemoteProtocolError as error:
        code = error.code
    assert code.startswith("message_")
