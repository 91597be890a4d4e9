"""The WebRTC child process: `python -m distribute_io.transport.webrtc_process FD ENGINE` serves a `ChildEngine`.

It does what it is told and decides nothing. It ends when the program's end of the pipe is closed, however that came
about; signals of a terminal or a service manager are for the program, which still says its goodbyes through here.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Coroutine
from typing import Any, Final, cast

from distribute_io.errors import SourceError
from distribute_io.transport import engine_pipe as p
from distribute_io.transport.webrtc import Channel, IceCandidate, PeerConnection, WebRtcEngine
from distribute_io.transport.webrtc_engines import EngineName, load_engine

_LOOK_EVERY_S: Final = 0.01
"""While a channel's buffer is not empty, what left it is told this often."""


class _ServedPeer:
    """One connection, for a program at the other end of the pipe."""

    def __init__(self, number: int, pipe: p.Pipe[p.ToParent, p.ToChild]) -> None:
        self._number = number
        self._pipe = pipe
        self._channel: Channel | None = None
        self._sent_bytes = 0
        self._told_bytes = 0
        self._look: asyncio.TimerHandle | None = None
        self.connection: PeerConnection | None = None

    async def describe(self, call: int, kind: p.DescribeKind, sdp: str) -> None:
        """Run one method of the connection and tell what came of it."""
        try:
            described = await self._describe(kind, sdp)
        except SourceError:
            described = None
        self._pipe.send(p.Described(self._number, call, described))

    async def _describe(self, kind: p.DescribeKind, sdp: str) -> str | None:
        if self.connection is None:
            return None
        match kind:
            case "create_offer":
                return await self.connection.create_offer()
            case "accept_offer":
                return await self.connection.accept_offer(sdp)
            case "accept_answer":
                await self.connection.accept_answer(sdp)
                return ""

    async def add_candidate(self, candidate: IceCandidate) -> None:
        """Pass on a candidate of the other end."""
        if self.connection is not None:
            await self.connection.add_candidate(candidate)

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        if self._channel is not None:
            self._channel.send(frame)
            self._sent_bytes += len(frame)
            if self._look is None:
                self._look = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._tell_left)

    def close(self) -> None:
        """End it."""
        if self._look is not None:
            self._look.cancel()
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _tell_left(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        if self._channel is None:
            return
        left_bytes = self._sent_bytes - self._channel.buffered_bytes
        if left_bytes > self._told_bytes:
            self._told_bytes = left_bytes
            self._pipe.send(p.Left(self._number, left_bytes))
        if left_bytes < self._sent_bytes:
            self._look = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._tell_left)

    # --- PeerEvents ---

    def on_candidate(self, candidate: IceCandidate) -> None:
        """See `PeerEvents`."""
        self._pipe.send(p.CandidateFound(self._number, candidate))

    def on_channel(self, channel: Channel) -> None:
        """See `PeerEvents`."""
        self._channel = channel
        self._pipe.send(p.Opened(self._number))

    def on_message(self, frame: bytes) -> None:
        """See `PeerEvents`."""
        self._pipe.send(p.Received(self._number, frame))

    def on_writable(self) -> None:
        """See `PeerEvents`."""
        self._tell_left()

    def on_closed(self, code: str) -> None:
        """See `PeerEvents`."""
        self._channel = None
        self._pipe.send(p.Ended(self._number, code))


class EngineServer:
    """Serves one program. Caller's duty: `run` it."""

    def __init__(self, engine: WebRtcEngine) -> None:
        self._engine = engine
        self._peers: dict[int, _ServedPeer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._pipe = p.Pipe[p.ToParent, p.ToChild](p.ToChild, self._heed, self._over.set)

    async def run(self, sock: socket.socket) -> None:
        """Until the other end is gone."""
        await self._pipe.open(sock)
        await self._over.wait()
        for peer in self._peers.values():
            peer.close()
        await self._engine.close()

    def _heed(self, message: p.ToChild) -> None:
        if isinstance(message, p.Connect):
            peer = self._peers[message.peer] = _ServedPeer(message.peer, self._pipe)
            peer.connection = self._engine.connect(peer, stun=message.stun)
            return
        known = self._peers.get(message.peer)
        if known is None:
            return
        match message:
            case p.Describe(call=call, kind=kind, sdp=sdp):
                self._start(known.describe(call, kind, sdp))
            case p.AddCandidate(candidate=candidate):
                self._start(known.add_candidate(candidate))
            case p.Send(frame=frame):
                known.send(frame)
            case p.Close():
                del self._peers[message.peer]
                known.close()

    def _start(
        self, coroutine: Coroutine[Any, Any, None]
    ) -> None:  # Any: what a coroutine yields is asyncio's business
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def main(descriptor: int, name: EngineName) -> None:
    """Serve the program at the other end of the socket `descriptor`."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)

    async def serve() -> None:
        await EngineServer(load_engine(name)).run(socket.socket(fileno=descriptor))

    asyncio.run(serve())


if __name__ == "__main__":
    main(int(sys.argv[1]), cast(EngineName, sys.argv[2]))  # as `ChildEngine` wrote it
