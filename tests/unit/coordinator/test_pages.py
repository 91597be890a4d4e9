"""What the pages for donors need of the coordinator: their addresses, policies, the contact, the upload's measure."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

from distribute_io.coordinator.upload_probe import BODY_BYTES_MAX
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

    play(tmp_path, scene, contact="mailto:abuse@example.org")


def test_the_upload_probe_takes_what_it_says_and_no_more(tmp_path: Path) -> None:
    async def scene(served: Served) -> None:
        for size, status in ((0, 204), (BODY_BYTES_MAX, 204), (BODY_BYTES_MAX + 1, 413)):
            async with served.client.post(
                f"{served.url}/api/v1/upload-probe", data=io.BytesIO(bytes(size))
            ) as response:
                assert response.status == status

    play(tmp_path, scene)
