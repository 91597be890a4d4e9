"""One look at a mirror: a single range, as a page of another origin would ask for it. Blocks.

Rules:

1. Only what was seen is told (`core/mirror_findings.py` judges it). No error leaves `look`.
2. Every hop's address is judged by the policy when it is connected to, as anywhere (`dial.py`): no redirect and no
   change of a DNS answer leads to a private network. Behind a proxy that the environment names only literal addresses
   and local names are judged, since the proxy looks names up: it must not reach what mirrors may not lead to.
3. Time and bytes are bounded whatever the mirror does: `deadline_s` over all hops, their heads included, no more body
   than was asked for, and nothing of the body of an answer whose head is wrong. Looking a name up and connecting have
   limits of their own (`dial.py`); who cannot wait for them breaks off with `abort`.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urljoin, urlsplit

from distribute_io.core.mirror_findings import PAGE_ORIGIN, Hop, Observation, content_range
from distribute_io.errors import SourceError
from distribute_io.transport.dial import Connection, HttpAddress, HttpPolicy, converted, dial, parse_address

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES: Final = 65_536
_HEADER_CHARS_MAX: Final = 500
_HEADERS: Final = (
    "accept-ranges",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "retry-after",
    "server",
    "vary",
    "via",
)


class MirrorLook:
    """One look; `run` once. `abort` may come from any thread: `run` then returns soon."""

    def __init__(
        self,
        url: str,
        start: int,
        end: int,
        *,
        policy: HttpPolicy,
        deadline_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to ask for `[start, end)` of the file at `url`; an empty range asks for the whole, without `Range`.

        Args:
            deadline_s: for all of it; what is slower breaks off with `mirror_too_slow`.
            clock: seconds, monotonic.
        """
        self._url = url
        self._start = start
        self._end = end
        self._policy = policy
        self._clock = clock
        self._deadline_s = deadline_s
        self._deadline = clock() + deadline_s
        self._sock: Connection | None = None
        self._is_aborted = False
        self._is_late = False
        self._hops: list[Hop] = []
        self._certificate_until_s: int | None = None
        self._received = 0
        self._digest = hashlib.sha256()
        self._is_whole = False
        self._body_us = 0

    def abort(self) -> None:
        """Give up: what blocks fails at once."""
        self._is_aborted = True
        if self._sock is not None:
            with contextlib.suppress(OSError):  # closed already, which is what was wanted
                self._sock.shutdown(socket.SHUT_RDWR)

    def run(self) -> Observation:
        """Look, and tell what was seen. Raises no error of ours."""
        # A time limit of the socket is for each wait: a head that comes byte by byte never exceeds it.
        watchdog = threading.Timer(self._deadline_s, self._expire)
        watchdog.daemon = True
        watchdog.start()
        try:
            self._follow()
        except SourceError as error:
            return self._seen(self._too_late() if self._is_late else error)
        finally:
            watchdog.cancel()
        return self._seen(None)

    def _too_late(self) -> SourceError:
        server = urlsplit(self._url).netloc
        return SourceError("mirror_too_slow", f"{server} had sent {self._received} bytes when the time was over")

    def _expire(self) -> None:
        self._is_late = True
        self.abort()

    def _seen(self, error: SourceError | None) -> Observation:
        return Observation(
            url=self._url,
            start=self._start,
            end=self._end,
            hops=tuple(self._hops),
            code="" if error is None else error.code,
            trouble="" if error is None else error.message,
            received_bytes=self._received,
            sha256=self._digest.hexdigest() if self._is_whole else "",
            body_us=self._body_us,
            certificate_until_s=self._certificate_until_s,
        )

    def _follow(self) -> None:
        address, origin = parse_address(self._url), PAGE_ORIGIN
        for _ in range(self._policy.redirects_max + 1):
            following = self._ask(address, origin)
            if following is None:
                return
            if address.scheme == "https" and following.scheme == "http":
                raise SourceError("mirror_redirects", f"{address.host_header} redirects from https to plain http")
            if (following.scheme, following.host_header) != (address.scheme, address.host_header):
                origin = "null"  # as browsers do, see mirror_findings rule 2
            address = following
        raise SourceError(
            "mirror_redirects", f"{address.host_header} redirects more than {self._policy.redirects_max} times"
        )

    def _ask(self, address: HttpAddress, origin: str) -> HttpAddress | None:
        """One hop; where it leads to, None when it is the last."""
        with converted(address.host_header):
            dialled = dial(address, self._policy)
            connection = http.client.HTTPConnection(address.host, address.port)
            connection.auto_open = 0
            connection.sock = self._sock = dialled.sock
            try:
                dialled.sock.settimeout(self._patience_s(address))
                connection.putrequest(
                    "GET",
                    address.url if dialled.absolute_target else address.target,
                    skip_host=True,
                    skip_accept_encoding=True,
                )
                headers = {
                    "Host": address.host_header,
                    "User-Agent": self._policy.user_agent,
                    # What a browser that asks for a range says: a server that compresses must not do it here.
                    "Accept-Encoding": "identity",
                    "Origin": origin,
                    "Connection": "close",
                    **dict(dialled.extra_headers),
                }
                if self._end > self._start:
                    headers["Range"] = f"bytes={self._start}-{self._end - 1}"
                for name, value in headers.items():
                    connection.putheader(name, value)
                connection.endheaders()
                dialled.sock.settimeout(self._patience_s(address))
                response = connection.getresponse()
                self._patience_s(address)  # a head that was broken off reads like one that is complete
                return self._answered(address, response, dialled.sock)
            finally:
                connection.close()

    def _answered(
        self, address: HttpAddress, response: http.client.HTTPResponse, sock: Connection
    ) -> HttpAddress | None:
        headers = {
            name: text[:_HEADER_CHARS_MAX] for name in _HEADERS if (text := response.headers.get(name)) is not None
        }
        self._hops.append(Hop(address.url, response.status, headers))
        if isinstance(sock, ssl.SSLSocket):
            self._certificate_until_s = _valid_until_s(sock)
        if response.status in _REDIRECTS:
            location = response.headers.get("Location")
            if not location:
                raise SourceError("mirror_redirects", f"{address.host_header} redirects without saying where to")
            return parse_address(urljoin(address.url, location))
        if self._is_what_was_asked(response):
            self._read(address, response, sock)
        return None

    def _is_what_was_asked(self, response: http.client.HTTPResponse) -> bool:
        if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            return False
        length = self._end - self._start
        if response.status == 200:
            return self._start == 0 and response.length == length
        first, last, _ = content_range(response.headers.get("Content-Range", ""))
        return response.status == 206 and (first, last) == (self._start, self._end - 1)

    def _read(self, address: HttpAddress, response: http.client.HTTPResponse, sock: Connection) -> None:
        began = self._clock()
        length = self._end - self._start
        try:
            while self._received < length:
                sock.settimeout(self._patience_s(address))
                data = response.read1(min(_CHUNK_BYTES, length - self._received))
                if not data:
                    raise SourceError("mirror_truncated", f"{address.host_header} ended its answer early")
                self._received += len(data)
                self._digest.update(data)
            self._is_whole = True
        finally:
            self._body_us = int((self._clock() - began) * 1_000_000)

    def _patience_s(self, address: HttpAddress) -> float:
        """How long the next wait may take."""
        left_s = self._deadline - self._clock()
        if self._is_aborted:
            raise SourceError("mirror_unreachable", "the look was given up")
        if left_s <= 0:
            raise SourceError(
                "mirror_too_slow", f"{address.host_header} had sent {self._received} bytes when the time was over"
            )
        return min(left_s, self._policy.idle_timeout_s)


def _valid_until_s(sock: ssl.SSLSocket) -> int | None:
    certificate = sock.getpeercert()
    until = certificate.get("notAfter") if certificate else None
    return int(ssl.cert_time_to_seconds(until)) if isinstance(until, str) else None
