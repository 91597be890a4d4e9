"""app.py: what `serve` refuses, and where it listens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from distribute_io.cli.doctor_coordinator import stun_answers
from distribute_io.coordinator.app import Started, serve
from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.errors import UsageError
from tests.unit.coordinator.served import coordinator, write


def not_started(_started: Started) -> None:
    raise AssertionError("it started")


@pytest.mark.parametrize(
    ("data_dir", "settings"),
    [
        (".", {}),
        ("./sub/..", {}),
        ("../data", {"catalogue": "sqlite:///{folder}/catalogue.sqlite"}),
        ("../data", {"tls_cert": "{folder}/tls.pem", "tls_key": "{folder}/sub/tls.key"}),
    ],
)
def test_a_folder_with_our_own_secrets_in_it_is_not_published(
    tmp_path: Path, data_dir: str, settings: dict[str, str]
) -> None:
    folder = tmp_path / "public"
    (folder / "sub").mkdir(parents=True)
    texts = {name: text.format(folder=folder) for name, text in settings.items()}
    paths = {"folder": str(folder), "data_dir": str(folder / data_dir)}
    config = msgspec.convert({**paths, **texts, "port": 0, "stun_port": 0}, CoordinatorConfig)
    with pytest.raises(UsageError) as caught:
        asyncio.run(serve(config, not_started))
    assert caught.value.code == "bad_config"
    assert "published" in caught.value.message
    assert [path.name for path in folder.iterdir()] == ["sub"]


@pytest.mark.parametrize(
    "inside", ["data/catalogue.sqlite", "data/deeper/catalogue.sqlite", ".hidden/catalogue.sqlite"]
)
def test_what_the_scan_leaves_out_may_lie_in_the_folder(tmp_path: Path, inside: str) -> None:
    path = tmp_path / inside
    path.parent.mkdir(parents=True)
    config = CoordinatorConfig(
        folder=str(tmp_path), data_dir=str(tmp_path / "data"), port=0, stun_port=0, catalogue=f"sqlite:///{path}"
    )

    async def until_started() -> None:
        begun = asyncio.Event()
        serving = asyncio.ensure_future(serve(config, lambda _started: begun.set()))
        waiting = asyncio.ensure_future(begun.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert begun.is_set()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(until_started())


def test_another_folder_with_the_same_data_is_refused_and_a_moved_one_is_not(tmp_path: Path) -> None:
    write(tmp_path, "a", b"a")

    async def serve_folder(name: str) -> str:
        async with coordinator(tmp_path, folder=str(tmp_path / name)) as served:
            await served.settled()
            return await served.file_id("a")

    file_id = asyncio.run(serve_folder("folder"))
    (tmp_path / "folder").rename(tmp_path / "moved")
    assert asyncio.run(serve_folder("moved")) == file_id
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b").write_bytes(b"b")
    with pytest.raises(UsageError) as caught:
        asyncio.run(serve_folder("other"))
    assert caught.value.code == "other_folder"
    assert str(tmp_path / "moved") in caught.value.message
    assert asyncio.run(serve_folder("moved")) == file_id


def test_all_networks_means_the_older_ones_too(tmp_path: Path) -> None:
    async def scene() -> None:
        async with coordinator(tmp_path, host="::") as served:
            port = served.started.listening.rpartition(":")[2]
            async with served.client.get(f"http://127.0.0.1:{port}/healthz") as response:
                assert response.status == 200
            stun = f"stun:127.0.0.1:{served.started.stun_ports[0]}"
            assert await asyncio.to_thread(stun_answers, stun)

    asyncio.run(scene())
