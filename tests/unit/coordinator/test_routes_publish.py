"""Publishing by HTTP: who may, what is refused, and what an operator's day looks like."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from distribute_io.coordinator.app import open_catalogue
from distribute_io.coordinator.demand_desk import RELEASES_NOTE
from distribute_io.core.demand.book import Announcement
from distribute_io.ids import CauseId, FileId
from distribute_io.manifest.keys import SigningKey
from distribute_io.stores.catalogue import CauseRecord
from tests.unit.coordinator.served import Json, Served, coordinator, document, token, write

KEY = SigningKey.generate()


def play(root: Path, scene: Callable[[Served], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        async with coordinator(root, **settings) as served:
            await served.settled()
            await scene(served)

    asyncio.run(run())


async def post(served: Served, body: bytes, text: str | None) -> tuple[int, Json]:
    headers = {"Authorization": f"Bearer {text}"} if text is not None else {}
    async with served.client.post(served.url + "/api/v1/files", data=body, headers=headers) as response:
        answer: Json = await response.json(content_type=None)
        return response.status, answer


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "upload.bin"
    path.write_bytes(b"published by hand" * 100_000)
    return path


def test_a_published_file_is_listed_resolved_and_told_with_its_mirrors(tmp_path: Path, upload: Path) -> None:
    mirror = "https://mirror.example/pub/upload.bin"

    async def scene(served: Served) -> None:
        text = await token(served, origins=("https://mirror.example",))
        status, entry = await post(served, document(upload, KEY, name="upload.bin", mirrors=(mirror,)), text)
        assert status == 201
        assert [m["url"] for m in entry["mirrors"]] == [mirror]
        assert (await post(served, document(upload, KEY, name="upload.bin", mirrors=(mirror,)), text))[0] in (200, 201)
        file_id = entry["file_id"]
        resolved = await served.json("/api/v1/resolve", params={"url": "HTTPS://Mirror.Example:443/pub/upload.bin#x"})
        assert resolved["file_id"] == file_id
        by_key = await served.json("/api/v1/resolve", params={"url": mirror, "key": KEY.public_key})
        assert by_key["file_id"] == file_id
        other = SigningKey.generate().public_key
        assert (await served.json("/api/v1/resolve", params={"url": mirror, "key": other}))["code"] == "unknown_link"
        response, segments = await served.get(entry["segments_url"].removeprefix(served.url))
        assert "immutable" in response.headers["Cache-Control"]
        assert len(segments) == 32 * 7
        response, _body = await served.get(f"/api/v1/files/{file_id}")
        again, _body = await served.get(f"/api/v1/files/{file_id}", headers={"If-None-Match": response.headers["ETag"]})
        assert again.status == 304

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("text", "code"),
    [(None, "token_missing"), ("", "token_missing"), ("dio_guessed", "token_invalid"), ("x" * 500, "token_invalid")],
)
def test_without_a_token_nothing_is_published(tmp_path: Path, upload: Path, text: str | None, code: str) -> None:
    async def scene(served: Served) -> None:
        status, problem = await post(served, document(upload, KEY, name="a"), text)
        assert (status, problem["code"]) == (401, code)

    play(tmp_path, scene)


def test_a_revoked_token_and_one_for_another_cause_are_refused(tmp_path: Path, upload: Path) -> None:
    async def scene(served: Served) -> None:
        narrow = await token(served, causes=("another",))
        assert (await post(served, document(upload, KEY, name="a"), narrow))[1]["code"] == "token_scope"

    play(tmp_path, scene)


def test_a_claim_outside_the_scope_needs_the_right_bytes(tmp_path: Path, upload: Path) -> None:
    write(tmp_path, "same.bin", upload.read_bytes())
    write(tmp_path, "other.bin", upload.read_bytes()[::-1])

    async def scene(served: Served) -> None:
        text = await token(served, origins=("https://elsewhere.example",))
        wrong = document(upload, KEY, name="a", mirrors=(f"{served.url}/files/other.bin",))
        status, problem = await post(served, wrong, text)
        assert (status, problem["code"]) == (403, "link_unproven")
        gone = document(upload, KEY, name="a", mirrors=(f"{served.url}/files/none.bin",))
        assert (await post(served, gone, text))[1]["code"] == "link_unproven"
        right = document(upload, KEY, name="a", mirrors=(f"{served.url}/files/same.bin",))
        assert (await post(served, right, text))[0] == 201

    play(tmp_path, scene)


def test_a_link_of_another_file_is_not_taken(tmp_path: Path, upload: Path) -> None:
    second = tmp_path / "second.bin"
    second.write_bytes(b"second")
    link = "https://mirror.example/latest.iso"

    async def scene(served: Served) -> None:
        owner = await token(served, origins=("https://mirror.example",))
        thief = await token(served, origins=("https://thief.example",))
        assert (await post(served, document(upload, KEY, name="a", mirrors=(link,)), owner))[0] == 201
        status, problem = await post(served, document(second, KEY, name="b", mirrors=(link,)), thief)
        assert (status, problem["code"]) == (409, "link_taken")
        # The owner of the origin may move its link to a new file.
        assert (await post(served, document(second, KEY, name="b", mirrors=(link,)), owner))[0] == 201

    play(tmp_path, scene)


def test_mirrors_on_private_addresses_are_refused_unless_the_coordinator_is_there_itself(
    tmp_path: Path, upload: Path
) -> None:
    async def scene(served: Served) -> None:
        text = await token(served)
        for address in ("127.0.0.1", "10.0.0.1", "[::1]", "169.254.1.1", "localhost", "[::ffff:192.168.0.1]"):
            body = document(upload, KEY, name="a", mirrors=(f"http://{address}/a",))
            status, problem = await post(served, body, text)
            assert (status, problem["code"]) == (422, "mirror_private_address"), address

    public = {"public_url": "https://cdn.example.org", "allow_private_mirrors": False}

    async def run() -> None:
        async with coordinator(tmp_path, **public) as served:
            served.url = f"http://{served.started.listening}"
            await scene(served)

    asyncio.run(run())


def test_a_name_belongs_to_its_first_key_and_versions_grow(tmp_path: Path, upload: Path) -> None:
    write(tmp_path, "taken.bin", b"of the folder")

    async def scene(served: Served) -> None:
        text = await token(served)
        status, problem = await post(served, document(upload, KEY, name="taken.bin"), text)
        assert (status, problem["code"]) == (409, "name_taken")

    play(tmp_path, scene)


def test_a_cause_must_exist(tmp_path: Path, upload: Path) -> None:
    async def scene(served: Served) -> None:
        text = await token(served)
        status, problem = await post(served, document(upload, KEY, name="a", cause="nobodys"), text)
        assert (status, problem["code"]) == (404, "unknown_cause")

    play(tmp_path, scene)


def test_a_mirror_can_be_removed(tmp_path: Path, upload: Path) -> None:
    link = "https://mirror.example/a"

    async def scene(served: Served) -> None:
        text = await token(served)
        _status, entry = await post(served, document(upload, KEY, name="a", mirrors=(link,)), text)
        address = f"{served.url}/api/v1/files/{entry['file_id']}/mirrors"
        headers = {"Authorization": f"Bearer {text}"}
        async with served.client.delete(address, params={"url": link}, headers=headers) as response:
            assert response.status == 204
        async with served.client.delete(address, params={"url": link}, headers=headers) as response:
            assert (await response.json(content_type=None))["code"] == "unknown_link"
        assert (await served.json(f"/api/v1/files/{entry['file_id']}"))["mirrors"] == []

    play(tmp_path, scene)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async def scene(served: Served) -> None:
        text = await token(served)
        headers = {"Authorization": f"Bearer {text}", "Content-Length": str(10**9)}
        async with served.client.post(served.url + "/api/v1/files", data=b"{}", headers=headers) as response:
            assert (await response.json(content_type=None))["code"] == "body_too_large"

    play(tmp_path, scene)


def test_pages_of_the_catalogue_and_bad_questions(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path, f"{number}.txt", str(number).encode())

    async def scene(served: Served) -> None:
        seen, query = [], "?limit=2"
        while query:
            page = await served.json(f"/api/v1/files{query}")
            seen += [file["name"] for file in page["files"]]
            query = page["next"]
        assert sorted(seen) == [f"{number}.txt" for number in range(5)]
        for bad in ("?limit=0", "?limit=x", "?limit=1001", "?after=x"):
            assert (await served.json(f"/api/v1/files{bad}"))["code"] == "bad_request", bad
        file_id = await served.file_id("0.txt")
        for path, code in (
            ("/api/v1/resolve", "bad_request"),
            ("/api/v1/resolve?url=x", "bad_request"),
            ("/api/v1/resolve?url=https://unknown.example/", "unknown_link"),
            (f"/api/v1/files/{'0' * 64}", "unknown_file"),
            (f"/api/v1/files/{file_id}?key=ed25519:short", "bad_request"),
            (f"/api/v1/files/{file_id}.segments?sha256={'0' * 64}", "unknown_file"),
            (f"/api/v1/files/{'0' * 64}.meta4", "unknown_file"),
            ("/api/v1/nothing", "unknown_route"),
            ("/nothing", "unknown_route"),
        ):
            assert (await served.json(path))["code"] == code, path
        async with served.client.put(served.url + "/api/v1/files", data=b"") as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD,POST")
        response, body = await served.get(f"/api/v1/files/{file_id}.meta4")
        assert response.content_type == "application/metalink4+xml"
        assert file_id.encode() in body
        assert (await served.json("/healthz"))["status"] == "ok"
        assert (await served.json("/readyz"))["library"]["files_ready"] == 5

    play(tmp_path, scene)


def test_who_asks_too_often_is_told_so(tmp_path: Path) -> None:
    async def scene(served: Served) -> None:
        answers = [(await served.get("/api/v1/files"))[0].status for _ in range(8)]
        assert answers[:5] == [200] * 5
        assert 429 in answers
        assert (await served.get("/healthz"))[0].status == 200

    play(tmp_path, scene, requests_per_address_per_s=1)


def test_what_another_process_changes_is_noticed(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", b"a")

    async def scene(served: Served) -> None:
        file_id = await served.file_id("a.txt")
        beside = open_catalogue(served.config)
        try:
            await beside.put_cause(CauseRecord(cause=CauseId("new"), title="New"), actor="cli", at_s=1)
            await beside.withdraw(FileId(file_id), actor="cli", at_s=1)
        finally:
            await beside.close()

        async def is_gone() -> bool:
            return (await served.get("/files/a.txt"))[0].status == 404

        await served.until(is_gone)
        assert {cause["cause"] for cause in (await served.json("/api/v1/causes"))["causes"]} == {"main", "new"}

    play(tmp_path, scene)


def test_links_of_the_embedded_mirror_resolve_by_every_name_of_ours(tmp_path: Path) -> None:
    write(tmp_path, "a.bin", b"same content")
    write(tmp_path, "sub/b é.bin", b"same content")
    write(tmp_path, "other.bin", b"other content")

    async def scene(served: Served) -> None:
        file_id = await served.file_id("a.bin")
        port = served.url.rsplit(":", 1)[1]
        for link, name in (
            (f"{served.url}/files/a.bin", "a.bin"),
            (f"{served.url}/files/a.bin?id={file_id}#top", "a.bin"),
            (f"{served.url}/files/sub/b%20%C3%A9.bin", "sub/b é.bin"),
            (f"{served.url}/files/sub/b é.bin".replace(" ", "%20"), "sub/b é.bin"),
        ):
            entry = await served.json("/api/v1/resolve", params={"url": link})
            assert (entry["file_id"], entry["name"]) == (file_id, name), link
        spelled = {"url": f"http://localhost:{port}/files/a.bin"}
        host = {"Host": f"localhost:{port}"}
        assert (await served.json("/api/v1/resolve", params=spelled, headers=host))["file_id"] == file_id
        for unknown in ("/files/none.bin", f"/files/other.bin?id={file_id}", "/elsewhere/a.bin"):
            answer = await served.json("/api/v1/resolve", params={"url": served.url + unknown})
            assert answer["code"] == "unknown_link", unknown

    play(tmp_path, scene)


def test_the_pages_are_served_under_a_strict_policy(tmp_path: Path) -> None:
    write(tmp_path, "a.bin", b"content")

    async def scene(served: Served) -> None:
        response, body = await served.get("/")
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert "frame-ancestors 'none'" in policy
        assert b'href="/files/a.bin"' in body
        assert served.started.key.encode() in body
        icon, _body = await served.get("/favicon.ico")
        assert icon.content_type == "image/svg+xml"

    play(tmp_path, scene)


def test_a_token_takes_its_own_causes_files_down_whoever_has_the_same_content(tmp_path: Path, upload: Path) -> None:
    async def scene(served: Served) -> None:
        catalogue = open_catalogue(served.config)
        for cause in ("ours", "theirs"):
            await catalogue.put_cause(CauseRecord(cause=CauseId(cause), title=cause), actor="cli", at_s=1)
        await catalogue.close()
        ours, theirs = await token(served, causes=("ours",)), await token(served, causes=("theirs",))
        await post(served, document(upload, KEY, name="a", cause="ours"), ours)
        status, entry = await post(served, document(upload, KEY, name="a", cause="theirs"), theirs)
        assert status == 201
        address = f"/api/v1/files/{entry['file_id']}"
        stranger = await token(served, causes=("nothing",))

        async def take_down(text: str) -> int:
            headers = {"Authorization": f"Bearer {text}"}
            async with served.client.delete(served.url + address, headers=headers) as response:
                return response.status

        assert await take_down(stranger) == 403
        assert await take_down(ours) == 204
        assert (await served.json(address))["cause"] == "theirs"
        assert await take_down(ours) == 403
        assert await take_down(theirs) == 204
        assert (await served.json(address))["code"] == "taken_down"

    play(tmp_path, scene)


def test_an_announced_release_is_known_at_once_in_the_coordinators_words_and_a_typo_is_refused(
    tmp_path: Path, upload: Path
) -> None:
    release_at_s = int(time.time()) + 3_600

    async def scene(served: Served) -> None:
        text = await token(served)
        typo = document(upload, KEY, name="a.bin", release_at_s=release_at_s, release_regions=["DE", "Germny"])
        status, problem = await post(served, typo, text)
        assert (status, problem["code"]) == (400, "bad_request")
        assert "'Germny'" in problem["detail"]
        assert (await served.json("/api/v1/files"))["files"] == []
        body = document(upload, KEY, name="a.bin", release_at_s=release_at_s, release_regions=["DE", "as"])
        status, entry = await post(served, body, text)
        assert status == 201
        catalogue = open_catalogue(served.config)  # as the next process finds it, if this one is killed now
        try:
            data = await catalogue.note(RELEASES_NOTE)
        finally:
            await catalogue.close()
        assert data is not None
        (release,) = msgspec.msgpack.decode(data, type=list[Announcement])
        assert (release.file_id, release.regions) == (entry["file_id"], ("EU/DE", "AS"))

    play(tmp_path, scene)
