"""The error tree: codes belong to one family, texts are safe to print."""

from __future__ import annotations

import pickle
from collections import Counter

import pytest

from distribute_io.errors import CODES, DistributeError, RefusedError, SourceError


def test_a_code_belongs_to_exactly_one_family() -> None:
    count = Counter(code for codes in CODES.values() for code in codes)
    assert [code for code, families in count.items() if families > 1] == []


def test_a_code_of_another_family_is_a_bug() -> None:
    with pytest.raises(LookupError, match="is not a code of the 'source' family"):
        SourceError("full", "text")


def test_text_of_strangers_cannot_command_a_terminal() -> None:
    error = RefusedError("internal", "evil \x1b[2J\x1b]0;title\x07 text\r\nüñ")
    assert str(error) == error.message == "evil ?[2J?]0;title? text??üñ"


@pytest.mark.parametrize("family", DistributeError.__subclasses__())
def test_an_error_comes_whole_out_of_another_process(family: type[DistributeError]) -> None:
    error = family(next(iter(CODES[family.family])), "why")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, again.message) == (family, error.code, "why")


def test_a_source_keeps_its_word_when_it_may_be_asked_again() -> None:
    code = next(iter(CODES["source"]))
    assert pickle.loads(pickle.dumps(SourceError(code, "why", retry_after_us=5))).retry_after_us == 5
