"""The demo's files are real, and the same on every run."""

from __future__ import annotations

import tarfile
from pathlib import Path

from distribute_io.demo.sample_files import write_companion, write_default_file


def test_the_default_file_is_the_same_on_every_run(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    made = write_default_file(first)
    assert made.read_bytes() == write_default_file(second).read_bytes()
    assert made.stat().st_size > 10_000_000
    with tarfile.open(made) as archive:
        source = archive.extractfile("python/tarfile.py")
        assert source is not None
        assert source.read() == Path(tarfile.__file__).read_bytes()


def test_a_companion_has_its_size_and_is_not_zeros(tmp_path: Path) -> None:
    made = write_companion(tmp_path, 1, 10_000_001)
    content = made.read_bytes()
    assert len(content) == 10_000_001
    assert len(set(content[:4096])) > 200
    assert write_companion(tmp_path, 2, 1000).read_bytes() != content[:1000]
