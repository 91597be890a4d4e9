"""One HTTP/2 connection that looks like an HTTP/1.1 socket, for servers that speak nothing older.

`http.client` writes a request and reads an answer; this translates both, one stream at a time, so that redirects,
ranges, errors and limits are the same code for both versions. `h2` (sans-I/O) does the protocol; the socket, with its
address policy, proxy and TLS, is ours. HTTP/1.1 is tried first: it costs a quarter of the processor time for each byte.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error
from h2.settings import SettingCodes

_WINDOW_BYTES: Final = 4 * 2**20
"""What may be on the way: 40 MB/s at 100 ms. The protocol's default of 64 KiB would be 640 kB/s."""

_READ_BYTES: Final = 65_536
_HOP_BY_HOP: Final = frozenset({"connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})


class Http2Socket:
    """What `http.client` needs of a socket. For one thread, except `shutdown`; closing it closes `sock`.

    Args:
        sock: a TLS connection on which ALPN chose `h2`. It is kept.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock: Final = sock
        self._request = b""
        self._stream_id = 0
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW_BYTES, SettingCodes.ENABLE_PUSH: 0})
        self._h2.increment_flow_control_window(_WINDOW_BYTES - 65_535)
        self._flush()

    def sendall(self, data: bytes) -> None:
        """Take a piece of a request without a body; it goes out as a stream when its head is whole."""
        self._request += data
        if b"\r\n\r\n" not in self._request:
            return
        first, *lines = self._request.decode("latin-1").split("\r\n")
        self._request = b""
        method, target, _ = first.split(" ")
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines if line)]
        head = [(":method", method), (":scheme", "https"), (":authority", dict(fields)["host"]), (":path", target)]
        with _as_http_errors():
            stream_id = self._h2.get_next_available_stream_id()
            kept = [field for field in fields if field[0] not in _HOP_BY_HOP]
            self._h2.send_headers(stream_id, [*head, *kept], end_stream=True)
        self._stream_id = stream_id
        self._flush()

    def makefile(self, mode: str) -> io.BufferedReader:
        """The answer to the last request, as HTTP/1.1 bytes."""
        return io.BufferedReader(_Answer(self, self._stream_id), _READ_BYTES)

    def receive(self) -> list[Event]:
        """Wait for something from the server. Raises `OSError`, `http.client.HTTPException`."""
        data = self._sock.recv(_READ_BYTES)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        with _as_http_errors():
            events = self._h2.receive_data(data)
        self._flush()
        return events

    def consumed(self, size_bytes: int, stream_id: int) -> None:
        """So many bytes of a stream (padding included) were taken: the server may send as many more."""
        with _as_http_errors():
            self._h2.acknowledge_received_data(size_bytes, stream_id)
        self._flush()

    def settimeout(self, timeout_s: float | None) -> None:
        """As of a socket."""
        self._sock.settimeout(timeout_s)

    def shutdown(self, how: int) -> None:
        """As of a socket; from any thread."""
        self._sock.shutdown(how)

    def close(self) -> None:
        """End the connection."""
        self._sock.close()

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._sock.sendall(data)


class _Answer(io.RawIOBase):
    """One stream's answer: a head in HTTP/1.1's words, then the body, then the end."""

    def __init__(self, connection: Http2Socket, stream_id: int) -> None:
        self._connection = connection
        self._stream_id = stream_id
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # what BufferedReader passes
        while not self._ready and not self._ended:
            for event in self._connection.receive():
                self._take(event)
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _take(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            raise ConnectionResetError("the server ended the connection")
        if getattr(event, "stream_id", None) != self._stream_id:
            return
        match event:
            case ResponseReceived(headers=headers):
                self._ready += _http1_head([(str(name), str(value)) for name, value in headers or ()])
            case DataReceived(data=data, flow_controlled_length=size):
                self._ready += data or b""
                self._connection.consumed(size or 0, self._stream_id)
            case StreamEnded():
                self._ended = True
            case StreamReset():
                raise ConnectionResetError("the server gave the answer up")
            case _:
                return


def _http1_head(headers: list[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {dict(headers).get(':status', '502')} -"]
    for name, value in headers:
        if any(letter in "\r\n\0" for letter in name + value):
            raise http.client.HTTPException("a header has a line break in it")
        if not name.startswith(":") and name not in _HOP_BY_HOP:
            lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


@contextmanager
def _as_http_errors() -> Iterator[None]:
    """Turn what `h2` raises for a broken protocol into what `http.client` raises for one."""
    try:
        yield
    except H2Error as error:
        raise http.client.HTTPException(f"broken HTTP/2: {type(error).__name__}") from error
