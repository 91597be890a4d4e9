"""donor/store.py: never above the limit, what is left after a crash is right, spoilt segments are not served."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from distribute_io.core.runs import of_indices
from distribute_io.donor.store import RESERVE_BYTES, SegmentStore, usable_bytes
from distribute_io.errors import StoreError
from distribute_io.ids import FileId, SegmentDigest, SegmentIndex
from distribute_io.manifest.segments import VerifiedSegment, verify_segment
from distribute_io.runtime.disk import write_durably

FILES = [FileId(letter * 64) for letter in "abc"]
LIMIT = RESERVE_BYTES + 300_000


def make(file_id: FileId, index: int, size_bytes: int = 50_000) -> VerifiedSegment:
    data = f"{file_id}{index}".encode().ljust(size_bytes, b".")
    return verify_segment(data, SegmentDigest(hashlib.sha256(data).digest()))


def on_disk(folder: Path) -> int:
    """All files and folders under it, in whole blocks."""
    return sum(
        -(-path.stat().st_size // 4096) * 4096 if path.is_file() else 4096
        for path in folder.rglob("*")
        if path.name != "segments"
    )


@pytest.fixture
def store(tmp_path: Path) -> SegmentStore:
    made = SegmentStore(tmp_path / "store", limit_bytes=LIMIT)
    made.open()
    return made


def reopened(store: SegmentStore, tmp_path: Path, limit_bytes: int = LIMIT) -> SegmentStore:
    store.close()
    again = SegmentStore(tmp_path / "store", limit_bytes=limit_bytes)
    again.open()
    return again


def test_what_was_put_is_read_and_is_there_after_a_restart(store: SegmentStore, tmp_path: Path) -> None:
    segment = make(FILES[0], 7)
    assert store.put(FILES[0], SegmentIndex(7), segment)
    for each in (store, reopened(store, tmp_path)):
        assert each.holdings(FILES[0]) == ((7, 8),)
        assert each.size_of(FILES[0], segment.digest) == 50_000
        assert each.size_of(FILES[1], segment.digest) is None
        assert each.read(FILES[0], segment.digest, 100, 50) == bytes(segment.data)[100:150]
        assert each.held_bytes == 50_000


def test_spoilt_segment_is_not_served_and_is_erased(store: SegmentStore, tmp_path: Path) -> None:
    segment = make(FILES[0], 7)
    store.put(FILES[0], SegmentIndex(7), segment)
    path = next((tmp_path / "store" / "segments").rglob("7-*"))
    path.write_bytes(b"x" * 50_000)
    again = reopened(store, tmp_path)
    assert not again.is_checked(FILES[0], segment.digest)
    assert again.read(FILES[0], segment.digest, 0, 10) is None
    assert again.holdings(FILES[0]) == ()
    assert not path.exists()


def test_file_that_vanished_is_not_held(store: SegmentStore, tmp_path: Path) -> None:
    segment = make(FILES[0], 7)
    store.put(FILES[0], SegmentIndex(7), segment)
    next((tmp_path / "store" / "segments").rglob("7-*")).unlink()
    assert store.read(FILES[0], segment.digest, 0, 10) is None
    assert store.holdings(FILES[0]) == ()


def zeros() -> VerifiedSegment:
    data = bytes(50_000)
    return verify_segment(data, SegmentDigest(hashlib.sha256(data).digest()))


def test_equal_segments_of_one_file_come_and_go_one_by_one(store: SegmentStore, tmp_path: Path) -> None:
    for index in range(3):
        assert store.put(FILES[0], SegmentIndex(index), zeros())
    again = reopened(store, tmp_path)
    assert again.holdings(FILES[0]) == ((0, 3),)
    for left in (2, 1, 0):
        assert again.size_of(FILES[0], zeros().digest) == 50_000
        assert again.read(FILES[0], zeros().digest, 0, 10) == bytes(10)
        again.erase(FILES[0], ((2 - left, 3 - left),))
    assert again.size_of(FILES[0], zeros().digest) is None
    assert again.used_bytes == RESERVE_BYTES


@pytest.mark.parametrize("fails", [False, True])
def test_file_that_is_erased_while_its_next_segment_is_written(
    store: SegmentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    store.put(FILES[0], SegmentIndex(0), make(FILES[0], 0))

    def write_while_erasing(path: Path, data: bytes) -> None:
        path.with_name(path.name + ".new").write_bytes(b"half of it")
        store.erase_file(FILES[0])  # withdrawn: another thread's call, at the worst moment
        path.with_name(path.name + ".new").unlink()
        if fails:
            raise OSError(28, "No space left on device")
        write_durably(path, data)

    monkeypatch.setattr("distribute_io.donor.store.write_durably", write_while_erasing)
    if fails:
        with pytest.raises(StoreError):
            store.put(FILES[0], SegmentIndex(1), make(FILES[0], 1))
    else:
        assert store.put(FILES[0], SegmentIndex(1), make(FILES[0], 1))
        assert store.holdings(FILES[0]) == ((1, 2),)
    assert on_disk(tmp_path / "store") + RESERVE_BYTES - 4096 <= store.used_bytes
    store.erase_file(FILES[0])
    assert store.used_bytes == RESERVE_BYTES
    assert not list((tmp_path / "store" / "segments").iterdir())


def test_leftovers_of_a_crash_are_erased(store: SegmentStore, tmp_path: Path) -> None:
    store.put(FILES[0], SegmentIndex(1), make(FILES[0], 1))
    segments = tmp_path / "store" / "segments"
    (segments / FILES[0] / f"2-{'0' * 64}.new").write_bytes(b"torn")
    (segments / FILES[0] / f"3-{'1' * 64}").write_bytes(b"")
    (segments / FILES[1]).mkdir()
    (segments / "rubbish").mkdir()
    (segments / "rubbish" / "file").write_bytes(b"x")
    again = reopened(store, tmp_path)
    assert again.files() == [FILES[0]]
    assert sorted(path.name for path in segments.rglob("*") if path.is_file()) == [
        f"1-{make(FILES[0], 1).digest.hex()}"
    ]


def test_second_process_is_refused(store: SegmentStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        SegmentStore(tmp_path / "store", limit_bytes=LIMIT).open()
    assert caught.value.code == "store_in_use"
    store.close()


def test_smaller_limit_erases_the_least_valuable_first(store: SegmentStore, tmp_path: Path) -> None:
    for file_id in FILES:
        assert store.put(file_id, SegmentIndex(0), make(file_id, 0))
    order = ((FILES[2], ((0, 1),)), (FILES[0], ((0, 1),)))
    assert store.shrink(RESERVE_BYTES + 130_000, order)
    assert store.files() == [FILES[0], FILES[2]]
    assert store.shrink(RESERVE_BYTES + 70_000, order)
    assert store.files() == [FILES[2]]
    assert not store.shrink(RESERVE_BYTES + 70_000, order)
    assert reopened(store, tmp_path, limit_bytes=RESERVE_BYTES).files() == []


def test_room_is_made_by_what_is_not_wanted_and_by_nothing_else(store: SegmentStore) -> None:
    for index in range(5):
        assert store.put(FILES[0], SegmentIndex(index), make(FILES[0], index))
    assert not store.put(FILES[1], SegmentIndex(0), make(FILES[1], 0))
    wanted = ((FILES[0], ((2, 5),)), (FILES[1], ((0, 1),)))
    assert store.make_room(50_000, FILES[1], wanted)
    assert store.put(FILES[1], SegmentIndex(0), make(FILES[1], 0))
    assert not store.make_room(250_000, FILES[1], wanted)
    assert store.holdings(FILES[0]) == ((2, 5),)


def test_erasing_all_leaves_nothing_but_what_is_somebody_elses(store: SegmentStore, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    own, other = ("given.json", "given.json.new", "code.txt"), folder / "thesis.tex"
    for name in own:
        (folder / name).touch()
    store.put(FILES[0], SegmentIndex(0), make(FILES[0], 0))
    other.touch()
    store.erase_all(and_files=("given.json", "code.txt"))
    assert store.held_bytes == 0
    assert list(folder.iterdir()) == [other]
    store.close()
    again = SegmentStore(folder, limit_bytes=LIMIT)
    other.unlink()
    again.open()
    again.erase_all()
    again.close()
    assert not folder.exists()


def test_usable_bytes_leave_room_for_the_small_files() -> None:
    assert usable_bytes(16_000_000) >= 15 * 2**20
    assert usable_bytes(1000) == 0


class StoreMachine(RuleBasedStateMachine):
    """Any sequence of changes, with crashes in between, against a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name) / "store"
        self.limit = LIMIT
        self.store: SegmentStore | None = None
        self.held: dict[FileId, set[int]] = {}

    @initialize()
    def begin(self) -> None:
        self.store = SegmentStore(self.folder, limit_bytes=self.limit)
        self.store.open()

    @property
    def opened(self) -> SegmentStore:
        assert self.store is not None
        return self.store

    @rule(file=st.sampled_from(FILES), index=st.integers(0, 5), size_bytes=st.sampled_from([1, 4096, 50_000, 120_000]))
    def put(self, file: FileId, index: int, size_bytes: int) -> None:
        if self.opened.put(file, SegmentIndex(index), make(file, index, size_bytes)):
            self.held.setdefault(file, set()).add(index)

    @rule(file=st.sampled_from(FILES), indices=st.sets(st.integers(0, 5)))
    def erase(self, file: FileId, indices: set[int]) -> None:
        self.opened.erase(file, of_indices(indices))
        self.held[file] = self.held.get(file, set()) - indices

    @rule(limit=st.integers(RESERVE_BYTES, LIMIT))
    def shrink(self, limit: int) -> None:
        self.limit = limit
        self.opened.shrink(limit, ())
        self.learn()

    @precondition(lambda self: self.store is not None)
    @rule()
    def crash(self) -> None:
        self.opened.close()
        self.begin()

    def learn(self) -> None:
        self.held = {
            file: {index for start, end in self.opened.holdings(file) for index in range(start, end)} for file in FILES
        }

    @invariant()
    def limit_holds(self) -> None:
        if self.store is not None:
            assert on_disk(self.folder) + RESERVE_BYTES - 4096 <= self.store.used_bytes <= self.limit

    @invariant()
    def holdings_are_known(self) -> None:
        if self.store is not None:
            for file in FILES:
                assert self.store.holdings(file) == of_indices(self.held.get(file, set()))

    def teardown(self) -> None:
        if self.store is not None:
            self.store.close()
        self.temporary.cleanup()


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
