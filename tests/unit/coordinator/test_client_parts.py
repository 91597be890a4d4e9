"""The built client as it is served: immutable by hash, filled in, compressed once."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from distribute_io.coordinator.client_parts import ClientParts
from distribute_io.coordinator.front_page import FrontFile, FrontPage, render
from distribute_io.coordinator.middleware import add_headers
from distribute_io.coordinator.pages import pinned_keys
from distribute_io.coordinator.problems import problems
from distribute_io.ids import CauseId
from distribute_io.manifest.limits import PINS_MAX
from distribute_io.stores.catalogue import CauseRecord

HASH = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def parts(tmp_path: Path) -> ClientParts:
    (tmp_path / "distribute.js").write_text("loader();" * 50)
    (tmp_path / "donate.html").write_text('<link href="/v/{{HASH}}/donate.css" integrity="{{donate.css}}">{{other}}')
    (tmp_path / "notes.txt").write_text("not a part")
    build = {"hash": HASH, "integrity": {"distribute.js": "sha384-A", "donate.css": "sha384-B"}}
    (tmp_path / "build.json").write_text(json.dumps(build))
    return ClientParts.load(tmp_path)


def test_a_client_that_is_not_built_has_no_parts(tmp_path: Path) -> None:
    empty = ClientParts.load(tmp_path)
    assert not empty.is_built
    assert empty.get("distribute.js") is None


def test_pages_are_filled_in_with_this_build(parts: ClientParts) -> None:
    assert parts.is_built
    assert parts.get("notes.txt") is None
    page = parts.get("donate.html")
    assert page is not None
    assert page.body == f'<link href="/v/{HASH}/donate.css" integrity="sha384-B">'.encode()


def test_a_part_is_immutable_under_its_hash_and_revalidated_elsewhere(parts: ClientParts) -> None:
    async def scene() -> None:
        app = web.Application(middlewares=[problems])
        app.on_response_prepare.append(add_headers)
        app.add_routes(parts.routes())
        async with TestClient(TestServer(app), auto_decompress=False) as client:
            for path, cache in (
                (f"/v/{HASH}/distribute.js", "public, max-age=31536000, immutable"),
                ("/v/latest/distribute.js", "public, no-cache"),
                ("/distribute.js", "public, max-age=300"),
            ):
                response = await client.get(path, headers={"Accept-Encoding": "gzip"})
                assert response.headers["Cache-Control"] == cache
                assert response.headers["Access-Control-Allow-Origin"] == "*"
                assert response.content_type == "text/javascript"
                assert gzip.decompress(await response.read()) == b"loader();" * 50
                plain = await client.get(path, headers={"Accept-Encoding": "identity"})
                assert await plain.read() == b"loader();" * 50
            for path in ("/v/0/distribute.js", f"/v/{HASH}/none.js", f"/v/{HASH}/build.json"):
                response = await client.get(path)
                assert (response.status, json.loads(await response.read())["code"]) == (404, "unknown_route")

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0.5, gzip", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=1.0", "gzip"),
        ("br; q=0.000, x-gzip", None),
        ("", None),
    ],
)
def test_a_part_comes_in_the_smallest_coding_that_is_taken(tmp_path: Path, accepted: str, coding: str | None) -> None:
    script = b"loader();"
    bodies = {"br": b"BROTLI", "gzip": gzip.compress(script, 9, mtime=0), None: script}
    (tmp_path / "distribute.js").write_bytes(script)
    (tmp_path / "distribute.js.br").write_bytes(bodies["br"])
    (tmp_path / "donate.html").write_bytes(b"{{HASH}}")
    (tmp_path / "build.json").write_text(json.dumps({"hash": HASH, "integrity": {}}))
    parts = ClientParts.load(tmp_path)
    assert parts.get("distribute.js.br") is None

    async def scene() -> None:
        app = web.Application()
        app.add_routes(parts.routes())
        async with TestClient(TestServer(app), auto_decompress=False) as client:
            response = await client.get("/distribute.js", headers={"Accept-Encoding": accepted})
            assert response.headers.get("Content-Encoding") == coding
            assert response.headers["Vary"] == "Accept-Encoding"
            assert await response.read() == bodies[coding]

    asyncio.run(scene())
    filled = parts.get("donate.html")
    assert filled is not None
    assert list(filled.encoded) == ["gzip"]


def page(*files: FrontFile, secure: bool = True, keys: tuple[str, ...] = ("ed25519:KEY",)) -> str:
    return render(
        FrontPage(
            files=files,
            causes=(CauseRecord(cause=CauseId("main"), title="<b>Bold</b>", text='"quoted"'),),
            waiting=1,
            keys=keys,
            policy="worker-src blob:",
            tag='<script src="x"></script>',
            public_url="http://localhost:1",
            contact="https://example.org/abuse?a=1&b=2",
            is_secure=secure,
            loader="/v/h/distribute.js",
            loader_integrity="sha384-A",
            script="",
            script_integrity="",
            style="",
        )
    )


def test_the_front_page_escapes_all_that_others_wrote() -> None:
    html = page(FrontFile('a"><script>alert(1)</script>.iso', "/files/a%22", "f" * 64, 5, "main"))
    assert "<script>alert" not in html
    assert "<b>Bold" not in html
    assert "&lt;script src=&quot;x&quot;&gt;" in html


def test_the_front_page_links_work_without_a_script() -> None:
    html = page(
        FrontFile("12.5/b.iso", "/files/12.5/b.iso", "f" * 64, 5, "main"),
        FrontFile("a.iso", "/files/a.iso", "", 5, ""),
        FrontFile("c.iso", "", "e" * 64, 5, "main"),
    )
    assert '<a class="download row" data-distribute="' + "f" * 64 + '" href="/files/12.5/b.iso">' in html
    assert '<a class="row" href="/files/a.iso">' in html
    assert html.index("a.iso") < html.index("12.5/")  # what lies at the top comes first
    assert "still being hashed" in html
    assert "plain http" not in html
    assert "plain http" in page(secure=False)
    assert "nothing here yet" in page()


def test_more_publishers_than_a_tag_can_pin_get_several_tags() -> None:
    many = [FrontFile(f"{i:02}", "/m", f"{i:064}", 5, "main", f"ed25519:{i:02}") for i in range(PINS_MAX + 1)]
    keys = pinned_keys(many, own="ed25519:00")
    assert len(keys) == len(many)
    html = page(*many, keys=keys)
    tags = re.findall(r"data-select=.a\.download\[data-pins='(\d+)'\]. data-key=.([^\"]*)", html)
    pins = {group: pinned.split(" ") for group, pinned in tags}
    assert [len(pinned) for pinned in pins.values()] == [PINS_MAX, 1]
    for file in many:
        group = re.search(rf'data-distribute="{file.file_id}" data-pins="(\d+)"', html)
        assert group is not None
        assert file.signed_by in pins[group[1]]


def test_the_front_page_pins_the_keys_of_all_whose_files_it_shows() -> None:
    mine, other = "ed25519:MINE", "ed25519:OTHER"
    ours = FrontFile("a.iso", "/files/a.iso", "f" * 64, 5, "main", mine)
    theirs = FrontFile("b.iso", "https://mirror.example/b.iso", "e" * 64, 5, "main", other)
    hashing = FrontFile("c.iso", "/files/c.iso", "", 5, "")
    assert pinned_keys([], own=mine) == pinned_keys([ours, hashing], own=mine) == (mine,)
    assert pinned_keys([theirs], own=mine) == (other,)
    assert pinned_keys([theirs, theirs, ours], own=mine) == (mine, other)
    html = page(ours, theirs, keys=(mine, other))
    assert f'data-key="{mine} {other}"' in html
    assert f"<dt>Signed by</dt><dd><code>{other}</code></dd>" in html
    assert "several publishers" in html
    assert f"dio get http://localhost:1/files/a.iso --pin {mine}<" in html
    command = f"dio get https://mirror.example/b.iso --coordinator http://localhost:1 --pin {other}<"
    assert command in page(hashing, theirs)
    assert "several publishers" not in page(ours, keys=(mine,))
