"""Donors that misbehave: `dio donate` as it is, but for what it does with the first segment that it is asked for.

    python -m tests.harness.bad_donor FAULT DONATE_OPTIONS…

| FAULT | the donor |
| --- | --- |
| `floods` | sends the same bytes over and over, 2 MiB at once and far above what was granted |
| `oversize` | sends one frame of the largest size that a channel takes |
| `outside` | sends bytes from beyond the range that was requested |
| `boasts` | says that it holds everything, and refuses what it is asked for |
| `lies` | flips a bit of whatever it sends |
| `freezes` | stops, connection and all, as a laptop whose lid is closed |
| `vanishes` | is killed |
| `leaves` | ends as if asked to, as a tab that is closed |

To donors that fill themselves all but `boasts` behave, so that nobody finds them out before a download does.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from distribute_io.cli.main import main
from distribute_io.core.peer_giver import Chunk, PeerGiver
from distribute_io.donor.serving import Taker, Upload
from distribute_io.donor.store import SegmentStore
from distribute_io.ids import FileId, SegmentDigest
from distribute_io.wire.frames import data_header
from distribute_io.wire.limits import FRAME_BYTES_MAX
from tests.harness.coordinator import CAUSE, Coordinator
from tests.harness.processes import Process, python_module


@dataclass(frozen=True)
class DonorFault:
    """What a page says of such a donor."""

    problems: frozenset[str]
    """Codes, of which one is shown at some time."""
    is_banned: bool = False
    """Whether it may give nothing any more in this download."""


_SILENT: Final = frozenset({"stalled", "peer_closed", "peer_unreachable", "idle_timeout"})

FAULTS: Final = {
    # Repeated bytes are dropped, and what was dropped is granted anew; so a flood that is no quicker than a page can
    # drop it is named for what it does not deliver.
    "floods": DonorFault(frozenset({"grant_exceeded", "stalled"})),
    "oversize": DonorFault(frozenset({"frame_too_large", "frame_malformed", "grant_exceeded"})),
    "outside": DonorFault(frozenset({"unrequested_data"})),
    "boasts": DonorFault(frozenset({"not_held"})),
    "lies": DonorFault(frozenset({"segment_mismatch"}), is_banned=True),
    "freezes": DonorFault(_SILENT),
    "vanishes": DonorFault(_SILENT),
    "leaves": DonorFault(_SILENT),
}

_ROOT = Path(__file__).parents[2]
_FLOOD_FRAMES: Final = 128
"""Thirty times the first grant, to each taker once: the test's machine has to do other things, too."""

_Send = Callable[[Upload, Taker, PeerGiver, Chunk, bytes], None]
_honest_send: Final[_Send] = Upload._send


def start_bad_donor(
    coordinator: Coordinator, fault: str, data_dir: Path, *, storage: str, up: str = "4MB/s", cause: str = CAUSE
) -> Process:
    """Start one in a process of its own."""
    words: list[str | Path] = ["donate", coordinator.url, "--cause", cause, "--storage", storage, "--up", up]
    command = python_module(__name__, fault, *words, "--data-dir", data_dir, "--json")
    return coordinator.stage.start(fault, command, env={"PYTHONPATH": str(_ROOT)})


_flooded: Final[set[str]] = set()


def _flood(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    if taker.link is not None and taker.match.match_id not in _flooded:
        _flooded.add(taker.match.match_id)
        for _ in range(_FLOOD_FRAMES):
            taker.link.send_bytes(data_header(chunk.request_id, chunk.offset) + data)


def _send_oversize(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    if taker.link is not None:
        header = data_header(chunk.request_id, chunk.offset)
        taker.link.send_bytes(header + bytes(FRAME_BYTES_MAX - len(header)))


def _send_outside(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    if taker.link is not None:
        taker.link.send_bytes(data_header(chunk.request_id, chunk.offset + 2**20) + data)


def _lie(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    _honest_send(upload, taker, giver, chunk, bytes([data[0] ^ 1]) + data[1:])


def _freeze(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _vanish(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _leave(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _read_nothing(store: SegmentStore, file_id: FileId, digest: SegmentDigest, offset: int, length: int) -> None:
    return None


def _but_not_to_fills(misbehave: _Send) -> _Send:
    def send(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
        (_honest_send if taker.match.fill else misbehave)(upload, taker, giver, chunk, data)

    return send


_SENDS: Final[dict[str, _Send]] = {
    "floods": _flood,
    "oversize": _send_oversize,
    "outside": _send_outside,
    "lies": _lie,
    "freezes": _freeze,
    "vanishes": _vanish,
    "leaves": _leave,
}

if __name__ == "__main__":
    name = sys.argv.pop(1)
    # By setattr, since an assignment would be a type error, as it should be.
    if name == "boasts":
        setattr(SegmentStore, "read", _read_nothing)  # noqa: B010
    else:
        setattr(Upload, "_send", _but_not_to_fills(_SENDS[name]))  # noqa: B010
    sys.exit(main())
