"""A donor that lies: `dio donate` as it is, but for one bit of whatever it sends to a downloader.

Everything else is the real thing, so that it is introduced, opened and asked like any other donor. Donors that fill
themselves from it get what is right: they would find it out before a download does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from distribute_io.cli.main import main
from distribute_io.core.peer_giver import Chunk, PeerGiver
from distribute_io.donor.serving import Taker, Upload
from tests.harness.coordinator import CAUSE, Coordinator
from tests.harness.processes import Process, python_module

_ROOT = Path(__file__).parents[2]
_honest_send = Upload._send


def _lying_send(upload: Upload, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
    wrong = data if taker.match.fill else bytes([data[0] ^ 1]) + data[1:]
    _honest_send(upload, taker, giver, chunk, wrong)


def start_lying_donor(coordinator: Coordinator, data_dir: Path, *, storage: str, up: str = "8MB/s") -> Process:
    """Start it in a process of its own."""
    words: list[str | Path] = ["donate", coordinator.url, "--cause", CAUSE, "--storage", storage, "--up", up]
    command = python_module(__name__, *words, "--data-dir", data_dir, "--json")
    return coordinator.stage.start("liar", command, env={"PYTHONPATH": str(_ROOT)})


if __name__ == "__main__":
    setattr(Upload, "_send", _lying_send)  # noqa: B010 - an assignment would be a type error, as it should be
    sys.exit(main())
