"""An old version is refused where a newer one was seen under the same pinned key, and nowhere else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from distribute_io.download import version_memory
from distribute_io.download.version_memory import VersionMemory, default_path
from distribute_io.errors import IntegrityError
from distribute_io.ids import FileId, PublicKeyText
from distribute_io.manifest.build import new_manifest
from distribute_io.manifest.hashing import FileDigests
from distribute_io.manifest.model import VerifiedManifest

KEY, OTHER = PublicKeyText("ed25519:one"), PublicKeyText("ed25519:two")
EMPTY = hashlib.sha256(b"").hexdigest()


def version(number: int, *, key: PublicKeyText = KEY, name: str = "a.iso", pinned: bool = True) -> VerifiedManifest:
    digests = FileDigests(0, FileId(EMPTY), b"")
    manifest = new_manifest(name=name, digests=digests, cause="c", published_at_s=number)
    return VerifiedManifest(manifest=manifest, signed_by=(key,), pinned=pinned, payload_sha256="")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "versions.json"


def refuse_warnings(text: str) -> None:
    raise AssertionError(text)


def test_an_older_version_is_refused_also_by_the_next_program(path: Path) -> None:
    memory = VersionMemory(path, warn=refuse_warnings)
    for number in (5, 7, 7):
        memory.check(version(number))
    with pytest.raises(IntegrityError) as caught:
        VersionMemory(path, warn=refuse_warnings).check(version(6))
    assert caught.value.code == "manifest_rollback"
    memory.check(version(8))


def test_other_keys_and_names_have_versions_of_their_own(path: Path) -> None:
    memory = VersionMemory(path, warn=refuse_warnings)
    memory.check(version(7))
    memory.check(version(3, key=OTHER))
    memory.check(version(3, name="b.iso"))


def test_without_a_pin_nothing_is_compared_or_remembered(path: Path) -> None:
    memory = VersionMemory(path, warn=refuse_warnings)
    memory.check(version(7, pinned=False))
    assert not path.exists()
    memory.check(version(7))
    memory.check(version(3, pinned=False))


def test_what_changed_last_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_memory, "_ENTRIES_MAX", 2)
    memory = VersionMemory(path, warn=refuse_warnings)
    for name, number in (("a", 5), ("b", 5), ("a", 6), ("c", 5)):
        memory.check(version(number, name=name))
    memory.check(version(1, name="b"))
    with pytest.raises(IntegrityError):
        memory.check(version(1, name="c"))


def test_a_memory_that_is_broken_does_not_stop_a_download(path: Path) -> None:
    said: list[str] = []
    path.parent.mkdir()
    path.write_text("{")
    VersionMemory(path, warn=said.append).check(version(5))
    assert "cannot be read" in said.pop()
    VersionMemory(path / "below a file", warn=said.append).check(version(5))
    assert ["cannot be read" in said[0], "cannot be written" in said[1]] == [True, True]


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "distribute-io" / "versions.json"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".local" / "state" / "distribute-io" / "versions.json"
