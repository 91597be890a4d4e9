from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distribute_io.errors import DistributeError
from distribute_io.manifest.hashing import FileDigests, hash_file
from distribute_io.manifest.segments import segment_size_bytes

KIB, MIB = 2**10, 2**20
PATTERN = hashlib.shake_128(b"pattern").digest(9 * MIB)


def naive(data: bytes, segment_bytes: int | None = None) -> FileDigests:
    step = segment_bytes or segment_size_bytes(len(data))
    segments = b"".join(hashlib.sha256(data[at : at + step]).digest() for at in range(0, len(data), step))
    return FileDigests(len(data), hashlib.sha256(data).hexdigest(), segments)  # type: ignore[arg-type]  # a FileId


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize(
    "size_bytes",
    [0, 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, MIB, MIB + 1, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB],
)
def test_digests_are_those_of_the_naive_way(file: Path, size_bytes: int) -> None:
    file.write_bytes(PATTERN[:size_bytes])
    assert hash_file(file) == naive(PATTERN[:size_bytes])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(size_bytes=st.integers(0, 9 * MIB), segment_bytes=st.sampled_from([None, 256 * KIB, MIB, 2 * MIB, 4 * MIB]))
def test_any_size_and_segment_size(file: Path, size_bytes: int, segment_bytes: int | None) -> None:
    file.write_bytes(PATTERN[:size_bytes])
    assert hash_file(file, segment_bytes=segment_bytes) == naive(PATTERN[:size_bytes], segment_bytes)


def test_progress_goes_up_to_the_size(file: Path) -> None:
    file.write_bytes(PATTERN)
    told: list[int] = []
    hash_file(file, on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == len(PATTERN)


def code_of(action: Callable[[], object]) -> str:
    threads_before = threading.active_count()
    with pytest.raises(DistributeError) as caught:
        action()
    assert threading.active_count() == threads_before
    return caught.value.code


def test_cancelling_ends_the_threads(file: Path) -> None:
    file.write_bytes(PATTERN)
    answers = iter([False, False, True])
    assert code_of(lambda: hash_file(file, is_cancelled=lambda: next(answers))) == "cancelled"


def test_an_exception_of_the_caller_ends_the_threads(file: Path) -> None:
    file.write_bytes(PATTERN)
    threads_before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        hash_file(file, on_progress=divide_by_zero)
    assert threading.active_count() == threads_before


def divide_by_zero(read_bytes: int) -> None:
    assert read_bytes // 0


def grow(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"x")


def cut(file: Path) -> None:
    os.truncate(file, 5 * MIB)


def overwrite(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(b"x")
    os.utime(file, ns=(0, 0))


def replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(PATTERN)
    other.replace(file)


@pytest.mark.parametrize("change", [grow, cut, overwrite, replace], ids=lambda change: change.__name__)
def test_a_file_that_changes_meanwhile_is_refused(file: Path, change: Callable[[Path], None]) -> None:
    file.write_bytes(PATTERN)
    done = threading.Event()

    def change_once(_read_bytes: int) -> None:
        if not done.is_set():
            done.set()
            change(file)

    assert code_of(lambda: hash_file(file, on_progress=change_once)) == "file_changed"


def test_a_file_whose_folder_is_renamed_meanwhile_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_bytes(b"abc")

    def rename(_read_bytes: int) -> None:
        folder.rename(tmp_path / "elsewhere")

    assert code_of(lambda: hash_file(folder / "file", on_progress=rename)) == "file_not_found"


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert code_of(lambda: hash_file(pipe)) == "not_a_file"
    assert code_of(lambda: hash_file(tmp_path)) == "not_a_file"
    assert code_of(lambda: hash_file(Path("/dev/null"))) == "not_a_file"
    assert code_of(lambda: hash_file(tmp_path / "nothing")) == "file_not_found"
    assert code_of(lambda: hash_file(tmp_path / ("x" * 300))) == "store_unreadable"


def test_a_link_is_followed(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"abc")
    link = tmp_path / "link"
    link.symlink_to(file)
    assert hash_file(link) == naive(b"abc")
