"""The WebRTC engine `aiortc` (Python) behind our interface: for machines for which the other has no wheel.

What is known of 1.16.0 and handled here:

- It does not trickle: a description is there when all addresses are known, up to 5 s later when a STUN server is
  silent, and has them in it. So `on_candidate` never comes. The other end's candidates may trickle.
- It uses the first STUN server only, and no loopback address (a machine that has no other gets it here).
- Its tasks fail loudly on what others send: a description without a fingerprint ends in an `assert`, one with sound
  and pictures starts codecs. So a description is looked through before the engine sees it.
- Closing a connection throws away what has not left; resetting the channel first does not.
- A killed peer is noticed after about 30 s. It logs what it was sent, addresses included: its logs are silenced.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import aioice.ice
import aiortc
from aiortc.sdp import candidate_from_sdp

from distribute_io.errors import SourceError
from distribute_io.transport.webrtc import (
    CHANNEL_LABEL,
    SEND_BUFFER_LOW_BYTES,
    IceCandidate,
    PeerConnection,
    PeerEvents,
)
from distribute_io.wire.proofs import fingerprint_of

CANDIDATES_MAX: Final = 64
"""Of one peer, in its description and trickled. Each is tried from each of our addresses."""

_CLOSE_S: Final = 1.0
"""For what was sent, and the news of the end, to leave."""

_MEDIA = re.compile(r"^m=([^\r\n]*)", re.MULTILINE)
_DATA_CHANNELS: Final = re.compile(r"application \d+ (?:UDP/|TCP/)?DTLS/SCTP (?:webrtc-datachannel|\d+)")
_CANDIDATE = re.compile(r"^a=candidate:", re.MULTILINE)

# What the engine's parsers raise on rubbish (asserts, tuple unpacking, int(), dictionaries), and its own state errors.
_REFUSALS: Final = (ValueError, AssertionError, LookupError, TypeError, AttributeError, ConnectionError)
_STATE_ERRORS: Final = (aiortc.InvalidStateError, aiortc.InvalidAccessError)

for _name in ("aiortc", "aioice"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)

_other_addresses = aioice.ice.get_host_addresses


def _host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    """Our addresses; on a machine without a network loopback, as libwebrtc has it."""
    return _other_addresses(use_ipv4, use_ipv6) or (["127.0.0.1"] if use_ipv4 else [])


aioice.ice.get_host_addresses = _host_addresses  # it has no setting for this; aioice is pinned with aiortc


class AiortcEngine:
    """Makes connections, all of which work in the loop that made them. Caller's duty: `close` it."""

    def __init__(self) -> None:
        self._closing: set[asyncio.Task[None]] = set()
        self._peers: set[_AiortcPeer] = set()

    def connect(self, events: PeerEvents, *, stun: Sequence[str]) -> PeerConnection:
        """A new connection whose events come on the running loop."""
        peer = _AiortcPeer(events, stun, self)
        self._peers.add(peer)
        return peer

    async def close(self) -> None:
        """End every connection; no owner is told."""
        for peer in list(self._peers):
            peer.close()
        await asyncio.gather(*self._closing)

    def forget(self, peer: _AiortcPeer, ending: Coroutine[Any, Any, None]) -> None:  # Any: asyncio's business
        """A connection is over, but for what `ending` has to do."""
        self._peers.discard(peer)
        task = asyncio.ensure_future(ending)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class _AiortcChannel:
    def __init__(self, channel: aiortc.RTCDataChannel, peer: _AiortcPeer) -> None:
        self._channel = channel
        self._peer = peer

    @property
    def buffered_bytes(self) -> int:
        return self._channel.bufferedAmount

    def send(self, frame: bytes) -> None:
        try:
            self._channel.send(frame)
        except aiortc.InvalidStateError:
            return  # closed in between; `on_closed` is on its way
        except ValueError:  # larger than the other end's description allows: it cannot speak our protocol
            asyncio.get_running_loop().call_soon(self._peer.end)


class _AiortcPeer:
    def __init__(self, events: PeerEvents, stun: Sequence[str], engine: AiortcEngine) -> None:
        self._events: PeerEvents | None = events
        self._engine = engine
        servers = [aiortc.RTCIceServer(urls=url) for url in stun[:1]]
        self._connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=servers))
        self._connection.on("datachannel", self._arrived)
        self._connection.on("connectionstatechange", self._state_changed)
        self._channel: aiortc.RTCDataChannel | None = None
        self._opened = False
        self._candidates = 0
        self._waiting: list[IceCandidate] = []
        self._local_sdp = ""
        self._remote_sdp = ""

    @property
    def local_sdp(self) -> str:
        return self._local_sdp

    @property
    def remote_sdp(self) -> str:
        return self._remote_sdp

    async def create_offer(self) -> str:
        self._require()
        self._watch(self._connection.createDataChannel(CHANNEL_LABEL))
        return await self._describe_ourselves()

    async def accept_offer(self, sdp: str) -> str:
        await self._set_remote("offer", sdp)
        return await self._describe_ourselves()

    async def accept_answer(self, sdp: str) -> None:
        await self._set_remote("answer", sdp)

    async def add_candidate(self, candidate: IceCandidate) -> None:
        if self._events is None or self._candidates >= CANDIDATES_MAX:
            return
        self._candidates += 1
        if not self._remote_sdp:
            self._waiting.append(candidate)
            return
        try:
            found = candidate_from_sdp(candidate.candidate.removeprefix("candidate:"))
            found.sdpMid, found.sdpMLineIndex = candidate.sdp_mid, candidate.sdp_m_line_index
            await self._connection.addIceCandidate(found)
        except _REFUSALS:
            return  # rule of the interface: a candidate that cannot be used is ignored

    def close(self) -> None:
        if self._events is not None:
            self._events = None
            self._engine.forget(self, self._wind_up())

    def end(self) -> None:
        """The connection is over, and not by us."""
        events = self._events
        if events is not None:
            self.close()
            events.on_closed("peer_closed" if self._opened else "peer_unreachable")

    async def _wind_up(self) -> None:
        channel = self._channel
        if channel is not None and self._opened and channel.readyState == "open":
            closed = asyncio.Event()
            channel.on("close", closed.set)
            channel.close()
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await closed.wait()
            except TimeoutError:
                pass  # the other end is gone, or slow: it will find out by itself
        await self._connection.close()

    async def _describe_ourselves(self) -> str:
        try:
            await self._connection.setLocalDescription()
        except _STATE_ERRORS as error:
            raise SourceError("peer_closed", "the connection was closed") from error
        self._require()
        self._local_sdp = self._connection.localDescription.sdp
        return self._local_sdp

    async def _set_remote(self, kind: str, sdp: str) -> None:
        self._require()
        self._candidates += len(_CANDIDATE.findall(sdp))
        if not _is_usable(sdp) or self._candidates > CANDIDATES_MAX:
            raise SourceError("peer_unreachable", f"the peer's {kind} cannot be used")
        try:
            await self._connection.setRemoteDescription(aiortc.RTCSessionDescription(sdp=sdp, type=kind))
        except (*_REFUSALS, *_STATE_ERRORS) as error:
            raise SourceError("peer_unreachable", f"the peer's {kind} cannot be used") from error
        self._require()
        self._remote_sdp = sdp
        waiting, self._waiting = self._waiting, []
        self._candidates -= len(waiting)
        for candidate in waiting:
            await self.add_candidate(candidate)

    def _require(self) -> None:
        if self._events is None:
            raise SourceError("peer_closed", "the connection was closed")

    # --- what the engine tells; on the loop, in its own tasks ---

    def _arrived(self, channel: aiortc.RTCDataChannel) -> None:
        if self._channel is None and channel.label == CHANNEL_LABEL:
            self._watch(channel)
            self._open()

    def _watch(self, channel: aiortc.RTCDataChannel) -> None:
        self._channel = channel
        channel.bufferedAmountLowThreshold = SEND_BUFFER_LOW_BYTES
        channel.on("open", self._open)
        channel.on("message", self._received)
        channel.on("bufferedamountlow", self._drained)
        channel.on("close", self.end)

    def _open(self) -> None:
        if self._events is not None and self._channel is not None and not self._opened:
            self._opened = True
            self._events.on_channel(_AiortcChannel(self._channel, self))

    def _received(self, message: bytes | str) -> None:
        if self._events is not None:
            self._events.on_message(message.encode() if isinstance(message, str) else message)

    def _drained(self) -> None:
        if self._events is not None:
            self._events.on_writable()

    def _state_changed(self) -> None:
        if self._connection.connectionState in ("failed", "closed"):
            self.end()


def _is_usable(sdp: str) -> bool:
    """Whether a description is of data channels only, and says whose certificate is to be expected."""
    media = _MEDIA.findall(sdp)
    return len(media) == 1 and _DATA_CHANNELS.fullmatch(media[0]) is not None and fingerprint_of(sdp) is not None
