"""cli/start.py: which file `dio publish` is going to read first; and cli/hashing_ahead.py, which begins with it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from distribute_io.cli.hashing_ahead import HashingAhead
from distribute_io.cli.main import load_command
from distribute_io.cli.start import first_file


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["publish", "a.iso", "b.iso"], "a.iso"),
        (["publish", "--mirror", "https://m.example/", "a.iso"], "a.iso"),
        (["publish", "--mirror=https://m.example/", "a.iso"], "a.iso"),
        (["publish", "-o", "out", "a.iso"], "a.iso"),
        (["publish", "-oout", "a.iso"], "a.iso"),
        (["publish", "--cause", "x", "--", "-a.iso"], "-a.iso"),
        (["publish", "--mirror", "https://m.example/"], None),
        (["publish", "--"], None),
        (["publish"], None),
        (["get", "a.iso"], None),
        ([], None),
    ],
    ids=repr,
)
def test_the_first_file_is_known_before_the_options_are_parsed(words: list[str], file: str | None) -> None:
    assert first_file(words) == (None if file is None else Path(file))


def test_every_option_of_publish_takes_one_value_as_the_guess_supposes() -> None:
    options = [option for option in load_command("publish").params if option.param_type_name == "option"]
    assert options
    assert {option.name for option in options if option.is_flag or option.nargs != 1} == set()


def test_what_was_begun_early_goes_on_with_the_rest_of_the_list(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file in files:
        file.write_bytes(file.name.encode())
    with HashingAhead(files[:1], is_begun_early=True) as hashing:
        assert not hashing.follow(files[1:])
        assert hashing.follow(files)
        found = [digests.sha256 for digests in hashing.results()]
    assert found == [hashlib.sha256(file.name.encode()).hexdigest() for file in files]


def test_what_was_begun_early_and_is_not_wanted_ends(tmp_path: Path) -> None:
    with HashingAhead([tmp_path / "not there"], is_begun_early=True):
        pass
    (tmp_path / "there").write_bytes(b"x")
    with HashingAhead([tmp_path / "there"], is_begun_early=True):
        pass
