"""Peer frames against the vectors that TypeScript runs too, and against random bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.errors import RemoteProtocolError
from distribute_io.wire import frames, limits

VECTORS = json.loads((Path(__file__).parents[3] / "spec/vectors/frames.json").read_text())
KINDS: dict[str, type[frames.Frame]] = {
    "hello": frames.HelloFrame,
    "holdings": frames.HoldingsFrame,
    "request": frames.RequestFrame,
    "data": frames.DataFrame,
    "grant": frames.GrantFrame,
    "cancel": frames.CancelFrame,
    "refuse": frames.RefuseFrame,
    "receipt": frames.ReceiptFrame,
    "bye": frames.ByeFrame,
}


def _frame(fields: dict[str, Any]) -> frames.Frame:
    values = {key: value for key, value in fields.items() if key != "kind"}
    for key in ("match_id", "proof", "digest", "payload", "mac"):
        if key in values:
            values[key] = bytes.fromhex(values[key])
    if "payload" in values:
        values["payload"] = memoryview(values["payload"])
    if "runs" in values:
        values["runs"] = tuple((start, count) for start, count in values["runs"])
    return KINDS[fields["kind"]](**values)


@pytest.mark.parametrize("vector", VECTORS["accept"], ids=lambda vector: vector["name"])
def test_accepted_frame_is_the_same_in_both_directions(vector: dict[str, Any]) -> None:
    frame = _frame(vector["frame"])
    assert frames.encode(frame).hex() == vector["hex"]
    assert frames.decode(bytes.fromhex(vector["hex"])) == frame


@pytest.mark.parametrize("vector", VECTORS["reject"], ids=lambda vector: vector["name"])
def test_rejected_frame_has_its_named_error(vector: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        frames.decode(bytes.fromhex(vector["hex"]))
    assert caught.value.code == vector["code"]


def test_frame_above_the_limit_is_refused_unread() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        frames.decode(b"\x04" * (limits.FRAME_BYTES_MAX + 1))
    assert caught.value.code == "frame_too_large"


@given(st.binary(max_size=200))
def test_random_bytes_are_a_frame_or_a_named_error(message: bytes) -> None:
    code = "frame_"
    try:
        frame = frames.decode(message)
        assert frames.decode(frames.encode(frame)) == frame
    except RemoteProtocolError as error:
        code = error.code
    assert code.startswith("frame_")
