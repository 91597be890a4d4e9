"""What a donor states to its coordinator: what it holds, what it was filled with, what downloaders acknowledged.

Rules:

1. After each welcome it states all that it holds, completely; later what has changed, when it is asked to. The store
   says what that is: besides what was fetched it is what made room for it, and what was found spoilt.
2. A message has at most `FILES_PER_MESSAGE_MAX` files and, all of them together, `RUNS_MAX` runs: so a large store
   that is held in many runs still fits `MESSAGE_BYTES_MAX`.
3. Receipts go on when they are asked to, the latest of each match: a downloader may write one for each byte, and the
   coordinator would take that for a flood of ours. What no session takes waits for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from distribute_io.core.runs import to_wire
from distribute_io.donor.store import SegmentStore
from distribute_io.ids import FileId
from distribute_io.manifest.base64_text import encode_base64
from distribute_io.wire.limits import FILES_PER_MESSAGE_MAX, RUNS_MAX
from distribute_io.wire.session import ClientMessage, FileRuns, Filled, Holdings, Receipt

_RECEIPTS_MAX: Final = 256


class Statements:
    """Caller's duties: `begin` after each welcome, `lost` when a session is; `tell_changes` about once a second."""

    def __init__(self, store: SegmentStore, *, say: Callable[[ClientMessage], None]) -> None:
        self._store = store
        self._say = say
        self._is_heard = False
        self._filled: dict[FileId, Filled] = {}
        self._filled_since: set[FileId] = set()
        self._receipts: dict[str, Receipt] = {}

    def begin(self) -> None:
        """There is a session: state all that is held, and what no session has heard."""
        self._is_heard = True
        self._filled.clear()  # told per session
        self._filled_since.clear()
        self._store.take_changed()
        messages = list(_messages(self._file_runs(file_id) for file_id in self._store.files())) or [[]]
        for number, files in enumerate(messages, 1):
            self._say(Holdings(files, complete=number == len(messages)))
        self.forward_receipts()

    def lost(self) -> None:
        """The session is gone."""
        self._is_heard = False

    def filled(self, file_id: FileId, mirror_bytes: int, donor_bytes: int) -> None:
        """A segment was fetched and is durable."""
        before = self._filled.get(file_id, Filled(file_id, 0, 0))
        self._filled[file_id] = Filled(file_id, before.mirror_bytes + mirror_bytes, before.donor_bytes + donor_bytes)
        self._filled_since.add(file_id)

    def tell_changes(self) -> list[FileId]:
        """State what has changed; returns these files."""
        changed = sorted(self._store.take_changed())
        for files in _messages(self._file_runs(file_id) for file_id in changed):
            self._say(Holdings(files, complete=False))
        for file_id in sorted(self._filled_since):
            self._say(self._filled[file_id])
        self._filled_since.clear()
        return changed

    def receipt(self, match_id: str, bytes_total: int, mac: bytes) -> None:
        """A downloader acknowledged so much (rule 3)."""
        self._receipts.pop(match_id, None)
        self._receipts[match_id] = Receipt(match_id, bytes_total, encode_base64(mac))
        if len(self._receipts) > _RECEIPTS_MAX:
            del self._receipts[next(iter(self._receipts))]

    def forward_receipts(self) -> None:
        """Say what was acknowledged and not said yet."""
        if self._is_heard:
            for receipt in self._receipts.values():
                self._say(receipt)
            self._receipts.clear()

    def _file_runs(self, file_id: FileId) -> FileRuns:
        return FileRuns(file_id, to_wire(self._store.holdings(file_id)[:RUNS_MAX]))


def _messages(files: Iterable[FileRuns]) -> Iterator[list[FileRuns]]:
    """The files of one message after the other (rule 2)."""
    message: list[FileRuns] = []
    runs = 0
    for each in files:
        count = len(each.runs) // 2
        if message and (len(message) == FILES_PER_MESSAGE_MAX or runs + count > RUNS_MAX):
            yield message
            message, runs = [], 0
        message.append(each)
        runs += count
    if message:
        yield message
