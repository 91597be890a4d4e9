"""`GET /api/v1/ws`: sessions over aiohttp's WebSockets, by their bytes path."""

from __future__ import annotations

import asyncio
import struct
from typing import Final

from aiohttp import WSMsgType, web

from distribute_io.coordinator.addresses import Callers
from distribute_io.coordinator.session import Session
from distribute_io.coordinator.sessions import Sessions
from distribute_io.errors import RefusedError, RemoteProtocolError
from distribute_io.wire.limits import MESSAGE_BYTES_MAX

CLOSE_TIMEOUT_S: Final = 2.0
"""For the other end's answer to a close, then the connection is cut: whoever does not read cannot hold it."""

_RECEIVED_BYTES_MAX: Final = 2 * MESSAGE_BYTES_MAX
"""What aiohttp takes in before it closes by itself (1009). Above the protocol's limit, so that the common case of a
message that is somewhat too large gets its named error."""


class SessionRoute:
    """Accepts WebSockets and runs one session on each."""

    def __init__(self, sessions: Sessions, callers: Callers) -> None:
        self._sessions = sessions
        self._callers = callers

    def routes(self) -> list[web.RouteDef]:
        """The route."""
        return [web.get("/api/v1/ws", self._serve)]

    async def close_all(self, _app: web.Application) -> None:
        """aiohttp's shutdown signal."""
        self._sessions.stop()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        network = self._callers.address(request)
        socket = web.WebSocketResponse(
            max_msg_size=_RECEIVED_BYTES_MAX, decode_text=False, compress=False, timeout=CLOSE_TIMEOUT_S
        )
        if not socket.can_prepare(request):
            raise RefusedError("bad_request", "This address is a WebSocket.")
        self._sessions.check_room(network)
        await socket.prepare(request)
        session = self._sessions.open(network)
        carrier = _AiohttpSocket(socket, request)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(session.outbox.run(carrier))
                await self._read(socket, session)
                carrier.reading_ended.set()
                session.outbox.close(1000, "")
        finally:
            await self._sessions.leave(session)
        return socket

    async def _read(self, socket: web.WebSocketResponse, session: Session) -> None:
        """Hand over messages until the other end leaves or we do."""
        async for frame in socket:
            if session.outbox.is_closing:
                continue  # the error is under way; what still comes is not looked at
            if frame.type == WSMsgType.TEXT:
                await self._sessions.message(session, frame.data)
            else:
                session.end(RemoteProtocolError("message_malformed", "Messages are text, not binary."))


class _AiohttpSocket:
    """Implements `SessionSocket`.

    Closing does not use aiohttp's own `close`: while another task reads, that one cuts the connection at once, and when
    the other end had more under way, the reset that follows eats the error that we have just sent.
    """

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._socket = socket
        self._request = request
        self.reading_ended = asyncio.Event()

    async def send(self, text: bytes) -> None:
        # Waits while the connection's buffer is full, so what waits piles up in the bounded outbox and not there.
        await self._socket.send_frame(text, WSMsgType.TEXT)

    async def close(self, code: int, reason: str) -> None:
        """Send a close, give the other end a moment to answer it, then cut the connection."""
        if self.reading_ended.is_set():
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.send_frame(struct.pack("!H", code) + reason.encode(), WSMsgType.CLOSE)
                await self.reading_ended.wait()
        except (TimeoutError, ConnectionError):
            if self._request.transport is not None:
                self._request.transport.abort()
