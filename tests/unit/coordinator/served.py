"""A whole coordinator in this process, on a free port of 127.0.0.1, for tests that speak HTTP and sessions with it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from distribute_io.coordinator.app import Started, open_catalogue, serve
from distribute_io.coordinator.bearer import new_token
from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.manifest.build import encode_document, new_manifest, sign_manifest
from distribute_io.manifest.hashing import hash_file
from distribute_io.manifest.keys import SigningKey
from distribute_io.wire.http import Mirror

Json = dict[str, Any]  # Any: what came over the wire, looked into by the tests
PATIENCE_S = 20.0
MIB = 2**20


class Served:
    """One running coordinator and a client of it."""

    def __init__(
        self,
        started: Started,
        client: aiohttp.ClientSession,
        config: CoordinatorConfig,
        stop: Callable[[], object],
    ) -> None:
        self.started = started
        self.stop = stop
        self.client = client
        self.config = config
        self.url = started.public.url

    async def get(self, path: str, **options: Any) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self.client.get(self.url + path, **options) as response:
            return response, await response.read()

    async def json(self, path: str, **options: Any) -> Any:
        response, body = await self.get(path, **options)
        assert response.content_type in ("application/json", "application/problem+json"), body[:200]
        return json.loads(body)

    async def settled(self) -> None:
        """Wait until the whole folder is hashed."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                library = self.started.library
                assert library is not None
                progress = library.progress()
                if progress.walked and progress.files == progress.files_ready:
                    break
                await asyncio.sleep(0.02)

    async def file_id(self, name: str) -> str:
        files = (await self.json("/api/v1/files"))["files"]
        return str(next(file["file_id"] for file in files if file["name"] == name))

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():  # noqa: ASYNC110 - another process's state sets no event
                await asyncio.sleep(0.02)


@asynccontextmanager
async def coordinator(root: Path, **settings: Any) -> AsyncIterator[Served]:
    """Serve `root/folder` with its data in `root/data`."""
    folder = root / "folder"
    folder.mkdir(exist_ok=True)
    config = CoordinatorConfig(
        **{
            "folder": str(folder),
            "data_dir": str(root / "data"),
            "port": 0,
            "stun_port": 0,
            "settle_ms": 0,
            "allow_private_mirrors": True,
            "watch_mirrors": False,
            **settings,
        }
    )
    ready: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(config, ready.set_result))

    def ended(task: asyncio.Task[None]) -> None:
        if not ready.done():
            ready.set_exception(task.exception() or RuntimeError("the coordinator ended before it had started"))

    serving.add_done_callback(ended)
    try:
        started = await ready
        async with aiohttp.ClientSession(auto_decompress=False) as client:
            yield Served(started, client, config, serving.cancel)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def write(root: Path, name: str, content: bytes, *, age_s: float = 10) -> Path:
    """A file of the folder that stands still since `age_s`."""
    path = root / "folder" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


async def token(served: Served, *, causes: tuple[str, ...] = ("*",), origins: tuple[str, ...] = ("*",)) -> str:
    """A token of the running coordinator, made beside it as `dio token create` does."""
    text, record = new_token(label="test", causes=causes, origins=origins, now_s=1)
    catalogue = open_catalogue(served.config)
    try:
        await catalogue.put_token(record, actor="cli")
    finally:
        await catalogue.close()
    return text


def document(
    path: Path, key: SigningKey, *, name: str, mirrors: tuple[str, ...] = (), cause: str = "main", **release: Any
) -> bytes:
    """A signed manifest document of a file; `release` as `encode_document` takes it."""
    digests = hash_file(path)
    manifest = new_manifest(name=name, digests=digests, cause=cause, published_at_s=int(time.time()))
    return encode_document(
        sign_manifest(manifest, [key]),
        mirrors=[Mirror(url=url) for url in mirrors],
        segments=digests.segments,
        **release,
    )


def play(root: Path, scene: Callable[[Served], Awaitable[None]], **settings: Any) -> None:
    """Run a scene with a coordinator of `root`/folder, hashed already; `settings` are its configuration."""

    async def run() -> None:
        async with coordinator(root, **settings) as served:
            await served.settled()
            await scene(served)

    asyncio.run(run())


def files(root: Path, *sizes_mib: int) -> None:
    """Files `0.bin`, `1.bin`, … of so many MiB each, all different."""
    for place, size in enumerate(sizes_mib):
        write(root, f"{place}.bin", bytes([place]) * (size * MIB))
