"""download/part_file.py: verified segments only, journalled after they are durable, one rename at the end."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from distribute_io.download import part_file
from distribute_io.download.journal import read_journal
from distribute_io.download.part_file import PartFile
from distribute_io.errors import StoreError, UsageError
from distribute_io.ids import SegmentIndex
from distribute_io.manifest.segments import VerifiedSegment, verify_segment
from tests.harness.publishing import Published, publish

SEGMENT = 262_144
SIZE = 3 * SEGMENT + 100


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path / "www", size_bytes=SIZE)


def new_part(published: Published, target: Path) -> PartFile:
    return PartFile(target, published.manifest, published.segment_list())


def segment(published: Published, index: int) -> VerifiedSegment:
    data = published.data[index * SEGMENT : (index + 1) * SEGMENT]
    return verify_segment(data, published.segment_list()[SegmentIndex(index)])


def write(part: PartFile, published: Published, *indices: int) -> None:
    for index in indices:
        part.write(SegmentIndex(index), segment(published, index))


def test_finished_file_is_under_its_name_and_nothing_is_left_over(published: Published, tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "out.bin"
    part = new_part(published, target)
    assert part.open() == ()
    write(part, published, 3, 0, 2, 1)
    assert not target.exists()
    part.finish()
    part.close()
    assert target.read_bytes() == published.data
    assert sorted(path.name for path in target.parent.iterdir()) == ["out.bin"]


def test_closed_part_is_resumed_with_what_was_written(published: Published, tmp_path: Path) -> None:
    part = new_part(published, tmp_path / "out.bin")
    part.open()
    write(part, published, 1, 3)
    part.close()
    again = new_part(published, tmp_path / "out.bin")
    assert again.open() == ((1, 2), (3, 4))
    view = bytearray(SEGMENT)
    again.read(SEGMENT, memoryview(view))
    assert view == published.data[SEGMENT : 2 * SEGMENT]
    again.forget(((1, 2),))
    again.close()
    third = new_part(published, tmp_path / "out.bin")
    assert third.open() == ((3, 4),)
    third.close()


def test_segment_of_another_place_is_a_bug(published: Published, tmp_path: Path) -> None:
    part = new_part(published, tmp_path / "out.bin")
    part.open()
    with pytest.raises(ValueError, match="another digest"):
        part.write(SegmentIndex(0), segment(published, 1))
    part.close()


def test_second_download_to_the_same_name_is_refused(published: Published, tmp_path: Path) -> None:
    part = new_part(published, tmp_path / "out.bin")
    part.open()
    with pytest.raises(StoreError) as caught:
        new_part(published, tmp_path / "out.bin").open()
    assert caught.value.code == "store_in_use"
    part.close()


def test_part_of_another_file_is_never_overwritten(published: Published, tmp_path: Path) -> None:
    (tmp_path / "out.bin.part").write_bytes(b"somebody's")
    with pytest.raises(UsageError) as caught:
        new_part(published, tmp_path / "out.bin").open()
    assert caught.value.code == "file_exists"
    assert (tmp_path / "out.bin.part").read_bytes() == b"somebody's"
    other = publish(tmp_path / "other", size_bytes=SIZE, seed=2)
    part = new_part(other, tmp_path / "second.bin")
    part.open()
    write(part, other, 0)
    part.close()
    with pytest.raises(UsageError):
        new_part(published, tmp_path / "second.bin").open()


def test_full_disk_is_named_and_what_was_written_stays(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = new_part(published, tmp_path / "out.bin")
    part.open()
    write(part, published, 0)

    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", no_room)
        with pytest.raises(StoreError) as caught:
            write(part, published, 1)
    assert caught.value.code == "disk_full"
    part.close()
    again = new_part(published, tmp_path / "out.bin")
    assert again.open() == ((0, 1),)
    again.close()


def test_journal_follows_the_sync_of_the_data(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = new_part(published, tmp_path / "out.bin")
    part.open()
    write(part, published, 0)
    journal = tmp_path / "out.bin.part.journal"
    lines_at_sync: list[int] = []
    real = os.fdatasync

    def watched(fd: int) -> None:
        lines_at_sync.append(journal.read_bytes().count(b"\n"))
        real(fd)

    monkeypatch.setattr(os, "fdatasync", watched)
    part.close()
    assert lines_at_sync == [2, 3], (
        "first the data, when the journal says no more than that it was written, then the journal"
    )


def killed(part: PartFile) -> None:
    """As a process that is killed leaves it: nothing is synced, the descriptors are closed."""
    part._stop_syncer()
    part._close_descriptors()


def test_a_killed_download_loses_nothing_that_was_written_however_long_a_sync_takes(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_file, "SYNC_EVERY_S", 1000.0)
    part = new_part(published, tmp_path / "out.bin")
    part.open()
    write(part, published, 0, 2)
    killed(part)
    again = new_part(published, tmp_path / "out.bin")
    assert again.open() == ((0, 1), (2, 3))
    write(again, published, 3)
    killed(again)
    third = new_part(published, tmp_path / "out.bin")
    assert third.open() == ((0, 1), (2, 4)), "also what the one before had only written"
    third.close()
    journal = read_journal((tmp_path / "out.bin.part.journal").read_bytes(), segments=4)
    assert journal is not None
    assert (journal.durable, journal.written) == (((0, 1), (2, 4)), ())


def test_what_was_written_and_lost_by_a_power_cut_is_not_believed(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_file, "SYNC_EVERY_S", 1000.0)
    part = new_part(published, tmp_path / "out.bin")
    part.open()
    write(part, published, 0, 1)
    killed(part)
    with (tmp_path / "out.bin.part").open("r+b") as file:
        file.write(bytes(100))
    again = new_part(published, tmp_path / "out.bin")
    assert again.open() == ((1, 2),)
    again.close()


def test_closed_part_takes_nothing_more(published: Published, tmp_path: Path) -> None:
    part = new_part(published, tmp_path / "out.bin")
    part.open()
    part.close()
    with pytest.raises(StoreError):
        write(part, published, 0)


def test_room_is_looked_for_before_the_first_byte(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=1000))
    with pytest.raises(StoreError) as caught:
        new_part(published, tmp_path / "out.bin").open()
    assert caught.value.code == "disk_full"
