"""donor/statements.py: a store of any size fits the messages that it is told in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, cast

import pytest

from distribute_io.core.runs import Runs
from distribute_io.donor.statements import Statements
from distribute_io.donor.store import RESERVE_BYTES, SegmentStore
from distribute_io.ids import FileId, SegmentDigest, SegmentIndex
from distribute_io.manifest.segments import verify_segment
from distribute_io.wire.codec import encode_message
from distribute_io.wire.limits import FILES_PER_MESSAGE_MAX, MESSAGE_BYTES_MAX
from distribute_io.wire.session import ClientMessage, FileRuns, Filled, Holdings, Receipt

VECTORS = json.loads((Path(__file__).parents[3] / "spec" / "vectors" / "message-parts.json").read_text())


class Held:
    """Files, each in so many runs at the end of a very large file."""

    def __init__(self, runs: list[int]) -> None:
        self._runs = {FileId(f"{number:064x}"): count for number, count in enumerate(runs)}

    def files(self) -> list[FileId]:
        return list(self._runs)

    def take_changed(self) -> set[FileId]:
        return set(self._runs)

    def holdings(self, file_id: FileId) -> Runs:
        return tuple((4_000_000_000 + 3 * at, 4_000_000_002 + 3 * at) for at in range(self._runs[file_id]))


@pytest.mark.parametrize("vector", VECTORS["cases"], ids=lambda vector: str(vector["name"]))
def test_files_are_divided_as_pages_divide_them(vector: dict[str, Any]) -> None:  # Any: a vector's fields
    said: list[ClientMessage] = []
    Statements(cast(SegmentStore, Held(vector["runs"])), say=said.append).begin()
    assert [len(message.files) for message in said if isinstance(message, Holdings)] == vector["parts"]


@pytest.mark.parametrize(("files", "runs"), [(0, 0), (1, 1), (64, 1), (65, 1), (200, 300), (3, 4_096), (64, 256)])
def test_all_that_is_held_is_stated_in_messages_that_fit(files: int, runs: int) -> None:
    said: list[ClientMessage] = []
    held = Held([runs] * files)
    statements = Statements(cast(SegmentStore, held), say=said.append)
    statements.begin()
    stated = [message for message in said if isinstance(message, Holdings)]
    assert [each.file_id for message in stated for each in message.files] == held.files()
    assert all(len(each.runs) == 2 * runs for message in stated for each in message.files)
    assert [message.complete for message in stated] == [False] * (len(stated) - 1) + [True]
    assert all(len(encode_message(message)) <= MESSAGE_BYTES_MAX for message in stated)
    assert all(len(message.files) <= FILES_PER_MESSAGE_MAX for message in stated)
    said.clear()
    assert statements.tell_changes() == held.files()
    assert all(len(encode_message(message)) <= MESSAGE_BYTES_MAX for message in said)


def test_what_made_room_is_stated_too(tmp_path: Path) -> None:
    said: list[ClientMessage] = []
    store = SegmentStore(tmp_path / "store", limit_bytes=RESERVE_BYTES + 60_000)
    store.open()
    old, new = FileId("a" * 64), FileId("b" * 64)
    segment = verify_segment(b"." * 50_000, SegmentDigest(hashlib.sha256(b"." * 50_000).digest()))
    store.put(old, SegmentIndex(0), segment)
    statements = Statements(store, say=said.append)
    statements.begin()
    assert statements.tell_changes() == []
    assert store.make_room(50_000, new, ((new, ((3, 4),)),))
    store.put(new, SegmentIndex(3), segment)
    statements.filled(new, 50_000, 0)
    said.clear()
    assert statements.tell_changes() == [old, new]
    assert said == [
        Holdings([FileRuns(old, []), FileRuns(new, [3, 1])], complete=False),
        Filled(new, 50_000, 0),
    ]


def test_the_latest_receipt_of_each_match_waits_for_a_session() -> None:
    said: list[ClientMessage] = []
    statements = Statements(cast(SegmentStore, Held([])), say=said.append)
    for total in (1, 2):
        statements.receipt("aa" * 16, total, bytes(32))
    statements.forward_receipts()
    assert said == []
    statements.begin()
    assert [message.bytes_total for message in said if isinstance(message, Receipt)] == [2]
    statements.lost()
    statements.receipt("aa" * 16, 3, bytes(32))
    statements.forward_receipts()
    assert len(said) == 2
