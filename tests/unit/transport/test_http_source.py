"""transport/http_source.py: every answer of a mirror is the range that was asked, or has its own name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from distribute_io.errors import SourceError
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.http_source import HttpSource, RangeBody
from tests.harness.raw_server import raw_server, response

SIZE = 1000
FILE = bytes(range(250)) * 4
NewSource = Callable[..., HttpSource]
POLICY = HttpPolicy(allow_private=True, idle_timeout_s=2.0, connect_timeout_s=2.0)


@pytest.fixture
def mirror() -> Iterator[NewSource]:
    """Makes sources whose connections are closed after the test."""
    made: list[HttpSource] = []

    def new(url: str, *, size_bytes: int = SIZE, policy: HttpPolicy = POLICY) -> HttpSource:
        made.append(HttpSource(url, size_bytes=size_bytes, policy=policy))
        return made[-1]

    yield new
    for source in made:
        source.drop()


def part(start: int, end: int, **headers: str) -> bytes:
    content_range = {"Content_Range": f"bytes {start}-{end - 1}/{SIZE}"} | headers
    return response("206 Partial Content", FILE[start:end], **content_range)


def drain(body: RangeBody) -> bytes:
    got = bytearray(body.remaining)
    at = 0
    while body.remaining:
        at += body.readinto(memoryview(got)[at:])
    return bytes(got)


def read(source: HttpSource, start: int, end: int) -> bytes:
    return drain(source.open_range(start, end))


def test_ranges_over_one_connection(mirror: NewSource) -> None:
    answers = iter([part(0, 10), part(500, 1000)])
    with raw_server(lambda _head: next(answers)) as server:
        source = mirror(f"{server.url}/file")
        assert read(source, 0, 10) == FILE[:10]
        assert read(source, 500, 1000) == FILE[500:]
        source.drop()
        assert server.connections == 1
        assert "Range: bytes=500-999" in server.heads[1]
        assert "Accept-Encoding: identity" in server.heads[1]


def test_whole_file_may_come_as_200(mirror: NewSource) -> None:
    with raw_server(response("200 OK", FILE)) as server:
        assert read(mirror(server.url), 0, SIZE) == FILE


def test_chunked_answer_is_read_to_its_end_and_the_connection_kept(mirror: NewSource) -> None:
    body = b"a\r\n" + FILE[:10] + b"\r\n0\r\n\r\n"
    chunked = response("206 Partial Content", body, Transfer_Encoding="chunked", Content_Range=f"bytes 0-9/{SIZE}")
    with raw_server(chunked) as server:
        source = mirror(server.url)
        assert read(source, 0, 10) == FILE[:10]
        assert read(source, 0, 10) == FILE[:10]
        assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (response("200 OK", FILE), "mirror_ignores_range"),
        (response("200 OK", FILE[:-1]), "mirror_file_changed"),
        (part(10, 20), "mirror_wrong_range"),
        (response("206 Partial Content", FILE[:10]), "mirror_wrong_range"),
        (part(0, 10, Content_Length="11"), "mirror_wrong_range"),
        (part(0, 10, Content_Encoding="gzip"), "mirror_wrong_range"),
        (part(0, 10, Content_Range="bytes 0-9/999"), "mirror_file_changed"),
        (response("416 Range Not Satisfiable"), "mirror_file_changed"),
        (response("404 Not Found"), "mirror_missing"),
        (response("403 Forbidden"), "mirror_forbidden"),
        (response("500 Internal Server Error"), "mirror_status"),
        (response("429 Too Many Requests"), "mirror_busy"),
        (response("503 Service Unavailable"), "mirror_busy"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "mirror_unreachable"),
        (b"", "mirror_unreachable"),
    ],
)
def test_wrong_answer_has_its_own_code(mirror: NewSource, answer: bytes, code: str) -> None:
    with raw_server(answer, close_after_answer=True) as server, pytest.raises(SourceError) as caught:
        mirror(server.url).open_range(0, 10)
    assert caught.value.code == code
    assert "127.0.0.1" in caught.value.message or code == "mirror_status"


@pytest.mark.parametrize(("text", "retry_after_us"), [("7", 7_000_000), ("rubbish", None), ("9" * 30, 86_400_000_000)])
def test_retry_after_is_the_servers_word_but_no_more_than_a_day(
    mirror: NewSource, text: str, retry_after_us: int | None
) -> None:
    with raw_server(response("503 Busy", Retry_After=text)) as server, pytest.raises(SourceError) as caught:
        mirror(server.url).open_range(0, 10)
    assert caught.value.retry_after_us == retry_after_us


def test_retry_after_as_a_date_in_the_past_means_now(mirror: NewSource) -> None:
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    with raw_server(response("503 Busy", Retry_After=past)) as server, pytest.raises(SourceError) as caught:
        mirror(server.url).open_range(0, 10)
    assert caught.value.retry_after_us == 0


@pytest.mark.parametrize("chunk", [10, 100_000])
def test_truncated_answer_is_named_in_mid_body(mirror: NewSource, chunk: int) -> None:
    size = 200_000
    answer = response(
        "206 Partial Content", bytes(chunk // 2), Content_Range=f"bytes 0-{chunk - 1}/{size}", Content_Length=str(chunk)
    )
    with raw_server(answer, close_after_answer=True) as server:
        body = mirror(server.url, size_bytes=size).open_range(0, chunk)
        with pytest.raises(SourceError) as caught:
            drain(body)
    assert caught.value.code == "mirror_truncated"


def test_silence_in_mid_body_is_a_stall(mirror: NewSource) -> None:
    answer = response("206 Partial Content", FILE[:5], Content_Range=f"bytes 0-9/{SIZE}", Content_Length="10")
    policy = HttpPolicy(allow_private=True, idle_timeout_s=0.2)
    with raw_server(answer) as server:
        body = mirror(server.url, policy=policy).open_range(0, 10)
        with pytest.raises(SourceError) as caught:
            drain(body)
    assert caught.value.code == "stalled"


def test_abort_from_another_thread_ends_a_blocked_read(mirror: NewSource) -> None:
    answer = response("206 Partial Content", FILE[:5], Content_Range=f"bytes 0-9/{SIZE}", Content_Length="10")
    with raw_server(answer) as server:
        source = mirror(server.url, policy=HttpPolicy(allow_private=True, idle_timeout_s=20))
        body = source.open_range(0, 10)
        threading.Timer(0.1, source.abort).start()
        with pytest.raises(SourceError):
            drain(body)
        with pytest.raises(SourceError):
            source.open_range(0, 10)


def test_connection_that_the_server_closed_meanwhile_is_replaced_silently(mirror: NewSource) -> None:
    with raw_server(part(0, 10), close_after_answer=True) as server:
        source = mirror(server.url)
        assert read(source, 0, 10) == read(source, 0, 10) == FILE[:10]
        assert server.connections == 2


def test_redirect_is_followed_and_remembered(mirror: NewSource) -> None:
    aim: list[str] = []
    with raw_server(part(0, 10)) as target, raw_server(lambda _: response("302 Found", Location=aim[0])) as first:
        aim.append(f"{target.url}/there")
        source = mirror(f"{first.url}/here")
        assert read(source, 0, 10) == read(source, 0, 10) == FILE[:10]
        assert len(first.heads) == 1
        assert len(target.heads) == 2
        assert target.heads[0].startswith("GET /there ")


@pytest.mark.parametrize("location", ["", "/loop"])
def test_redirect_without_end_or_aim_is_refused(mirror: NewSource, location: str) -> None:
    headers = {"Location": location} if location else {}
    with raw_server(response("301 Moved", b"", **headers)) as server, pytest.raises(SourceError) as caught:
        mirror(server.url).open_range(0, 10)
    assert caught.value.code == "mirror_redirects"


def test_private_address_is_refused_before_anything_is_sent(mirror: NewSource) -> None:
    with raw_server(part(0, 10)) as server, pytest.raises(SourceError) as caught:
        mirror(server.url, policy=HttpPolicy()).open_range(0, 10)
    assert caught.value.code == "mirror_private_address"
    assert "--allow-private" in caught.value.message
    assert server.heads == []


def test_server_that_closes_after_each_answer_is_dialled_again(mirror: NewSource) -> None:
    closing = part(0, 10, Connection="close")
    with raw_server(closing, close_after_answer=True) as server:
        source = mirror(server.url)
        assert [read(source, 0, 10), read(source, 0, 10)] == [FILE[:10], FILE[:10]]
        assert server.connections == 2


def test_long_view_is_filled_whole_however_the_bytes_come(mirror: NewSource) -> None:
    size = 3_000_000
    content = bytes(range(250)) * (size // 250)
    answer = response("206 Partial Content", content, Content_Range=f"bytes 0-{size - 1}/{size}")
    with raw_server(answer) as server:
        body = mirror(server.url, size_bytes=size).open_range(0, size)
        got = bytearray(size)
        assert body.readinto(memoryview(got)[:2_000_000]) == 2_000_000
        assert body.readinto(memoryview(got)[2_000_000:]) == 1_000_000
        assert got == content
        assert body.remaining == 0
