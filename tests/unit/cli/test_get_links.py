"""`dio get` of what a person has at hand: a file's link, or the address of a page."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from distribute_io.cli.main import main
from distribute_io.transport import coordinator_api
from tests.unit.coordinator.served import Served, play, write


def test_the_address_of_a_page_names_the_files_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    for number in range(4):
        write(tmp_path, f"a b{number}.iso", b"content %d" % number)

    async def scene(served: Served) -> None:
        for page in ("", "/", "/donate"):
            assert await asyncio.to_thread(main, ["get", served.url + page]) == 2
            said = capsys.readouterr().err
            assert "is a page of the coordinator's; name a file of it: " in said
            assert f"{served.url}/files/a%20b0.iso" in said
            assert said.endswith("[bad_argument]\n")
        assert await asyncio.to_thread(main, ["get", f"{served.url}/files/none"]) == 1
        assert "[unknown_link]" in capsys.readouterr().err
        monkeypatch.setattr(coordinator_api, "_ENTRY_BYTES_MAX", 300)  # the list of files is too long, an error is not
        assert await asyncio.to_thread(main, ["get", served.url]) == 1
        assert "[unknown_link]" in capsys.readouterr().err

    play(tmp_path, scene)
