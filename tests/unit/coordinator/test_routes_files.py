"""The embedded mirror, asked as browsers and download programs do."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from distribute_io.errors import RefusedError
from tests.unit.coordinator.served import Served, coordinator, write

CONTENT = bytes(range(256)) * 2_000


def play(root: Path, scene: Callable[[Served], Awaitable[None]]) -> None:
    async def run() -> None:
        async with coordinator(root) as served:
            await served.settled()
            await scene(served)

    asyncio.run(run())


def test_a_file_comes_with_all_that_the_contract_promises(tmp_path: Path) -> None:
    write(tmp_path, "sub/a b.iso", CONTENT)

    async def scene(served: Served) -> None:
        file_id = await served.file_id("sub/a b.iso")
        response, body = await served.get(f"/files/sub/a%20b.iso?id={file_id}")
        digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
        assert (response.status, body) == (200, CONTENT)
        headers = response.headers
        assert headers["Accept-Ranges"] == "bytes"
        assert headers["Access-Control-Allow-Origin"] == "*"
        exposed = {name.strip() for name in headers["Access-Control-Expose-Headers"].split(",")}
        assert exposed == {"Content-Range", "Accept-Ranges", "ETag", "Link", "Digest", "Repr-Digest", "Retry-After"}
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("sandbox")
        assert headers["Content-Disposition"] == "attachment; filename=\"a b.iso\"; filename*=UTF-8''a%20b.iso"
        assert headers["Digest"] == f"SHA-256={digest}"
        assert headers["Repr-Digest"] == f"sha-256=:{digest}:"
        links = headers.getall("Link")
        assert f"<{served.url}/files/sub/a%20b.iso?id={file_id}>; rel=duplicate; pri=50" in links
        assert any("rel=describedby" in link for link in links)

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=5-9", 5, 10), ("bytes=511990-", 511_990, 512_000), ("bytes=-3", 511_997, 512_000)],
)
def test_ranges_are_exact(tmp_path: Path, asked: str, start: int, end: int) -> None:
    write(tmp_path, "a", CONTENT)

    async def scene(served: Served) -> None:
        response, body = await served.get("/files/a", headers={"Range": asked})
        assert (response.status, body) == (206, CONTENT[start:end])
        assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"

    play(tmp_path, scene)


@pytest.mark.parametrize("asked", ["bytes=512000-", "bytes=9-5", "bytes=x-y", "bytes=0-1,4-5", "lines=1-2"])
def test_a_bad_range_is_named(tmp_path: Path, asked: str) -> None:
    write(tmp_path, "a", CONTENT)

    async def scene(served: Served) -> None:
        response, _body = await served.get("/files/a", headers={"Range": asked})
        problem = await served.json("/files/a", headers={"Range": asked})
        assert (response.status, problem["code"]) == (416, "bad_range")
        assert response.headers["Content-Range"] == f"bytes */{len(CONTENT)}"

    play(tmp_path, scene)


def test_a_neighbour_that_looks_like_a_compressed_copy_is_never_sent(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", CONTENT)
    write(tmp_path, "a.txt.gz", gzip.compress(b"something else"))

    async def scene(served: Served) -> None:
        response, body = await served.get("/files/a.txt", headers={"Accept-Encoding": "gzip, br"})
        assert "Content-Encoding" not in response.headers
        assert body == CONTENT

    play(tmp_path, scene)


def test_a_resumed_download_of_a_changed_file_begins_anew(tmp_path: Path) -> None:
    write(tmp_path, "a", CONTENT)

    async def scene(served: Served) -> None:
        response, _body = await served.get("/files/a", headers={"Range": "bytes=0-9"})
        tag = response.headers["ETag"]
        again, body = await served.get("/files/a", headers={"Range": "bytes=10-19", "If-Range": tag})
        assert (again.status, body) == (206, CONTENT[10:20])
        for other in ('"another"', f"W/{tag}"):
            anew, body = await served.get("/files/a", headers={"Range": "bytes=10-19", "If-Range": other})
            assert (anew.status, len(body)) == (200, len(CONTENT))
        # A resume of what was longer before: the file is another now, and comes whole instead of a 416.
        headers = {"Range": f"bytes={len(CONTENT) + 5}-", "If-Range": '"another"'}
        anew, body = await served.get("/files/a", headers=headers)
        assert (anew.status, len(body)) == (200, len(CONTENT))
        beyond, _body = await served.get("/files/a", headers={**headers, "If-Range": tag})
        assert beyond.status == 416
        unchanged, _body = await served.get("/files/a", headers={"If-None-Match": tag})
        assert unchanged.status == 304

    play(tmp_path, scene)


def test_an_id_that_is_no_longer_there_is_404(tmp_path: Path) -> None:
    write(tmp_path, "a", CONTENT)

    async def scene(served: Served) -> None:
        old = await served.file_id("a")
        write(tmp_path, "a", b"changed", age_s=5)
        # Also before the change was noticed: the file's own status gives it away.
        response, _body = await served.get(f"/files/a?id={old}")
        assert response.status == 404
        unknown, _body = await served.get("/files/a?id=" + "0" * 64)
        assert unknown.status == 404

        async def is_new() -> bool:
            return await served.file_id("a") == hashlib.sha256(b"changed").hexdigest()

        await served.until(is_new)
        plain, body = await served.get("/files/a")
        assert (plain.status, body) == (200, b"changed")

    play(tmp_path, scene)


def test_what_is_not_in_the_folder_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    write(tmp_path, "a", CONTENT)
    write(tmp_path, ".hidden", CONTENT)

    async def scene(served: Served) -> None:
        for path in ("/files/none", "/files/..%2fsecret", "/files/%2e%2e/secret", "/files/.hidden", "/files//a"):
            problem = await served.json(path)
            assert problem["code"] in ("unknown_file", "unknown_route"), path

    play(tmp_path, scene)


def test_an_empty_file_is_a_download_too(tmp_path: Path) -> None:
    write(tmp_path, "empty", b"")

    async def scene(served: Served) -> None:
        response, body = await served.get("/files/empty")
        assert (response.status, body, response.headers["Content-Length"]) == (200, b"", "0")
        assert "Repr-Digest" in response.headers

    play(tmp_path, scene)


def test_a_name_with_quotes_cannot_break_out_of_its_header(tmp_path: Path) -> None:
    write(tmp_path, 'a"; filename=b%41ü.html', b"<script>")

    async def scene(served: Served) -> None:
        response, _body = await served.get("/files/a%22%3B%20filename%3Db%2541%C3%BC.html")
        assert response.headers["Content-Disposition"] == (
            "attachment; filename=\"a_; filename=b_41_.html\"; filename*=UTF-8''a%22%3B%20filename%3Db%2541%C3%BC.html"
        )

    play(tmp_path, scene)


def test_head_and_preflight(tmp_path: Path) -> None:
    write(tmp_path, "a", CONTENT)

    async def scene(served: Served) -> None:
        async with served.client.head(served.url + "/files/a") as response:
            assert (response.status, response.headers["Content-Length"]) == (200, str(len(CONTENT)))
        async with served.client.options(served.url + "/files/a") as response:
            assert response.status == 204
            assert "Range" in response.headers["Access-Control-Allow-Headers"]
            assert response.headers["Access-Control-Allow-Origin"] == "*"

    play(tmp_path, scene)


def test_a_link_out_of_the_folder_that_takes_a_files_place_is_not_followed(tmp_path: Path) -> None:
    path = write(tmp_path, "a", CONTENT)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")

    async def scene(served: Served) -> None:
        library = served.started.library
        assert library is not None
        shelved = library.get("a")
        assert shelved is not None
        path.unlink()
        path.symlink_to(secret)
        response, body = await served.get("/files/a")
        assert (response.status, b"secret" in body) == (404, False)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            with pytest.raises(RefusedError):
                library.checked_place(path, descriptor)
        finally:
            os.close(descriptor)

    play(tmp_path, scene)
