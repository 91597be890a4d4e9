"""The error tree: codes belong to one family, texts are safe to print."""

from __future__ import annotations

from collections import Counter

import pytest

from distribute_io.errors import CODES, RefusedError, SourceError


def test_a_code_belongs_to_exactly_one_family() -> None:
    count = Counter(code for codes in CODES.values() for code in codes)
    assert [code for code, families in count.items() if families > 1] == []


def test_a_code_of_another_family_is_a_bug() -> None:
    with pytest.raises(LookupError, match="is not a code of the 'source' family"):
        SourceError("full", "text")


def test_text_of_strangers_cannot_command_a_terminal() -> None:
    error = RefusedError("internal", "evil \x1b[2J\x1b]0;title\x07 text\r\nüñ")
    assert str(error) == error.message == "evil ?[2J?]0;title? text??üñ"
