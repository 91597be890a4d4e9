"""A WebRTC engine in a child process: when it crashes, its connections are lost, and the program is not.

Rules, beside those of `webrtc.py`:

1. The child is started with the first connection, and anew with the first one after its end; not more often than every
   `_RESTART_S`, until when connections end as `peer_unreachable`.
2. When it is gone, every connection ends: `peer_closed` if it was open, `peer_unreachable` otherwise.
3. It ends with `close`, or when the program ends, however that comes about: it reads the end of the pipe.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Final

from distribute_io.errors import SourceError
from distribute_io.transport import engine_pipe as p
from distribute_io.transport.webrtc import SEND_BUFFER_LOW_BYTES, IceCandidate, PeerConnection, PeerEvents
from distribute_io.transport.webrtc_engines import EngineName

_RESTART_S: Final = 1.0
_END_S: Final = 2.0
"""For the child to end by itself when it is told to."""

_PROCESS: Final = "distribute_io.transport.webrtc_process"


class ChildEngine:
    """Makes connections of the engine `name` in a child process. Caller's duties: use it on one loop; `close` it."""

    def __init__(self, name: EngineName) -> None:
        self._name = name
        self._child: _Child | None = None
        self._started_s: float | None = None
        self._numbers = 0

    @property
    def child_pid(self) -> int | None:
        """The child's process id; None when there is none at present."""
        return None if self._child is None else self._child.pid

    def connect(self, events: PeerEvents, *, stun: Sequence[str]) -> PeerConnection:
        """A new connection whose events come on the running loop."""
        child = self._running_child()
        self._numbers += 1
        peer = _ChildPeer(self._numbers, events, child)
        if child is None:
            asyncio.get_running_loop().call_soon(peer.end)
        else:
            child.add(peer, list(stun))
        return peer

    async def close(self) -> None:
        """End the child when it has sent what it was told to, and with it every connection; no owner is told."""
        child, self._child = self._child, None
        if child is not None:
            await child.close()

    def _running_child(self) -> _Child | None:
        now_s = asyncio.get_running_loop().time()
        if self._child is None and (self._started_s is None or now_s - self._started_s >= _RESTART_S):
            self._started_s = now_s
            self._child = _Child(self._name, self._lost)
        return self._child

    def _lost(self) -> None:
        self._child = None


class _Child:
    """One run of the child process, and the connections in it."""

    def __init__(self, name: EngineName, on_lost: Callable[[], None]) -> None:
        self._peers: dict[int, _ChildPeer] = {}
        self._on_lost = on_lost
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _PROCESS, str(theirs.fileno()), name],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # which is for the program's results
            )
        self.pipe = p.Pipe[p.ToChild, p.ToParent](p.ToParent, self._heed, self._ended)
        self._opening = asyncio.ensure_future(self.pipe.open(ours))

    @property
    def pid(self) -> int:
        return self._process.pid

    def add(self, peer: _ChildPeer, stun: list[str]) -> None:
        self._peers[peer.number] = peer
        self.pipe.send(p.Connect(peer.number, stun))

    def remove(self, peer: _ChildPeer) -> None:
        if self._peers.pop(peer.number, None) is not None:
            self.pipe.send(p.Close(peer.number))

    async def close(self) -> None:
        for peer in list(self._peers.values()):
            peer.close()
        await self._opening
        self.pipe.close()
        try:
            await asyncio.to_thread(self._process.wait, _END_S)
        except subprocess.TimeoutExpired:
            self._reap()

    def _heed(self, message: p.ToParent) -> None:
        peer = self._peers.get(message.peer)
        if peer is not None:
            peer.heed(message)

    def _ended(self) -> None:
        self._reap()
        self._on_lost()
        peers, self._peers = self._peers, {}
        for peer in peers.values():
            peer.end()

    def _reap(self) -> None:
        self._process.kill()  # it closed its end of the pipe, so it is dead already, or of no use
        self._process.wait()


class _ChildChannel:
    """The sending side of a connection in the child; counts what is on its way there as buffered."""

    def __init__(self, peer: _ChildPeer) -> None:
        self._peer = peer
        self._sent_bytes = 0
        self._left_bytes = 0
        self._is_filled = False

    @property
    def buffered_bytes(self) -> int:
        return self._sent_bytes - self._left_bytes

    def send(self, frame: bytes) -> None:
        if self._peer.send(frame):
            self._sent_bytes += len(frame)
            self._is_filled = self._is_filled or self.buffered_bytes > SEND_BUFFER_LOW_BYTES

    def left(self, left_bytes: int) -> bool:
        """So many bytes left the buffer. True when it fell below its low mark by that."""
        self._left_bytes = left_bytes
        if not self._is_filled or self.buffered_bytes > SEND_BUFFER_LOW_BYTES:
            return False
        self._is_filled = False
        return True


class _ChildPeer:
    def __init__(self, number: int, events: PeerEvents, child: _Child | None) -> None:
        self.number = number
        self._events: PeerEvents | None = events
        self._child = child
        self._channel: _ChildChannel | None = None
        self._calls: dict[int, asyncio.Future[str | None]] = {}
        self._numbers = 0
        self._local_sdp = ""
        self._remote_sdp = ""

    @property
    def local_sdp(self) -> str:
        return self._local_sdp

    @property
    def remote_sdp(self) -> str:
        return self._remote_sdp

    async def create_offer(self) -> str:
        self._local_sdp = await self._describe("create_offer", "")
        return self._local_sdp

    async def accept_offer(self, sdp: str) -> str:
        answer = await self._describe("accept_offer", sdp)
        self._remote_sdp, self._local_sdp = sdp, answer
        return answer

    async def accept_answer(self, sdp: str) -> None:
        await self._describe("accept_answer", sdp)
        self._remote_sdp = sdp

    async def add_candidate(self, candidate: IceCandidate) -> None:
        if self._child is not None:
            self._child.pipe.send(p.AddCandidate(self.number, candidate))

    def send(self, frame: bytes) -> bool:
        """Pass a frame on. False when the connection is over."""
        if self._child is None:
            return False
        self._child.pipe.send(p.Send(self.number, frame))
        return True

    def close(self) -> None:
        self._events = None
        child, self._child = self._child, None
        if child is not None:
            child.remove(self)
        self._fail_calls()

    def end(self) -> None:
        """The child is gone, or cannot be started yet. On the loop, never within a call of the owner's."""
        self._end("peer_unreachable" if self._channel is None else "peer_closed")

    def heed(self, message: p.ToParent) -> None:
        """Pass on one thing that happened in the child."""
        events = self._events
        if events is None:
            return
        match message:
            case p.Described(call=call, sdp=sdp):
                waiting = self._calls.pop(call, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(sdp)
            case p.CandidateFound(candidate=candidate):
                events.on_candidate(candidate)
            case p.Opened():
                self._channel = _ChildChannel(self)
                events.on_channel(self._channel)
            case p.Received(frame=frame):
                events.on_message(frame)
            case p.Left(left_bytes=left_bytes):
                if self._channel is not None and self._channel.left(left_bytes):
                    events.on_writable()
            case p.Ended(code=code):
                self._end(code)

    def _end(self, code: str) -> None:
        events = self._events
        self.close()
        if events is not None:
            events.on_closed(code)

    async def _describe(self, kind: p.DescribeKind, sdp: str) -> str:
        if self._child is None:
            raise SourceError("peer_closed", "the connection was closed")
        self._numbers += 1
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._calls[self._numbers] = answer
        self._child.pipe.send(p.Describe(self.number, self._numbers, kind, sdp))
        described = await answer
        if described is None:
            raise SourceError("peer_unreachable", "the peer's description cannot be used")
        return described

    def _fail_calls(self) -> None:
        calls, self._calls = self._calls, {}
        for waiting in calls.values():
            if not waiting.done():
                waiting.set_result(None)
