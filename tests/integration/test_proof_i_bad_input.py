"""Proof i: whatever a stranger sends, a real coordinator answers with the named error, stays up, and loses nothing.

The tables of each parser are with its unit tests; here each kind of bad input goes over a socket to one server, which
has to work for its next caller as if nothing had been.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from distribute_io.manifest.dsse import sign_payload
from distribute_io.manifest.keys import SigningKey
from distribute_io.wire import limits
from tests.harness.coordinator import CAUSE, Coordinator, make_release, start_coordinator
from tests.harness.processes import Stage

MIB = 1024 * 1024
Json = dict[str, Any]  # Any: JSON of any shape


@dataclass(frozen=True)
class Bench:
    """The one server of this file, a token, and a file that was published before anything bad was sent."""

    coordinator: Coordinator
    token: str
    narrow_token: str
    key: SigningKey
    file_id: str


@pytest.fixture(scope="module")
def bench(module_stage: Stage) -> Iterator[Bench]:
    coordinator = start_coordinator(module_stage)
    token = coordinator.create_token(origins=["https://mirror.example"])
    narrow_token = coordinator.create_token(cause="another", origins=["https://another.example"])
    bench = Bench(coordinator, token, narrow_token, SigningKey.generate(), "")
    status, entry = post_document(bench, good_document(bench.key, name="there-before.bin", version=7), token)
    assert status == 201, entry
    yield Bench(coordinator, token, narrow_token, bench.key, entry["file_id"])
    assert coordinator.process.exit_code is None, coordinator.process.output()


@pytest.fixture(autouse=True)
def still_works(bench: Bench) -> Iterator[None]:
    """After each case: the server answers, and what was there is there."""
    yield
    assert bench.coordinator.get("/healthz") is not None
    assert bench.coordinator.get(f"/api/v1/files/{bench.file_id}")["name"] == "there-before.bin"


# --- manifests ---


def content_of(name: str) -> tuple[str, bytes]:
    """SHA-256 and segment list of a made-up file of five whole segments: the server never sees its bytes."""
    segments = b"".join(hashlib.sha256(f"{name} {index}".encode()).digest() for index in range(5))
    return hashlib.sha256(name.encode()).hexdigest(), segments


def payload_of(name: str, version: int) -> Json:
    sha256, segments = content_of(name)
    return {
        "format": 1,
        "type": "file",
        "name": name,
        "size_bytes": 5 * MIB,
        "media_type": "application/octet-stream",
        "sha256": sha256,
        "segment_size_bytes": MIB,
        "segments_sha256": hashlib.sha256(segments).hexdigest(),
        "cause": CAUSE,
        "version": version,
        "published_at": "2026-01-02T03:04:05Z",
    }


def signed(key: SigningKey, payload: bytes, segments: bytes, mirrors: list[Json]) -> Json:
    envelope = sign_payload(payload, [key])
    return {
        "envelope": {
            "payloadType": envelope.payload_type,
            "payload": envelope.payload,
            "signatures": [{"sig": each.sig, "keyid": each.keyid} for each in envelope.signatures],
        },
        "mirrors": mirrors,
        "segments": base64.b64encode(segments).decode(),
    }


def good_document(
    key: SigningKey, *, name: str = "new.bin", version: int = 1, mirror: str = "https://mirror.example/new.bin"
) -> bytes:
    payload = json.dumps(payload_of(name, version)).encode()
    return json.dumps(signed(key, payload, content_of(name)[1], [{"url": mirror}])).encode()


def with_payload(**changes: object) -> Callable[[SigningKey], bytes]:
    """A well-signed document whose publisher wrote something wrong."""

    def make(key: SigningKey) -> bytes:
        payload = json.dumps({**payload_of("new.bin", 1), **changes}).encode()
        return json.dumps(signed(key, payload, content_of("new.bin")[1], [])).encode()

    return make


def with_segments(change: Callable[[bytes], bytes], *, named: bool) -> Callable[[SigningKey], bytes]:
    """A document with another segment list; `named`: the payload names that list."""

    def make(key: SigningKey) -> bytes:
        segments = change(content_of("new.bin")[1])
        payload = payload_of("new.bin", 1)
        if named:
            payload["segments_sha256"] = hashlib.sha256(segments).hexdigest()
        return json.dumps(signed(key, json.dumps(payload).encode(), segments, [])).encode()

    return make


def raw_payload(change: Callable[[bytes], bytes]) -> Callable[[SigningKey], bytes]:
    """A well-signed document whose payload's bytes are not what strict JSON allows."""

    def make(key: SigningKey) -> bytes:
        payload = change(json.dumps(payload_of("new.bin", 1)).encode())
        return json.dumps(signed(key, payload, content_of("new.bin")[1], [])).encode()

    return make


def broken_signature(key: SigningKey) -> bytes:
    document = json.loads(good_document(key))
    signature = bytearray(base64.b64decode(document["envelope"]["signatures"][0]["sig"]))
    signature[0] ^= 1
    document["envelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    return json.dumps(document).encode()


def nine_signatures(key: SigningKey) -> bytes:
    document = json.loads(good_document(key))
    document["envelope"]["signatures"] *= 9
    return json.dumps(document).encode()


BAD_MANIFESTS: list[tuple[str, Callable[[SigningKey], bytes], str]] = [
    ("truncated", lambda key: good_document(key)[:-40], "manifest_malformed"),
    ("empty", lambda _key: b"", "manifest_malformed"),
    ("no object", lambda _key: b"[]", "manifest_malformed"),
    ("deeply nested", lambda _key: b"[" * 100_000 + b"]" * 100_000, "manifest_malformed"),
    ("enormous", lambda _key: b" " * 80 * MIB, "body_too_large"),
    ("wrong signature", broken_signature, "bad_signature"),
    ("nine signatures", nine_signatures, "manifest_too_large"),
    ("list too short", with_segments(lambda list_: list_[:-32], named=True), "manifest_bad_size"),
    ("list not of whole digests", with_segments(lambda list_: list_[:-1], named=True), "manifest_bad_size"),
    ("list of another digest", with_segments(lambda list_: list_[::-1], named=False), "segment_list_mismatch"),
    ("no list", with_segments(lambda _list: b"", named=False), "segment_list_mismatch"),
    ("negative size", with_payload(size_bytes=-1), "manifest_bad_size"),
    ("enormous size", with_payload(size_bytes=2**53 - 1), "manifest_bad_size"),
    ("size beyond 2^53", with_payload(size_bytes=2**60), "manifest_malformed"),
    ("size of another file", with_payload(size_bytes=6 * MIB), "manifest_bad_size"),
    ("size in floating point", with_payload(size_bytes=5.0 * MIB), "manifest_malformed"),
    ("name that leaves the folder", with_payload(name="../x"), "manifest_bad_name"),
    ("name from the root", with_payload(name="/etc/passwd"), "manifest_bad_name"),
    ("name with a control character", with_payload(name="a\nb"), "manifest_bad_name"),
    ("empty name", with_payload(name=""), "manifest_bad_name"),
    ("name that is not UTF-8", raw_payload(lambda p: p.replace(b"new.bin", b"n\xff.bin")), "manifest_malformed"),
    ("name with a lone surrogate", raw_payload(lambda p: p.replace(b"new.bin", b"\\ud800")), "manifest_malformed"),
    ("key twice", raw_payload(lambda p: p[:-1] + b', "version": 2}'), "manifest_malformed"),
    ("expired", with_payload(expires_at="2026-01-03T00:00:00Z"), "manifest_expired"),
    ("of the future", with_payload(published_at="2099-01-01T00:00:00Z"), "manifest_not_yet_valid"),
    ("another segment size", with_payload(segment_size_bytes=256 * 1024), "manifest_bad_segment_size"),
    ("unknown format", with_payload(format=2), "manifest_unknown_format"),
    ("unknown type", with_payload(type="delegation"), "manifest_unknown_format"),
    ("no digest", with_payload(sha256="0" * 63), "manifest_bad_digest"),
    ("bad cause", with_payload(cause="No Cause"), "manifest_bad_cause"),
    ("older version", lambda key: good_document(key, name="there-before.bin", version=6), "version_not_newer"),
    ("private mirror", lambda key: good_document(key, mirror="ftp://mirror.example/x"), "manifest_bad_mirror"),
]


@pytest.mark.parametrize(("make", "code"), [row[1:] for row in BAD_MANIFESTS], ids=[row[0] for row in BAD_MANIFESTS])
def test_a_bad_manifest_gets_its_named_error(bench: Bench, make: Callable[[SigningKey], bytes], code: str) -> None:
    status, problem = post_document(bench, make(bench.key), bench.token)
    assert problem.get("code") == code, problem
    assert 400 <= status < 500
    assert problem["status"] == status
    assert problem["detail"]


# --- HTTP ---


def post_document(bench: Bench, document: bytes, token: str | None) -> tuple[int, Json]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    return ask(bench, "POST", "/api/v1/files", headers=headers, body=document)


def ask(
    bench: Bench, method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[int, Json]:
    request = urllib.request.Request(bench.coordinator.url + path, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


UNKNOWN = "0" * 64

BAD_REQUESTS: list[tuple[str, str, str, dict[str, str], int, str]] = [
    ("unknown file", "GET", f"/api/v1/files/{UNKNOWN}", {}, 404, "unknown_file"),
    ("unknown segment list", "GET", f"/api/v1/files/{UNKNOWN}.segments", {}, 404, "unknown_file"),
    ("unknown link", "GET", "/api/v1/resolve?url=https://nowhere.example/x", {}, 404, "unknown_link"),
    ("link that is none", "GET", "/api/v1/resolve?url=javascript:alert(1)", {}, 400, "bad_request"),
    ("unknown address", "GET", "/api/v1/nothing", {}, 404, "unknown_route"),
    ("unknown file of the mirror", "GET", "/files/nothing.bin", {}, 404, "unknown_file"),
    ("name that leaves the folder", "GET", "/files/..%2f..%2fetc%2fpasswd", {}, 404, "unknown_file"),
    ("wrong method", "PUT", "/api/v1/files", {}, 405, "method_not_allowed"),
    ("no token", "DELETE", "/api/v1/files/{known}", {}, 401, "token_missing"),
    ("wrong token", "DELETE", "/api/v1/files/{known}", {"Authorization": "Bearer no"}, 401, "token_invalid"),
    ("token of another cause", "DELETE", "/api/v1/files/{known}", {"Authorization": "{narrow}"}, 403, "token_scope"),
]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [row[1:] for row in BAD_REQUESTS],
    ids=[row[0] for row in BAD_REQUESTS],
)
def test_a_bad_request_gets_its_named_error(
    bench: Bench, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    told = {name: value.replace("{narrow}", f"Bearer {bench.narrow_token}") for name, value in headers.items()}
    got, problem = ask(bench, method, path.replace("{known}", bench.file_id), headers=told)
    assert (got, problem.get("code")) == (status, code), problem


@pytest.mark.parametrize("byte_range", ["bytes=5000-", "bytes=9-5"])
def test_a_range_outside_of_the_file_is_refused(tmp_path: Path, stage: Stage, byte_range: str) -> None:
    make_release(tmp_path / "files", "small.bin", 1000)
    coordinator = start_coordinator(stage, folder=tmp_path / "files")
    own = Bench(coordinator, "", "", SigningKey.generate(), "")
    coordinator.process.wait_until(lambda: ask(own, "HEAD", "/files/small.bin")[0] == 200, "the file", timeout_s=20)
    status, problem = ask(own, "GET", "/files/small.bin", headers={"Range": byte_range})
    assert (status, problem["code"]) == (416, "bad_range")


def test_nobody_publishes_without_the_right_token(bench: Bench) -> None:
    document = good_document(bench.key)
    assert post_document(bench, document, None)[1]["code"] == "token_missing"
    assert post_document(bench, document, "guessed")[1]["code"] == "token_invalid"
    assert post_document(bench, document, bench.narrow_token)[1]["code"] == "token_scope"


def test_a_claim_on_somebody_elses_link_is_refused(bench: Bench) -> None:
    another = SigningKey.generate()
    taken = good_document(another, name="thief.bin", mirror="https://mirror.example/new.bin")
    token = bench.coordinator.create_token(origins=["https://thief.example"])
    assert post_document(bench, taken, token)[1]["code"] in ("link_taken", "link_unproven")
    unproven = good_document(another, name="thief.bin", mirror=f"{bench.coordinator.url}/healthz")
    assert post_document(bench, unproven, token)[1]["code"] == "link_unproven"


def test_a_name_belongs_to_its_first_key(bench: Bench) -> None:
    stolen = good_document(SigningKey.generate(), name="there-before.bin", version=8)
    assert post_document(bench, stolen, bench.token)[1]["code"] == "name_taken"


# --- session ---

HELLO = {"type": "hello", "protocol": limits.PROTOCOL_VERSION, "agent": "proof"}
UNKNOWN_MATCH = "0" * 32

BAD_SESSIONS: list[tuple[str, list[str | bytes], str, int | None]] = [
    ("no JSON", ["{"], "message_malformed", 4400),
    ("no object", ["[]"], "message_malformed", 4400),
    ("binary", [b"\x00\x01"], "message_malformed", 4400),
    ("unknown type", [json.dumps(HELLO), '{"type":"gossip"}'], "message_unknown", 4400),
    ("out of state", ['{"type":"ping"}'], "message_unexpected", 4400),
    ("hello twice", [json.dumps(HELLO), json.dumps(HELLO)], "message_unexpected", 4400),
    ("field out of range", [json.dumps({**HELLO, "protocol": -1})], "message_malformed", 4400),
    ("unknown protocol", [json.dumps({**HELLO, "protocol": 60_000})], "protocol_version", 4400),
    ("oversize", [json.dumps(HELLO), json.dumps({"type": "ping", "x": "y" * 200_000})], "message_too_large", 4400),
    ("flood", [json.dumps(HELLO), *['{"type":"ping"}'] * 1000], "flood", 4429),
    (
        "somebody else's match",
        [
            json.dumps(HELLO),
            json.dumps({"type": "signal", "match_id": UNKNOWN_MATCH, "payload": {"kind": "answer", "sdp": "v=0"}}),
        ],
        "match_unknown",
        None,
    ),
    (
        "receipt of an unknown match",
        [
            json.dumps(HELLO),
            json.dumps({"type": "donate", "causes": [], "storage_bytes": 1, "up_bytes_per_s": 1}),
            json.dumps(
                {
                    "type": "receipt",
                    "match_id": UNKNOWN_MATCH,
                    "bytes_total": 1,
                    "mac": base64.b64encode(bytes(32)).decode(),
                }
            ),
        ],
        "match_unknown",
        None,
    ),
]


@pytest.mark.parametrize(
    ("messages", "code", "close_code"), [row[1:] for row in BAD_SESSIONS], ids=[row[0] for row in BAD_SESSIONS]
)
def test_a_bad_session_gets_its_named_error(
    bench: Bench, messages: list[str | bytes], code: str, close_code: int | None
) -> None:
    error, closed = asyncio.run(hold_session(bench.coordinator.url, messages))
    assert error["code"] == code, error
    assert error["fatal"] is (close_code is not None)
    assert closed == close_code
    # The next one is served as if nothing had been.
    assert asyncio.run(greet(bench.coordinator.url))["type"] == "welcome"


async def hold_session(url: str, messages: list[str | bytes]) -> tuple[Json, int | None]:
    """Send all messages and return the first error, and the close code when the server closed."""
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{url}/api/v1/ws") as socket:
        for message in messages:
            try:
                await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))
            except ConnectionError:
                break  # a flood is cut off in the middle
        async with asyncio.timeout(10):
            error: Json | None = None
            while error is None:
                received = await socket.receive()
                assert received.type is aiohttp.WSMsgType.TEXT, received
                told = json.loads(received.data)
                error = told if told["type"] == "error" else None
            if not error["fatal"]:
                return error, None
            closing = await socket.receive()
            assert closing.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED), closing
            return error, socket.close_code


async def greet(url: str) -> Json:
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{url}/api/v1/ws") as socket:
        await socket.send_json(HELLO)
        welcome: Json = await socket.receive_json(timeout=10)
        return welcome
