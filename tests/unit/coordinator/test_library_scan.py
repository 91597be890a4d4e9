"""The walk over a folder with everything in it that a publisher's disk has."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from distribute_io.coordinator.library_scan import Scan, scan, shown


def names(result: Scan) -> list[str]:
    return [found.name for found in result.files]


def reasons(result: Scan) -> dict[str, str]:
    return {skipped.path: skipped.reason for skipped in result.skipped}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def test_subfolders_with_equal_base_names_are_two_files(folder: Path) -> None:
    for sub in ("a", "b/c"):
        (folder / sub).mkdir(parents=True)
        (folder / sub / "same.iso").write_text(sub)
    assert names(scan(folder)) == ["a/same.iso", "b/c/same.iso"]


def test_an_empty_file_is_a_file_and_an_empty_folder_is_nothing(folder: Path) -> None:
    (folder / "empty.txt").touch()
    (folder / "nothing").mkdir()
    (found,) = scan(folder).files
    assert (found.name, found.stat.size_bytes) == ("empty.txt", 0)


def test_dotfiles_and_the_data_directory_are_left_out_silently(folder: Path) -> None:
    (folder / ".hidden").touch()
    (folder / ".git").mkdir()
    (folder / ".git" / "config").touch()
    (folder / "data").mkdir()
    (folder / "data" / "catalogue.sqlite").touch()
    (folder / "a").touch()
    result = scan(folder, leave_out=folder / "data")
    assert names(result) == ["a"]
    assert result.skipped == ()


def test_links_are_followed_inside_the_folder_only(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not for you")
    (tmp_path / "folder-too").mkdir()
    (folder / "1.2").mkdir()
    (folder / "1.2" / "a.iso").write_text("a")
    (folder / "latest").symlink_to("1.2")
    (folder / "latest.iso").symlink_to("1.2/a.iso")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "out-too").symlink_to(tmp_path / "folder-too")
    (folder / "broken").symlink_to("nowhere")
    (folder / "1.2" / "circle").symlink_to("..")
    result = scan(folder)
    assert names(result) == ["1.2/a.iso", "latest.iso", "latest/a.iso"]
    found = reasons(result)
    assert found["out"] == found["out-too"] == "the symbolic link leaves the folder"
    assert found["1.2/circle"] == found["latest/circle"] == "the symbolic link leads in a circle"
    assert "nowhere" in found["broken"]


def test_a_name_that_is_not_utf8_is_escaped(folder: Path) -> None:
    (folder / os.fsdecode(b"caf\xe9.iso")).touch()
    (found,) = scan(folder).files
    assert (found.path, found.name) == (b"caf\xe9.iso", "caf%E9.iso")


def test_two_files_never_share_a_name(folder: Path) -> None:
    (folder / os.fsdecode(b"caf\xe9.iso")).touch()
    (folder / "caf%E9.iso").touch()
    result = scan(folder)
    assert [found.path for found in result.files] == [b"caf%E9.iso"]
    assert "another file" in reasons(result)["caf%E9.iso"]


def test_what_cannot_be_published_is_named_with_its_reason(folder: Path) -> None:
    (folder / "two\nlines").touch()
    (folder / "ends with a dot.").touch()
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)  # the path of a socket is at most 107 bytes long
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
        result = scan(folder)
    assert names(result) == []
    assert set(reasons(result)) == {"two\nlines", "ends with a dot.", "pipe", "socket"}


def test_a_missing_folder_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "none")


def test_text_is_shown_as_it_is() -> None:
    assert shown("grün.iso".encode()) == "grün.iso"
