"""One GET over stdlib `http.client`, with redirects followed by our rules: the part that every HTTP use shares.

Why not a library: threads with `http.client` and `readinto` into reused buffers were the fastest client that we
measured, hashing included, at the CPU of `aria2c` without any check (bench/results), with no dependency.

Rules:

1. A redirect is followed at most `redirects_max` times, never from https to http, and each hop's address is judged.
2. An idle connection that the server closed meanwhile is replaced once, silently; every other failure is reported.
3. All failures are `SourceError`, with the library's exception as the cause (see `dial.converted`).
"""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urljoin

from distribute_io.errors import SourceError
from distribute_io.transport.answer_body import AnswerBody
from distribute_io.transport.dial import Connection, HttpAddress, HttpPolicy, converted, dial, parse_address

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class HttpClient:
    """At most one keep-alive connection. Blocking and for one thread, except `abort`, which any thread may call.

    Caller's duties: read an answer's body to its end (or call `close`) before the next `get`.
    """

    def __init__(self, policy: HttpPolicy) -> None:
        self._policy = policy
        self._connection: http.client.HTTPConnection | None = None
        self._sock: Connection | None = None
        self._peer: tuple[str, str, int] | None = None
        self._absolute = False
        self._extra_headers: tuple[tuple[str, str], ...] = ()
        self._aborted = False

    def get(self, url: str, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, str]:
        """Send a GET and follow redirects; return the final answer, its head read, and the URL that gave it.

        Raises:
            SourceError: `mirror_redirects`, or why there is no answer. Error statuses are answers, not exceptions.
        """
        address = parse_address(url)
        for _ in range(self._policy.redirects_max + 1):
            response = self._get_once(address, headers)
            if response.status not in _REDIRECTS:
                return response, address.url
            location = response.headers.get("Location")
            self.close()  # a redirect's body is of no use, and draining it may take for ever
            if not location:
                raise SourceError("mirror_redirects", f"{address.host_header} redirects without saying where to")
            following = parse_address(urljoin(address.url, location))
            if address.scheme == "https" and following.scheme == "http":
                raise SourceError("mirror_redirects", f"{address.host_header} redirects from https to plain http")
            address = following
        raise SourceError(
            "mirror_redirects", f"{address.host_header} redirects more than {self._policy.redirects_max} times"
        )

    def body(self, response: http.client.HTTPResponse) -> AnswerBody:
        """The body of the answer that `get` returned last."""
        if self._sock is None:
            raise RuntimeError("there is no answer to read")
        return AnswerBody(response, self._sock, self._policy.idle_timeout_s)

    def abort(self) -> None:
        """End what is going on from another thread: a blocked read fails at once. The client is of no use after."""
        self._aborted = True
        sock = self._sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # closed already, which is what was wanted

    def close(self) -> None:
        """Close the connection; the next `get` opens a new one."""
        connection, self._connection, self._sock = self._connection, None, None
        if connection is not None:
            connection.close()

    def _get_once(self, address: HttpAddress, headers: dict[str, str]) -> http.client.HTTPResponse:
        with converted(address.host_header):
            if self._connection is not None and self._peer == (address.scheme, address.host, address.port):
                try:
                    return self._exchange(self._connection, address, headers)
                except (ConnectionError, http.client.BadStatusLine):
                    self.close()  # rule 2; RemoteDisconnected is both
            self.close()
            return self._exchange(self._open(address), address, headers)

    def _open(self, address: HttpAddress) -> http.client.HTTPConnection:
        dialled = dial(address, self._policy)
        # The socket is ours: the policy's address check, tunnel and TLS are done. `auto_open` off keeps http.client
        # from ever opening one by itself.
        connection = http.client.HTTPConnection(address.host, address.port)
        connection.auto_open = 0
        connection.sock = dialled.sock
        self._sock, self._absolute = dialled.sock, dialled.absolute_target
        self._extra_headers = dialled.extra_headers
        self._connection, self._peer = connection, (address.scheme, address.host, address.port)
        if self._aborted:
            self.close()
            raise SourceError("mirror_unreachable", f"the request to {address.host_header} was given up")
        return connection

    def _exchange(
        self, connection: http.client.HTTPConnection, address: HttpAddress, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        target = address.url if self._absolute else address.target
        connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", address.host_header)
        connection.putheader("User-Agent", self._policy.user_agent)
        # A compressed answer would be other bytes than the file's.
        connection.putheader("Accept-Encoding", "identity")
        for name, value in (*headers.items(), *self._extra_headers):
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse()


def get_bounded(url: str, policy: HttpPolicy, *, limit_bytes: int, headers: dict[str, str] | None = None) -> Fetched:
    """GET a small document whole. Blocks.

    Raises:
        SourceError: no answer, or an answer above `limit_bytes` (`mirror_wrong_range`).
    """
    client = HttpClient(policy)
    try:
        response, final_url = client.get(url, headers or {})
        with converted(parse_address(final_url).host_header):
            body = response.read(limit_bytes + 1)
        if len(body) > limit_bytes:
            raise SourceError("mirror_wrong_range", f"the answer of {url} exceeds {limit_bytes} bytes")
        return Fetched(response.status, body, final_url, response.headers)
    finally:
        client.close()


class Fetched:
    """A small answer that was read whole."""

    __slots__ = ("body", "headers", "status", "url")

    def __init__(self, status: int, body: bytes, url: str, headers: http.client.HTTPMessage) -> None:
        self.status = status
        self.body = body
        self.url = url
        self.headers = headers
