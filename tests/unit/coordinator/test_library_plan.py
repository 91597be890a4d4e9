"""What a walk leads to."""

from __future__ import annotations

from distribute_io.coordinator.library_plan import Look, compare
from distribute_io.coordinator.library_scan import FileStat, Found
from distribute_io.ids import FileId
from distribute_io.stores.catalogue import LibraryRecord

SETTLE_NS = 2_000
NOW_NS = 1_000_000


def found(name: str, *, size: int = 1, mtime_ns: int = NOW_NS, inode: int = 1) -> Found:
    return Found(name.encode(), name, FileStat(size, mtime_ns, inode))


def known(name: str, *, size: int = 1, mtime_ns: int = NOW_NS, inode: int = 1) -> dict[bytes, LibraryRecord]:
    return {name.encode(): LibraryRecord(name.encode(), size, mtime_ns, inode, FileId("0" * 64), "1" * 64)}


def test_an_unchanged_file_is_not_read_again() -> None:
    plan = compare((found("a"),), known("a"), {}, now_ns=NOW_NS, settle_ns=SETTLE_NS)
    assert [file.name for file, _record in plan.ready] == ["a"]
    assert not plan.hash_now
    assert not plan.look_again
    assert not plan.gone


def test_any_change_of_size_time_or_inode_is_a_change() -> None:
    old_ns = NOW_NS - SETTLE_NS
    for changed in (found("a", size=2, mtime_ns=old_ns), found("a", mtime_ns=old_ns), found("a", inode=2)):
        plan = compare((changed,), known("a"), {}, now_ns=NOW_NS + SETTLE_NS, settle_ns=SETTLE_NS)
        assert plan.hash_now == (changed,)


def test_a_file_that_is_being_written_is_looked_at_again_until_it_stands_still() -> None:
    young = found("a", mtime_ns=NOW_NS)
    first = compare((young,), {}, {}, now_ns=NOW_NS + 1, settle_ns=SETTLE_NS)
    assert (first.hash_now, first.look_again) == ((), (young,))
    grown = found("a", size=2, mtime_ns=NOW_NS + 1_500)
    second = compare((grown,), {}, first.looks, now_ns=NOW_NS + 2_000, settle_ns=SETTLE_NS)
    assert second.look_again == (grown,)
    third = compare((grown,), {}, second.looks, now_ns=NOW_NS + 4_000, settle_ns=SETTLE_NS)
    assert third.hash_now == (grown,)


def test_a_time_in_the_future_only_delays() -> None:
    future = found("a", mtime_ns=NOW_NS * 100)
    first = compare((future,), {}, {}, now_ns=NOW_NS, settle_ns=SETTLE_NS)
    assert first.look_again == (future,)
    assert first.looks == {b"a": Look(future.stat, NOW_NS)}
    second = compare((future,), {}, first.looks, now_ns=NOW_NS + SETTLE_NS, settle_ns=SETTLE_NS)
    assert second.hash_now == (future,)


def test_small_files_come_first() -> None:
    files = (found("big", size=9, mtime_ns=0), found("b", mtime_ns=0), found("a", mtime_ns=0))
    plan = compare(files, {}, {}, now_ns=NOW_NS, settle_ns=SETTLE_NS)
    assert [file.name for file in plan.hash_now] == ["a", "b", "big"]


def test_what_was_removed_is_gone() -> None:
    plan = compare((), known("a"), {}, now_ns=NOW_NS, settle_ns=SETTLE_NS)
    assert [record.path for record in plan.gone] == [b"a"]
