"""Donors that misbehave: `dio donate` as it is, but for what it does with the first segment that it is asked for.

    python -m tests.harness.bad_donor FAULT DONATE_OPTIONS…

| FAULT | the donor |
| --- | --- |
| `floods` | sends 16 MiB more than it was granted |
| `oversize` | sends one frame of the largest size that a channel takes |
| `outside` | sends bytes from beyond the range that was requested |
| `boasts` | says that it holds everything, and refuses what it is asked for |
| `freezes` | stops, connection and all, as a laptop whose lid is closed |
| `vanishes` | is killed |

To donors that fill themselves all but `boasts` behave, so that nobody finds them out before a download does.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
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

FAULTS: Final = ("floods", "oversize", "outside", "boasts", "freezes", "vanishes")

_ROOT = Path(__file__).parents[2]
_FLOOD_FRAMES, _FLOOD_FRAME_BYTES = 512, 32_768

_Send = Callable[[Upload, Taker, PeerGiver, Chunk, bytes], None]


def start_bad_donor(coordinator: Coordinator, fault: str, data_dir: Path, *, storage: str) -> Process:
    """Start one in a process of its own."""
    words: list[str | Path] = ["donate", coordinator.url, "--cause", CAUSE, "--storage", storage, "--up", "4MB/s"]
    command = python_module(__name__, fault, *words, "--data-dir", data_dir, "--json")
    return coordinator.stage.start(fault, command, env={"PYTHONPATH": str(_ROOT)})


def _flood(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    if taker.link is not None:
        for _ in range(_FLOOD_FRAMES):
            taker.link.send_bytes(data_header(chunk.request_id, chunk.offset) + bytes(_FLOOD_FRAME_BYTES))


def _send_oversize(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    if taker.link is not None:
        header = data_header(chunk.request_id, chunk.offset)
        taker.link.send_bytes(header + bytes(FRAME_BYTES_MAX - len(header)))


def _send_outside(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    if taker.link is not None:
        taker.link.send_bytes(data_header(chunk.request_id, chunk.offset + 2**20) + data)


def _freeze(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _vanish(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _read_nothing(store: SegmentStore, file_id: FileId, digest: SegmentDigest, offset: int, length: int) -> None:
    return None


def _but_not_to_fills(misbehave: _Send) -> _Send:
    honest: _Send = Upload._send

    def send(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
        (honest if taker.match.fill else misbehave)(upload, taker, giver, chunk, data)

    return send


_SENDS: Final[dict[str, _Send]] = {
    "floods": _flood,
    "oversize": _send_oversize,
    "outside": _send_outside,
    "freezes": _freeze,
    "vanishes": _vanish,
}

if __name__ == "__main__":
    name = sys.argv.pop(1)
    # By setattr, since an assignment would be a type error, as it should be.
    if name == "boasts":
        setattr(SegmentStore, "read", _read_nothing)  # noqa: B010
    else:
        setattr(Upload, "_send", _but_not_to_fills(_SENDS[name]))  # noqa: B010
    sys.exit(main())
