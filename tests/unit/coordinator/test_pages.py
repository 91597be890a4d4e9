"""What the pages for donors need of the coordinator: their addresses, policies, the contact, the upload's measure."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from distribute_io.coordinator import upload_probe
from distribute_io.coordinator.upload_probe import BODY_BYTES_MAX, RUNNING_PER_ADDRESS_MAX
from tests.unit.coordinator.served import Served, play


def test_only_the_badge_may_stand_in_a_frame(tmp_path: Path) -> None:
    async def scene(served: Served) -> None:
        ancestors = {}
        for path in ("/", "/donate", "/badge", "/donate-sw.js"):
            response, _body = await served.get(path)
            assert response.status == 200, path
            policy = response.headers["Content-Security-Policy"]
            ancestors[path] = policy.rpartition("frame-ancestors ")[2]
        assert ancestors == {"/": "'none'", "/donate": "'none'", "/badge": "*", "/donate-sw.js": "'none'"}

    play(tmp_path, scene)


def test_the_app_has_icons_of_the_sizes_that_it_names(tmp_path: Path) -> None:
    async def scene(served: Served) -> None:
        _response, body = await served.get("/manifest.webmanifest", headers={"Accept-Encoding": "identity"})
        manifest = json.loads(body)
        assert manifest["start_url"] == manifest["scope"] == "/donate"
        for icon in manifest["icons"]:
            response, packed = await served.get(icon["src"])
            assert response.content_type == icon["type"] == "image/png"
            png = gzip.decompress(packed)
            width, height = (int.from_bytes(png[at : at + 4]) for at in (16, 20))
            assert icon["sizes"] == f"{width}x{height}"
            assert len(png) < 12_000

    play(tmp_path, scene)


def test_the_contact_is_told_to_pages_and_people(tmp_path: Path) -> None:
    async def scene(served: Served) -> None:
        assert (await served.json("/api/v1/causes"))["contact"] == "mailto:abuse@example.org"
        _response, front = await served.get("/")
        assert b'<a href="mailto:abuse@example.org">abuse@example.org</a>' in front

    play(tmp_path, scene, contact="abuse@example.org")


def test_the_upload_probe_takes_what_it_says_and_no_more(tmp_path: Path) -> None:
    async def scene(served: Served) -> None:
        for size, status in ((0, 204), (BODY_BYTES_MAX, 204), (BODY_BYTES_MAX + 1, 413)):
            async with served.client.post(
                f"{served.url}/api/v1/upload-probe", data=io.BytesIO(bytes(size))
            ) as response:
                assert response.status == status

    play(tmp_path, scene)


def test_a_slow_body_gives_its_place_in_the_upload_probe_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_probe, "BODY_S", 1.0)

    async def scene(served: Served) -> None:
        url = f"{served.url}/api/v1/upload-probe"
        ends = asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            yield b"x"
            await ends.wait()

        async def send_slowly() -> int:
            async with served.client.post(url, data=slow_body()) as response:
                return response.status

        async def send(size: int) -> int:
            async with served.client.post(url, data=io.BytesIO(bytes(size))) as response:
                return response.status

        async with asyncio.TaskGroup() as tasks:
            slow = [tasks.create_task(send_slowly()) for _ in range(RUNNING_PER_ADDRESS_MAX)]

            async def is_full() -> bool:
                return await send(1) == 503

            async def has_room() -> bool:
                return await send(1) == 204

            await served.until(is_full)
            await served.until(has_room)
            ends.set()
        assert {task.result() for task in slow} == {400}

    play(tmp_path, scene)
