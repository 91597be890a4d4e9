"""What one look at a mirror sees, and what is made of it."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from distribute_io.core.mirror_findings import PAGE_ORIGIN, Expected, Finding, Hop, Observation, judge, outcome
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.mirror_probe import MirrorLook
from tests.harness.raw_server import raw_server, response

CONTENT = bytes(range(256)) * 16
START, END = 1_000, 2_000
NOW_S = 1_800_000_000
POLICY = HttpPolicy(allow_private=True, connect_timeout_s=2.0, idle_timeout_s=0.3)
HEADERS = {"Access_Control_Allow_Origin": "*", "Access_Control_Expose_Headers": "Content-Range, ETag", "ETag": '"1"'}
GOOD = Expected(size_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT[START:END]).hexdigest(), page_scheme="http")


def part(status: str = "206 Partial Content", *, body: bytes = CONTENT[START:END], **changed: str) -> bytes:
    span = {"Content_Range": f"bytes {START}-{END - 1}/{len(CONTENT)}"}
    return response(status, body, **{**HEADERS, **span, **changed})


def look(url: str, *, policy: HttpPolicy = POLICY, deadline_s: float = 5.0) -> Observation:
    return MirrorLook(url, START, END, policy=policy, deadline_s=deadline_s).run()


def code_of(seen: Observation, expected: Expected = GOOD) -> str:
    return outcome(seen, judge(seen, expected, now_s=NOW_S), now_s=NOW_S).code


def test_a_good_mirror_passes_in_all_points() -> None:
    with raw_server(part()) as server:
        seen = look(f"{server.url}/a.bin")
    findings = judge(seen, GOOD, now_s=NOW_S)
    assert {finding.level for finding in findings} == {"ok"}, findings
    assert code_of(seen) == ""
    assert seen.rate_bytes_per_s > 0
    (head,) = server.heads
    assert f"Range: bytes={START}-{END - 1}\r\n" in head + "\r\n"
    assert f"Origin: {PAGE_ORIGIN}" in head


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (part("200 OK", Content_Range=""), "mirror_ignores_range"),
        (part(Content_Range=f"bytes 0-999/{len(CONTENT)}"), "mirror_wrong_range"),
        (part(Content_Range=""), "mirror_wrong_range"),
        (part(Content_Encoding="gzip"), "mirror_wrong_range"),
        (part(Content_Range=f"bytes {START}-{END - 1}/99999"), "mirror_file_changed"),
        (part(body=bytes(END - START)), "segment_mismatch"),
        (part(Content_Length="1000", body=b"short"), "mirror_truncated"),
        (part(Access_Control_Allow_Origin=""), "mirror_no_cors"),
        (part(Access_Control_Allow_Origin="https://other.example"), "mirror_no_cors"),
        (response("404 Not Found"), "mirror_missing"),
        (response("403 Forbidden"), "mirror_forbidden"),
        (response("416 Range Not Satisfiable"), "mirror_file_changed"),
        (response("503 Busy", Retry_After="7"), "mirror_busy"),
        (response("500 Oops"), "mirror_status"),
        (response("302 Found"), "mirror_redirects"),
        (b"no HTTP at all\r\n\r\n", "mirror_unreachable"),
    ],
)
def test_each_fault_has_its_code(answer: bytes, code: str) -> None:
    with raw_server(answer, close_after_answer=True) as server:
        assert code_of(look(f"{server.url}/a.bin")) == code


def test_a_mirrors_own_word_when_to_come_back_is_kept() -> None:
    with raw_server(response("503 Busy", Retry_After="7")) as server:
        seen = look(server.url)
    assert outcome(seen, judge(seen, GOOD, now_s=NOW_S), now_s=NOW_S).retry_after_us == 7_000_000


def test_the_body_of_a_wrong_answer_is_not_read() -> None:
    with raw_server(part("200 OK", body=CONTENT * 1_000, Content_Range="")) as server:
        assert look(server.url).received_bytes == 0


def test_silence_ends_as_stalled_and_dripping_as_too_slow() -> None:
    with raw_server(lambda _head: None) as server:
        assert look(server.url).code == "stalled"
    ticks = iter(range(10_000))
    with raw_server(part()) as server:
        seen = MirrorLook(server.url, START, END, policy=POLICY, deadline_s=2.5, clock=lambda: float(next(ticks))).run()
    assert seen.code == "mirror_too_slow"


def dripping(start: bytes, drop: bytes) -> Iterator[bytes]:
    yield start
    for _ in range(500):
        time.sleep(0.02)
        yield drop


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"HTTP/1.1 206 Partial Content\r\nServer: s", b"s"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"H"),
    ],
)
def test_a_head_that_never_ends_is_over_with_the_deadline(start: bytes, drop: bytes) -> None:
    with raw_server(lambda _head: dripping(start, drop)) as server:
        began = time.monotonic()
        seen = look(server.url, deadline_s=0.5)
    assert time.monotonic() - began < 2.5
    # Nothing is made of the half of a head: without its Content-Range it would be proof against the mirror.
    assert (seen.code, seen.hops, code_of(seen)) == ("mirror_too_slow", (), "mirror_too_slow")


def test_after_a_redirect_to_another_origin_pages_have_none() -> None:
    with raw_server(part()) as there:
        moved = response("302 Found", Location=f"{there.url}/b", Access_Control_Allow_Origin="*")
        with raw_server(moved) as here:
            seen = look(f"{here.url}/a")
    assert [hop.status for hop in seen.hops] == [302, 206]
    assert "Origin: null" in there.heads[0]
    assert code_of(seen) == ""


def test_a_circle_of_redirects_ends() -> None:
    with raw_server(lambda head: response("302 Found", Location="/again")) as server:
        seen = look(server.url)
    assert (seen.code, len(seen.hops)) == ("mirror_redirects", POLICY.redirects_max + 1)


def test_private_addresses_are_not_asked_also_after_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(part()) as inside:
        assert code_of(look(inside.url, policy=HttpPolicy())) == "mirror_private_address"
        # A public name that leads to a private address in the moment of connecting (DNS rebinding): what is judged is
        # what is connected to.
        monkeypatch.setattr(socket, "getaddrinfo", _leading_to("127.0.0.1"))
        assert code_of(look("http://mirror.example/a", policy=HttpPolicy())) == "mirror_private_address"
    assert inside.heads == []


def test_an_aborted_look_ends_at_once() -> None:
    with raw_server(lambda _head: None) as server:
        looking = MirrorLook(server.url, START, END, policy=HttpPolicy(allow_private=True), deadline_s=60.0)
        threading.Timer(0.2, looking.abort).start()
        began = time.monotonic()
        assert looking.run().code
        assert time.monotonic() - began < 5.0


def seen_with(*hops: Hop, **fields: Any) -> Observation:
    return Observation(url=hops[0].url, start=START, end=END, hops=hops, **fields)


def finding(findings: tuple[Finding, ...], topic: str) -> Finding:
    return next(each for each in findings if each.topic == topic)


def fine(url: str, **headers: str) -> Hop:
    told = {"content-range": f"bytes {START}-{END - 1}/{len(CONTENT)}", "access-control-allow-origin": "*"}
    return Hop(url, 206, {**told, "etag": '"1"', "access-control-expose-headers": "*", **headers})


def test_http_is_closed_to_https_pages_but_for_the_own_machine() -> None:
    https = Expected(size_bytes=len(CONTENT))
    assert code_of(seen_with(fine("http://m.example/a")), https) == "mirror_insecure"
    assert code_of(seen_with(fine("http://m.example/a")), Expected(page_scheme="http")) == ""
    assert code_of(seen_with(fine("http://localhost:8080/a")), https) == ""
    assert code_of(seen_with(fine("https://m.example/a")), https) == ""


@pytest.mark.parametrize(
    ("headers", "topic", "word"),
    [
        ({"access-control-allow-origin": PAGE_ORIGIN}, "CORS", "Vary"),
        ({"access-control-expose-headers": "ETag"}, "headers", "Content-Range"),
        ({"etag": ""}, "headers", "resume"),
        ({"content-type": "text/html"}, "type", "page about it"),
        ({"content-range": f"bytes {START}-{END - 1}/*"}, "size", "not told"),
    ],
)
def test_what_works_and_could_be_better_is_a_note(headers: dict[str, str], topic: str, word: str) -> None:
    findings = judge(seen_with(fine("https://m.example/a.iso", **headers)), Expected(), now_s=NOW_S)
    found = finding(findings, topic)
    assert found.level == "note"
    assert word in found.text


def test_a_certificate_that_ends_soon_is_a_note() -> None:
    def level(days: int) -> str:
        seen = seen_with(fine("https://m.example/a"), certificate_until_s=NOW_S + days * 86_400)
        return finding(judge(seen, Expected(), now_s=NOW_S), "certificate").level

    assert (level(13), level(14)) == ("note", "ok")


def _leading_to(address: str) -> Callable[..., list[tuple[Any, ...]]]:
    def getaddrinfo(_host: str, port: int, **_options: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return getaddrinfo
