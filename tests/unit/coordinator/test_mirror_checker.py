"""A check ends when its time is over, whatever holds it up: there are only a few slots."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from pathlib import Path

import pytest

from distribute_io.coordinator import mirror_checker
from distribute_io.coordinator.mirror_checker import MirrorChecker
from distribute_io.coordinator.mirror_watch import CHECKS_AT_ONCE
from distribute_io.core.mirror_health import Outcome
from distribute_io.stores.catalogue import CauseRecord, MirrorRecord
from distribute_io.stores.sql_catalogue import open_sqlite
from tests.stores.catalogue_suite import CAUSE, NOW_S, record


def test_names_that_are_never_found_leave_every_slot_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_checker, "DEADLINE_S", 0.3)
    monkeypatch.setattr(mirror_checker, "RATE_BYTES_PER_S_MIN", 2**40)
    ended = threading.Event()

    def getaddrinfo(*_place: object, **_options: object) -> None:
        ended.wait(20)
        raise socket.gaierror("the test is over")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def scene() -> None:
        catalogue = open_sqlite(tmp_path / "catalogue.sqlite")
        manifest = record()
        await catalogue.put_cause(CauseRecord(cause=CAUSE, title="T"), actor="cli", at_s=NOW_S)
        await catalogue.put_manifest(manifest, bytes(32 * manifest.segments), actor="cli", at_s=NOW_S, mirrors=[])
        checker = MirrorChecker(catalogue, allow_private=True, pages_are_https=True, rng=random.Random(1))
        mirrors = [MirrorRecord(manifest.file_id, f"https://m{n}.example/a") for n in range(CHECKS_AT_ONCE)]
        began = time.monotonic()
        found = await asyncio.gather(*(checker.check(mirror) for mirror in mirrors))
        assert time.monotonic() - began < 5.0
        assert found == [Outcome("mirror_too_slow")] * CHECKS_AT_ONCE
        await catalogue.close()

    try:
        asyncio.run(scene())
    finally:
        ended.set()
