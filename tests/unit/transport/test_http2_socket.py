"""transport/http2_socket.py: http.client over HTTP/2, against h2's own server side."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from distribute_io.transport.http2_socket import Http2Socket

Answer = Callable[[H2Connection, int, dict[str, str]], None]
BODY = bytes(range(256)) * 4000  # beyond the protocol's first window of 64 KiB


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], http.client.HTTPConnection]]:
    """Starts a server that answers each request by the given function; returns a connection to it."""
    ends: list[socket.socket] = []

    def start(answer: Answer) -> http.client.HTTPConnection:
        ours, theirs = socket.socketpair()
        ends.extend([ours, theirs])
        threading.Thread(target=_serve, args=(theirs, answer), daemon=True).start()
        ours.settimeout(5)
        connection = http.client.HTTPConnection("origin.example")
        connection.auto_open = 0
        connection.sock = Http2Socket(ours)
        return connection

    yield start
    for end in ends:
        end.close()


def _serve(sock: socket.socket, answer: Answer) -> None:
    server = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    server.initiate_connection()
    try:
        while data := sock.recv(65_536):
            for event in server.receive_data(data):
                if isinstance(event, RequestReceived):
                    fields = {str(name): str(value) for name, value in event.headers or ()}
                    answer(server, event.stream_id or 0, fields)
            sock.sendall(server.data_to_send())
    except OSError:
        return


def test_requests_and_answers_over_one_connection(serve: Callable[[Answer], http.client.HTTPConnection]) -> None:
    seen: list[dict[str, str]] = []

    def answer(server: H2Connection, stream_id: int, fields: dict[str, str]) -> None:
        seen.append(fields)
        server.send_headers(stream_id, [(":status", "206"), ("content-length", "20000"), ("etag", '"a"')])
        for at in range(0, 20_000, 10_000):
            server.send_data(stream_id, BODY[at : at + 10_000], end_stream=at == 10_000)

    connection = serve(answer)
    for _ in range(2):
        connection.request("GET", "/file?x=1", headers={"Range": "bytes=0-19999", "Connection": "keep-alive"})
        response = connection.getresponse()
        assert (response.status, response.headers["ETag"]) == (206, '"a"')
        assert response.read() == BODY[:20_000]
    assert seen[1][":authority"] == "origin.example"
    assert seen[1][":path"] == "/file?x=1"
    assert seen[1]["range"] == "bytes=0-19999"
    assert "connection" not in seen[1]


def test_answer_without_a_length_ends_with_its_stream(serve: Callable[[Answer], http.client.HTTPConnection]) -> None:
    def answer(server: H2Connection, stream_id: int, _fields: dict[str, str]) -> None:
        server.send_headers(stream_id, [(":status", "200")])
        server.send_data(stream_id, b"all of it", end_stream=True)

    connection = serve(answer)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"all of it"


def test_answer_that_is_given_up_is_an_error(serve: Callable[[Answer], http.client.HTTPConnection]) -> None:
    def answer(server: H2Connection, stream_id: int, _fields: dict[str, str]) -> None:
        server.send_headers(stream_id, [(":status", "200"), ("content-length", "100")])
        server.send_data(stream_id, b"some")
        server.reset_stream(stream_id)

    connection = serve(answer)
    connection.request("GET", "/")
    with pytest.raises(ConnectionResetError):
        connection.getresponse().read()


def test_server_that_says_goodbye_is_an_error(serve: Callable[[Answer], http.client.HTTPConnection]) -> None:
    connection = serve(lambda server, _stream_id, _fields: server.close_connection())
    connection.request("GET", "/")
    with pytest.raises(ConnectionResetError):
        connection.getresponse()


def test_what_is_no_http_2_is_an_error() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        connection = http.client.HTTPConnection("origin.example")
        connection.auto_open = 0
        connection.sock = Http2Socket(ours)
        connection.request("GET", "/")
        theirs.sendall(bytes.fromhex("000001 00 00 00000000 78"))  # data of the stream 0, which has none
        with pytest.raises(http.client.HTTPException):
            connection.getresponse()
