"""A donor that lies: `dio donate` as it is, but for one bit of whatever it reads out of its store.

Everything else is the real thing, so that it is introduced, opened and asked like any other donor.
"""

from __future__ import annotations

import sys
from pathlib import Path

from distribute_io.cli.main import main
from distribute_io.donor.store import SegmentStore
from distribute_io.ids import FileId, SegmentDigest
from tests.harness.coordinator import CAUSE, Coordinator
from tests.harness.processes import Process, python_module

_ROOT = Path(__file__).parents[2]
_honest_read = SegmentStore.read


def _lying_read(store: SegmentStore, file_id: FileId, digest: SegmentDigest, offset: int, length: int) -> bytes | None:
    data = _honest_read(store, file_id, digest, offset, length)
    return bytes([data[0] ^ 1]) + data[1:] if data else data


def start_lying_donor(coordinator: Coordinator, data_dir: Path, *, storage: str, up: str = "8MB/s") -> Process:
    """Start it in a process of its own."""
    words: list[str | Path] = ["donate", coordinator.url, "--cause", CAUSE, "--storage", storage, "--up", up]
    command = python_module(__name__, *words, "--data-dir", data_dir, "--json")
    return coordinator.stage.start("liar", command, env={"PYTHONPATH": str(_ROOT)})


if __name__ == "__main__":
    setattr(SegmentStore, "read", _lying_read)  # noqa: B010 - an assignment would be a type error, as it should be
    sys.exit(main())
