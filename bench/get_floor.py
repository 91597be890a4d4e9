"""The least that a program on this interpreter can do for a verified download: what `get_one_mirror` compares with.

A program of its own, for `get_one_mirror`: `python get_floor.py URL/ SIZE_BYTES` writes `file.bin` here. One connection
is read into reused buffers of 1 MiB; one thread takes each one's SHA-256 and writes it, another the whole file's. There
is no manifest, no comparison, no journal, no error handling and no scheduler.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import threading
from queue import SimpleQueue
from urllib.parse import urlsplit

SEGMENT_BYTES = 2**20


def main() -> None:
    """Download, hash twice, write."""
    server, size_bytes = urlsplit(sys.argv[1]), int(sys.argv[2])
    fd = os.open("file.bin", os.O_RDWR | os.O_CREAT, 0o644)
    sock = socket.create_connection((server.hostname, server.port))
    sock.sendall(b"GET /file.bin HTTP/1.1\r\nHost: floor\r\nConnection: close\r\n\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    free: SimpleQueue[bytearray] = SimpleQueue()
    to_settle: SimpleQueue[tuple[int, memoryview, bytearray] | None] = SimpleQueue()
    to_digest: SimpleQueue[tuple[memoryview, bytearray] | None] = SimpleQueue()
    for _ in range(8):
        free.put(bytearray(SEGMENT_BYTES))

    def settle() -> None:
        while (work := to_settle.get()) is not None:
            position, view, memory = work
            hashlib.sha256(view).digest()
            os.pwrite(fd, view, position)
            to_digest.put((view, memory))
        to_digest.put(None)

    def digest() -> None:
        whole = hashlib.sha256()
        while (work := to_digest.get()) is not None:
            whole.update(work[0])
            free.put(work[1])

    threads = [threading.Thread(target=settle), threading.Thread(target=digest)]
    for thread in threads:
        thread.start()
    position = 0
    while position < size_bytes:
        memory = free.get()
        view = memoryview(memory)[: min(SEGMENT_BYTES, size_bytes - position)]
        if sock.recv_into(view, len(view), socket.MSG_WAITALL) != len(view):
            raise SystemExit("the answer ended early")
        to_settle.put((position, view, memory))
        position += len(view)
    to_settle.put(None)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
