"""The bytes of one HTTP answer, into the caller's memory, at the least cost for each of them.

`http.client` parses the head; its buffered reader would copy the body in pieces and run Python code for each. So the
few bytes that came along with the head are taken from it, and the rest comes straight from the socket. On plain TCP one
system call then fills a whole view: the kernel waits for all of it (`MSG_WAITALL`), this process wakes once.

Only a body of known length can be read like this; a chunked one stays with `http.client`.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
from typing import Final

from distribute_io.transport.dial import Connection

SHORT_READ_BYTES: Final = 32_768
"""Up to here a read returns what has come; beyond, it blocks until all is there."""


class AnswerBody:
    """Reads one answer whose head was read. Blocking, for one thread.

    Args:
        response: the answer.
        sock: what it comes over.
        idle_timeout_s: no byte for this long raises `TimeoutError`.

    Library exceptions (`OSError`, `http.client.HTTPException`) come through as they are: see `dial.converted`.
    """

    def __init__(self, response: http.client.HTTPResponse, sock: Connection, idle_timeout_s: float) -> None:
        self._response = response
        # Another protocol's answer, which only looks like this one's, stays with http.client, as a chunked one does.
        self._sock: Final = sock if isinstance(sock, socket.socket) and not response.chunked else None
        self._idle_timeout_s: Final = idle_timeout_s
        self._is_direct = False
        self._unread_bytes = response.length if self._sock is not None else None

    def readinto(self, view: memoryview) -> int:
        """Fill the beginning of `view`; returns how much, 0 at the end of the answer.

        A view of up to `SHORT_READ_BYTES` takes what has come, a longer one is filled whole, unless the answer ends.
        """
        if self._unread_bytes is None:
            return self._read_buffered(view)
        view = view[: self._unread_bytes]
        filled = 0 if self._is_direct else self._take_buffered(view)
        while self._is_direct and filled < len(view) and not (filled and len(view) <= SHORT_READ_BYTES):
            count = self._receive(view[filled:])
            if count == 0:
                break
            filled += count
        self._unread_bytes -= filled
        return filled

    def finish(self) -> bool:
        """All bytes that are wanted were read. Returns whether the connection can carry the next request."""
        if self._is_direct and self._sock is not None:
            self._sock.settimeout(self._idle_timeout_s)
            self._response.close()
            return self._unread_bytes == 0 and not self._response.will_close
        # Reading the (empty) rest lets http.client notice the end.
        return not self._response.read(1) and not self._response.will_close

    def _read_buffered(self, view: memoryview) -> int:
        if len(view) > SHORT_READ_BYTES:
            return self._response.readinto(view)
        data = self._response.read1(len(view))
        view[: len(data)] = data
        return len(data)

    def _take_buffered(self, view: memoryview) -> int:
        """What `http.client` has read beyond the head; it waits for the first bytes if there are none yet."""
        ahead = len(self._response.peek())
        count = self._response.readinto(view[:ahead]) if ahead else 0
        if count == ahead and self._response.length:  # at its end http.client has let the socket go
            self._is_direct = True
            self._block_in_kernel()
        return count

    def _block_in_kernel(self) -> None:
        """A timeout of the `socket` module would make the descriptor non-blocking, and `MSG_WAITALL` void."""
        if self._sock is None or isinstance(self._sock, ssl.SSLSocket):
            return
        seconds = int(self._idle_timeout_s)
        micros = int((self._idle_timeout_s - seconds) * 1_000_000)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", seconds, micros))
        self._sock.setblocking(True)

    def _receive(self, view: memoryview) -> int:
        if self._sock is None:
            return 0
        if isinstance(self._sock, ssl.SSLSocket):
            return self._sock.recv_into(view)
        flags = socket.MSG_WAITALL if len(view) > SHORT_READ_BYTES else 0
        try:
            return self._sock.recv_into(view, len(view), flags)
        except BlockingIOError as error:  # what SO_RCVTIMEO says
            raise TimeoutError("no byte came") from error
