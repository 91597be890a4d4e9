"""A real HTTP/1.1 mirror with a true rate limit, and with faults on demand: for the demo, tests and benchmarks.

    python -m distribute_io.demo.throttled_mirror --dir FOLDER --port 0 --rate 8MB/s --misbehave flip

Rules:

1. All requests share one token bucket, so splitting a file over many requests gains nothing (nginx's `limit_rate`
   gives every request its own rate and is no throttle for a segmented client: it would flatter us).
2. Range, ETag and CORS are as on a good mirror, unless a fault of `misbehaviour` says otherwise.
3. Once it listens it prints one JSON line, `{"url": …, "port": …, "pid": …}`, and it ends at SIGTERM or SIGINT.
4. `GET /.mirror/stats` tells what was really sent, and `PUT /.mirror/behaviour` with
   `{"misbehave": […], "rate": "2MB/s" | null}` changes the mirror while it runs. There is no authentication: it
   listens on loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import email.utils
import json
import os
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from aiohttp import web

from distribute_io.core.token_bucket import TokenBucket
from distribute_io.demo.misbehaviour import Misbehaviour, parse_misbehaviour
from distribute_io.errors import UsageError
from distribute_io.units import parse_rate

_EXPOSED = "Content-Range, Accept-Ranges, ETag, Link, Digest, Repr-Digest, Retry-After"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
# A piece is what one reservation of the bucket is for: about 1/50 s of the rate, so that slow mirrors flow evenly,
# but never so small that the system calls dominate.
_PIECE_BYTES_MIN, _PIECE_BYTES_MAX = 256, 256 * 1024


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A half-open range `[start, end)` of a file."""

    start: int
    end: int


def parse_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """The single range that a `Range` header asks for; None when the whole file is to be sent.

    Raises:
        ValueError: when the range cannot be satisfied (RFC 9110, section 14.1.1: answer 416).
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group(0) == "bytes=-":
        return None  # RFC 9110 section 14.2: a server may ignore a Range header that it does not understand
    first, last = match.groups()
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), min(int(last) + 1 if last else size_bytes, size_bytes)
    if start >= end:
        raise ValueError(f"range {header!r} is outside of {size_bytes} bytes")
    return ByteRange(start, end)


class ThrottledMirror:
    """Serves the files under `root`, at most `rate_bytes_per_s` in sum (None: unlimited)."""

    def __init__(self, root: Path, *, rate_bytes_per_s: int | None, fault: Misbehaviour) -> None:
        self._root = root.resolve(strict=True)
        self._fault = fault
        self._bucket: TokenBucket | None = None
        self._piece_bytes = _PIECE_BYTES_MAX
        self._set_rate(rate_bytes_per_s)
        self._bytes_sent = 0
        self._bytes_under_fault = 0
        self._requests = 0
        self._errors = 0
        self.dead = asyncio.Event()

    def application(self) -> web.Application:
        """The aiohttp application of this mirror."""
        app = web.Application()
        app.router.add_get("/.mirror/stats", self._serve_stats)
        app.router.add_put("/.mirror/behaviour", self._change_behaviour)
        app.router.add_get("/{path:.*}", self._serve_file)
        return app

    def _set_rate(self, rate_bytes_per_s: int | None) -> None:
        if rate_bytes_per_s is None:
            self._bucket, self._piece_bytes = None, _PIECE_BYTES_MAX
            return
        self._piece_bytes = min(_PIECE_BYTES_MAX, max(_PIECE_BYTES_MIN, rate_bytes_per_s // 50))
        self._bucket = TokenBucket(
            rate_bytes_per_s=rate_bytes_per_s, burst_bytes=self._piece_bytes, now_us=time.monotonic_ns() // 1000
        )

    async def _serve_stats(self, _request: web.Request) -> web.Response:
        return web.json_response({"bytes_sent": self._bytes_sent, "requests": self._requests})

    async def _change_behaviour(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        try:
            self._fault = parse_misbehaviour(wanted.get("misbehave", []))
            self._bytes_under_fault = self._errors = 0
            if "rate" in wanted:
                self._set_rate(None if wanted["rate"] is None else parse_rate(wanted["rate"]))
        except UsageError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response(status=204)

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        fault = self._fault
        self._requests += 1
        headers = {} if fault.no_cors else {"Access-Control-Allow-Origin": "*"}
        if not fault.no_cors:
            headers |= {"Access-Control-Expose-Headers": _EXPOSED, "Cross-Origin-Resource-Policy": "cross-origin"}
        if fault.busy_s is not None:
            return web.Response(status=503, headers=headers | {"Retry-After": str(fault.busy_s)})
        if self._is_forbidden(fault):
            return web.Response(status=403, headers=headers)
        if self._errors < fault.errors:
            self._errors += 1
            return web.Response(status=500, headers=headers)
        if fault.redirect_to is not None:
            return web.Response(status=302, headers=headers | {"Location": fault.redirect_to + request.raw_path})
        path = (self._root / request.match_info["path"]).resolve()
        if not path.is_relative_to(self._root) or not path.is_file():
            return web.Response(status=404, headers=headers)
        with path.open("rb") as file:
            return await self._send(request, file, headers, fault)

    def _is_forbidden(self, fault: Misbehaviour) -> bool:
        return fault.forbid_after_bytes is not None and self._bytes_under_fault >= fault.forbid_after_bytes

    async def _send(
        self, request: web.Request, file: BinaryIO, headers: dict[str, str], fault: Misbehaviour
    ) -> web.StreamResponse:
        status = os.fstat(file.fileno())
        size = status.st_size
        headers |= {
            "Content-Type": "application/octet-stream",
            "Last-Modified": email.utils.formatdate(status.st_mtime, usegmt=True),
            "ETag": f'"{status.st_mtime_ns:x}-{size:x}"',
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(Path(request.path).name)}",
        }
        asked = None
        if not fault.ignore_range:
            headers["Accept-Ranges"] = "bytes"
            try:
                asked = parse_range(request.headers.get("Range"), size)
            except ValueError:
                return web.Response(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
        span = asked or ByteRange(0, size)
        if asked is not None:
            headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
        response = web.StreamResponse(status=200 if asked is None else 206, headers=headers)
        response.content_length = span.end - span.start
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        await self._send_body(request, response, file, span, fault)
        return response

    async def _send_body(
        self, request: web.Request, response: web.StreamResponse, file: BinaryIO, span: ByteRange, fault: Misbehaviour
    ) -> None:
        file.seek(span.start)
        position = span.start
        end = span.start + fault.delivered_bytes(span.end - span.start)
        while position < end:
            piece = file.read(min(self._piece_bytes, end - position))
            await self._wait_for_tokens(len(piece))
            await response.write(fault.tampered(position, piece))
            position += len(piece)
            self._bytes_sent += len(piece)
            self._bytes_under_fault += len(piece)
            if self._is_forbidden(fault):
                break
            if fault.die_after_bytes is not None and self._bytes_sent >= fault.die_after_bytes:
                self.dead.set()
                break
        if position == span.end:
            await response.write_eof()
        elif fault.stall_after_bytes is not None and not self.dead.is_set():
            await asyncio.Event().wait()  # until the client leaves: that cancels this handler
        elif request.transport is not None:
            request.transport.close()

    async def _wait_for_tokens(self, size_bytes: int) -> None:
        if self._bucket is not None:
            wait_us = self._bucket.reserve(size_bytes, time.monotonic_ns() // 1000)
            if wait_us:
                await asyncio.sleep(wait_us / 1e6)


async def run_mirror(mirror: ThrottledMirror, *, host: str, port: int) -> None:
    """Serve until SIGTERM, SIGINT or the mirror's own planned death; prints the address line first."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    # No grace for open connections: a mirror that dies is to take them with it, as a crashed machine would.
    runner = web.AppRunner(
        mirror.application(), access_log=None, shutdown_timeout=0.0, handler_cancellation=True, handle_signals=False
    )
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    bound_port: int = runner.addresses[0][1]
    url = f"http://{host}:{bound_port}"
    sys.stdout.write(json.dumps({"url": url, "port": bound_port, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    waits = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(mirror.dead.wait())}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await runner.cleanup()


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m distribute_io.demo.throttled_mirror`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="throttled_mirror", description="A mirror with a true rate limit and faults.")
    parser.add_argument("--dir", type=Path, required=True, help="folder to serve")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--rate", help="as 8MB/s; default: unlimited")
    parser.add_argument("--misbehave", action="append", default=[], metavar="FAULT", help="see misbehaviour.py")
    options = parser.parse_args(argv)
    try:
        rate = None if options.rate is None else parse_rate(options.rate)
        fault = parse_misbehaviour(options.misbehave)
    except UsageError as error:
        parser.error(str(error))

    async def serve() -> None:
        mirror = ThrottledMirror(options.dir, rate_bytes_per_s=rate, fault=fault)
        await run_mirror(mirror, host=options.host, port=options.port)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
