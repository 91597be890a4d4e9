"""Whoever looks at mirrors offers HTTP/1.1, then HTTP/2: a server that speaks only the newer is a mirror as well."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from distribute_io.cli.doctor import _examine
from distribute_io.coordinator.mirror_checker import MirrorChecker
from distribute_io.coordinator.prober import HttpProber
from distribute_io.errors import SourceError
from distribute_io.stores.catalogue import CauseRecord, MirrorRecord
from distribute_io.stores.sql_catalogue import open_sqlite
from tests.stores.catalogue_suite import CAUSE, NOW_S, record

NO_APPLICATION_PROTOCOL = bytes([21, 3, 3, 0, 2, 2, 120])
"""A fatal alert (RFC 8446 section 6, RFC 7301 section 3.2): what a server says that knows none of the protocols."""


@pytest.fixture
def refusing() -> Iterator[tuple[str, list[bytes]]]:
    """A TLS server that likes no protocol, and the greetings that it got."""
    greetings: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError):  # the test is over
            while True:
                connection, _ = listener.accept()
                with connection:
                    greetings.append(connection.recv(65_536))
                    connection.sendall(NO_APPLICATION_PROTOCOL)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/a.bin", greetings


def check(url: str, folder: Path) -> None:
    async def scene() -> None:
        catalogue = open_sqlite(folder / "catalogue.sqlite")
        manifest = record()
        await catalogue.put_cause(CauseRecord(cause=CAUSE, title="T"), actor="cli", at_s=NOW_S)
        await catalogue.put_manifest(manifest, bytes(32 * manifest.segments), actor="cli", at_s=NOW_S, mirrors=[])
        checker = MirrorChecker(catalogue, allow_private=True, pages_are_https=True, rng=random.Random(1))
        found = await checker.check(MirrorRecord(manifest.file_id, url))
        assert found is not None
        assert found.code == "mirror_unreachable"
        await catalogue.close()

    asyncio.run(scene())


def probe(url: str, _folder: Path) -> None:
    with pytest.raises(SourceError):
        HttpProber(allow_private=True).read_range(url, 0, 1, size_bytes=1, timeout_s=5.0)


def examine(url: str, _folder: Path) -> None:
    assert _examine(url, None, None, True, None, "https").code == "mirror_unreachable"


@pytest.mark.parametrize("look", [check, probe, examine])
def test_http_2_is_offered_to_a_server_that_refuses_http_1(
    look: Callable[[str, Path], None], refusing: tuple[str, list[bytes]], tmp_path: Path
) -> None:
    url, greetings = refusing
    look(url, tmp_path)
    assert b"\x08http/1.1" in greetings[0]
    assert b"\x02h2" not in greetings[0]
    assert b"\x02h2" in greetings[1]
