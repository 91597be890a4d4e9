"""download/journal.py: what is written is read again, and nothing that was torn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.runs import Runs, difference, normalised
from distribute_io.download.journal import Journal, JournalHead, encode_head, encode_runs, encode_written, read_journal
from distribute_io.ids import FileId

HEAD = JournalHead(FileId("ab" * 32), 10_000_000, "cd" * 32)
SEGMENTS = 40

ranges = st.tuples(st.integers(0, SEGMENTS), st.integers(0, SEGMENTS)).map(lambda pair: (min(pair), max(pair)))
runs = st.lists(ranges, max_size=6).map(normalised)


@given(st.lists(st.tuples(st.booleans(), runs), max_size=6))
def test_all_appended_runs_come_back(appended: list[tuple[bool, Runs]]) -> None:
    data = encode_head(HEAD) + b"".join((encode_runs if synced else encode_written)(each) for synced, each in appended)
    durable = normalised(run for synced, each in appended if synced for run in each)
    written = normalised(run for synced, each in appended if not synced for run in each)
    assert read_journal(data, segments=SEGMENTS) == Journal(HEAD, durable, difference(written, durable))


@given(runs, st.integers(0, 200))
def test_torn_journal_promises_nothing_that_was_not_written(written: tuple[tuple[int, int], ...], cut: int) -> None:
    whole = encode_head(HEAD) + encode_runs(written)
    found = read_journal(whole[: len(whole) - cut], segments=SEGMENTS)
    if found is not None:
        assert found.head == HEAD
        assert set(found.durable) <= set(written)
        assert found.written == ()


def test_damaged_line_ends_what_is_believed() -> None:
    data = encode_head(HEAD) + encode_runs(((0, 3),)) + b"3 9 00000000\n" + encode_runs(((20, 22),))
    assert read_journal(data, segments=SEGMENTS) == Journal(HEAD, ((0, 3),), ())


def test_run_beyond_the_file_is_not_believed() -> None:
    assert read_journal(encode_head(HEAD) + encode_runs(((30, 41),)), segments=SEGMENTS) == Journal(HEAD, (), ())


def test_other_files_and_formats_are_no_journal() -> None:
    assert read_journal(b"", segments=SEGMENTS) is None
    assert read_journal(b"\x00\xff", segments=SEGMENTS) is None
    assert read_journal(b'{"format": 2, "file_id": "", "size_bytes": 1, "segments_sha256": ""}\n', segments=1) is None
