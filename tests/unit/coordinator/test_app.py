"""app.py: what `serve` refuses before it opens anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from distribute_io.coordinator.app import Started, serve
from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.errors import UsageError


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
