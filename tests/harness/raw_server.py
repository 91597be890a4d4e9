"""An HTTP server in a thread that answers with exactly the bytes that a test wrote down; an address that is silent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Answer = Callable[[str], bytes | Iterator[bytes] | None]
"""From the request's head to the answer's bytes, or to the pieces in which they go out; None leaves the request
unanswered, with the connection open."""


class RawServer:
    """Listens on a free port of 127.0.0.1. `heads` are the request heads that came, in order."""

    def __init__(self, answer: Answer, *, close_after_answer: bool) -> None:
        self._answer = answer
        self._close = close_after_answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.heads: list[str] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """End it and all its connections."""
        self._listener.close()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            received = b""
            while True:
                try:
                    data = connection.recv(65536)
                except OSError:
                    return
                if not data:
                    return
                received += data
                while b"\r\n\r\n" in received:
                    head, _, received = received.partition(b"\r\n\r\n")
                    self.heads.append(head.decode())
                    answer = self._answer(head.decode())
                    if answer is None:
                        continue
                    try:
                        for piece in (answer,) if isinstance(answer, bytes) else answer:
                            connection.sendall(piece)
                    except OSError:
                        return  # the client has what it wanted, or the test is over
                    if self._close:
                        return


@contextmanager
def raw_server(answer: Answer | bytes, *, close_after_answer: bool = False) -> Iterator[RawServer]:
    """A server that gives `answer` to every request, or what it returns for the request's head."""
    server = RawServer(
        (lambda _head: answer) if isinstance(answer, bytes) else answer, close_after_answer=close_after_answer
    )
    try:
        yield server
    finally:
        server.close()


@contextmanager
def silent_address(port: int, host: str = "127.0.0.2") -> Iterator[str]:
    """A loopback address where nothing answers on `port`, not even with a refusal: its backlog is full."""
    with contextlib.ExitStack() as exits:
        listener = exits.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(3):
            waiting = exits.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield host


def response(status: str, body: bytes = b"", **headers: str) -> bytes:
    """An HTTP/1.1 answer; underscores in header names become hyphens, and `Content-Length` is added if absent."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if "Content-Length" not in named and "Transfer-Encoding" not in named:
        named["Content-Length"] = str(len(body))
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
