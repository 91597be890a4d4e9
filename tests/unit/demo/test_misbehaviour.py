"""Faults are read from their texts, and spoil exactly the bytes that they say."""

from __future__ import annotations

import pytest

from distribute_io.demo.misbehaviour import Misbehaviour, parse_misbehaviour
from distribute_io.errors import UsageError

_MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        ([], Misbehaviour()),
        (["flip"], Misbehaviour(flip_every_bytes=256 * 1024)),
        (["flip=10"], Misbehaviour(flip_every_bytes=10 * _MIB)),
        (["truncate", "no-cors"], Misbehaviour(truncate=True, no_cors=True)),
        (["ignore-range"], Misbehaviour(ignore_range=True)),
        (["die-after=5"], Misbehaviour(die_after_bytes=5)),
        (["stall-after=7"], Misbehaviour(stall_after_bytes=7)),
        (["redirect=http://127.0.0.1:1/"], Misbehaviour(redirect_to="http://127.0.0.1:1")),
        (["busy=2"], Misbehaviour(busy_s=2)),
        (["forbid-after=9"], Misbehaviour(forbid_after_bytes=9)),
        (["errors=3"], Misbehaviour(errors=3)),
    ],
)
def test_texts_become_faults(texts: list[str], fault: Misbehaviour) -> None:
    assert parse_misbehaviour(texts) == fault


@pytest.mark.parametrize("text", ["lie", "flip=0", "flip=x", "truncate=1", "die-after", "busy=-1", "redirect", ""])
def test_unreadable_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_misbehaviour([text])


def test_a_flip_in_every_segment_hits_the_first_byte_of_each_one() -> None:
    fault = parse_misbehaviour(["flip"])
    spoilt = fault.tampered(0, bytes(2 * _MIB))
    assert [at for at, byte in enumerate(spoilt) if byte] == [at * 256 * 1024 for at in range(8)]


def test_one_in_ten_spoils_every_tenth_mebibyte_however_it_is_read() -> None:
    fault = parse_misbehaviour(["flip=10"])
    pieces = [fault.tampered(at, bytes(100_000)) for at in range(0, 21_000_000, 100_000)]
    assert [at for at, byte in enumerate(b"".join(pieces)) if byte] == [0, 10 * _MIB, 20 * _MIB]


def test_a_good_mirror_changes_nothing() -> None:
    data = bytes(range(256))
    assert Misbehaviour().tampered(0, data) is data


@pytest.mark.parametrize(
    ("texts", "delivered"), [([], 100), (["truncate"], 50), (["stall-after=30"], 30), (["stall-after=300"], 100)]
)
def test_an_answer_breaks_off_where_the_fault_says(texts: list[str], delivered: int) -> None:
    assert parse_misbehaviour(texts).delivered_bytes(100) == delivered
