"""The WebRTC engine `reactor-webrtc` (libwebrtc) behind our interface.

What is known of 0.24.2 and handled here:

- Callbacks come from libwebrtc's threads. They only append to a queue and wake the loop once per burst.
- The observer is read when the connection is made: callbacks set later are never called.
- There is no `close` of a connection: it ends when its last reference is dropped. So callbacks hold the mailbox, never
  the connection, and the channel's own `close` tells the other end.
- A killed peer is noticed by the connection state only (after about 16 s), never by the channel's `on_close`.
- Remote candidates that come before the remote description are refused, so they wait.
- `send` raises when 16 MiB are buffered or the channel is closed.
- A connection that is alive when the interpreter ends calls back into it, and the process aborts: so `close` ends all.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Sequence

import reactor_webrtc as rtc
from msgspec import Struct

from distribute_io.errors import SourceError
from distribute_io.transport.webrtc import (
    CHANNEL_LABEL,
    SEND_BUFFER_LOW_BYTES,
    IceCandidate,
    PeerConnection,
    PeerEvents,
)

_CANDIDATES_WAITING_MAX = 64
_GOODBYE_S = 0.2
_GOODBYE_LOOKS = 20
"""For what was handed to connections before the engine is closed."""

_ENDED_STATES = (rtc.PeerConnectionState.Failed, rtc.PeerConnectionState.Closed)


@functools.cache
def _factory() -> rtc.PeerConnectionFactory:
    """The process's only factory: the engine refuses a second one while anything of the first is alive."""
    return rtc.PeerConnectionFactory()


class ReactorEngine:
    """Makes connections on the process's libwebrtc factory, whose threads they share."""

    def __init__(self) -> None:
        self._factory = _factory()
        self._peers: set[_ReactorPeer] = set()

    def connect(self, events: PeerEvents, *, stun: Sequence[str]) -> PeerConnection:
        """A new connection whose events come on the running loop."""
        peer = _ReactorPeer(self._factory, events, stun, on_end=self._peers.discard)
        self._peers.add(peer)
        return peer

    async def close(self) -> None:
        """End the connections that are left, some of them with a goodbye still to send; no owner is told."""
        for _ in range(_GOODBYE_LOOKS):
            if not any(peer.is_sending for peer in self._peers):
                break
            await asyncio.sleep(_GOODBYE_S / _GOODBYE_LOOKS)
        for peer in list(self._peers):
            peer.close()


class _Candidate(Struct, frozen=True):
    candidate: IceCandidate


class _Arrived(Struct, frozen=True):
    """The other end made a channel."""

    channel: rtc.DataChannel


class _Opened(Struct, frozen=True):
    pass


class _Message(Struct, frozen=True):
    frame: bytes


class _Writable(Struct, frozen=True):
    pass


class _Ended(Struct, frozen=True):
    pass


_Happening = _Candidate | _Arrived | _Opened | _Message | _Writable | _Ended


class _Mailbox:
    """Carries what happens on libwebrtc's threads to the loop; the only thing that the engine's callbacks refer to."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: _ReactorPeer) -> None:
        self._loop = loop
        self._happenings: deque[_Happening] = deque()
        self._scheduled = False
        self.owner: _ReactorPeer | None = owner

    def post(self, happening: _Happening) -> None:
        """Called on foreign threads. The queue is bounded by what the peer protocol grants."""
        self._happenings.append(happening)
        if not self._scheduled:
            # Two threads may both get here; then the second wake-up finds an empty queue.
            self._scheduled = True
            try:
                self._loop.call_soon_threadsafe(self._drain)
            except RuntimeError:
                self.owner = None  # the loop is closed, so nobody is left to be told

    def _drain(self) -> None:
        self._scheduled = False  # before the queue is read: what is posted from here on wakes the loop again
        while self._happenings:
            happening = self._happenings.popleft()
            if self.owner is not None:
                self.owner.handle(happening)


class _ReactorChannel:
    def __init__(self, channel: rtc.DataChannel) -> None:
        self._channel = channel

    @property
    def buffered_bytes(self) -> int:
        return self._channel.buffered_amount()

    def send(self, frame: bytes) -> None:
        try:
            self._channel.send(frame)
        except rtc.DataChannelQueueFull:
            raise
        except RuntimeError:
            return  # closed in between; `on_closed` is on its way

    def close(self) -> None:
        self._channel.close(0.0)


class _ReactorPeer:
    def __init__(
        self,
        factory: rtc.PeerConnectionFactory,
        events: PeerEvents,
        stun: Sequence[str],
        on_end: Callable[[_ReactorPeer], None],
    ) -> None:
        self._events: PeerEvents | None = events
        self._on_end = on_end
        self._mailbox = mailbox = _Mailbox(asyncio.get_running_loop(), self)
        self._channel: _ReactorChannel | None = None
        self._opened = False
        self._waiting: list[IceCandidate] = []
        self._local_sdp = ""
        self._remote_sdp = ""
        observer = rtc.PeerConnectionObserver()
        observer.on_ice_candidate = lambda found: mailbox.post(
            _Candidate(IceCandidate(found.candidate, found.sdp_mid, found.sdp_mline_index))
        )
        observer.on_connection_state_change = lambda state: mailbox.post(_Ended()) if state in _ENDED_STATES else None
        # The callbacks must be in place before this one returns: the first message may follow at once.
        observer.on_data_channel = lambda channel: _watch(channel, mailbox, arrived=True)
        servers = [rtc.IceServer(urls=list(stun))] if stun else []
        config = rtc.RtcConfiguration(ice_servers=servers, frame_metadata=False)
        self._connection: rtc.PeerConnection | None = factory.create_peer_connection(config, observer)

    @property
    def is_sending(self) -> bool:
        return self._channel is not None and self._opened and self._channel.buffered_bytes > 0

    @property
    def local_sdp(self) -> str:
        return self._local_sdp

    @property
    def remote_sdp(self) -> str:
        return self._remote_sdp

    async def create_offer(self) -> str:
        connection = self._require()
        channel = connection.create_data_channel(CHANNEL_LABEL)
        self._channel = _ReactorChannel(channel)
        _watch(channel, self._mailbox, arrived=False)
        offer = await connection.create_offer()
        await connection.set_local_description(offer)
        self._local_sdp = offer.sdp
        return offer.sdp

    async def accept_offer(self, sdp: str) -> str:
        try:
            await self._set_remote("offer", sdp)
            connection = self._require()
            answer = await connection.create_answer()
            await connection.set_local_description(answer)
        except (RuntimeError, ValueError) as error:
            raise SourceError("peer_unreachable", "the peer's offer cannot be used") from error
        self._local_sdp = answer.sdp
        return answer.sdp

    async def accept_answer(self, sdp: str) -> None:
        try:
            await self._set_remote("answer", sdp)
        except (RuntimeError, ValueError) as error:
            raise SourceError("peer_unreachable", "the peer's answer cannot be used") from error

    async def add_candidate(self, candidate: IceCandidate) -> None:
        if self._connection is None:
            return
        if not self._remote_sdp:
            if len(self._waiting) < _CANDIDATES_WAITING_MAX:
                self._waiting.append(candidate)
            return
        try:
            await self._connection.add_ice_candidate(
                rtc.IceCandidate(candidate.candidate, candidate.sdp_mid, candidate.sdp_m_line_index)
            )
        except (RuntimeError, ValueError):
            return  # rule of the interface: a candidate that cannot be used is ignored

    def close(self) -> None:
        channel, self._channel = self._channel, None
        self._mailbox.owner = None
        self._events = None
        if channel is not None:
            channel.close()
        self._connection = None
        self._on_end(self)

    def handle(self, happening: _Happening) -> None:
        """Pass on one thing that happened. On the loop."""
        events = self._events
        if events is None:
            return
        match happening:
            case _Candidate(candidate):
                events.on_candidate(candidate)
            case _Arrived(channel):
                if self._channel is None and channel.label() == CHANNEL_LABEL:
                    self._channel = _ReactorChannel(channel)
            case _Opened():
                self._open(events)
            case _Message(frame):
                self._open(events)  # a frame may overtake the news that the channel is open
                events.on_message(frame)
            case _Writable():
                if self._opened:
                    events.on_writable()
            case _Ended():
                self.close()
                events.on_closed("peer_closed" if self._opened else "peer_unreachable")

    def _open(self, events: PeerEvents) -> None:
        if self._opened or self._channel is None:
            return
        self._opened = True
        events.on_channel(self._channel)

    async def _set_remote(self, kind: str, sdp: str) -> None:
        await self._require().set_remote_description(rtc.SessionDescription(kind, sdp))
        self._remote_sdp = sdp
        waiting, self._waiting = self._waiting, []
        for candidate in waiting:
            await self.add_candidate(candidate)

    def _require(self) -> rtc.PeerConnection:
        if self._connection is None:
            raise SourceError("peer_closed", "the connection was closed")
        return self._connection


def _watch(channel: rtc.DataChannel, mailbox: _Mailbox, *, arrived: bool) -> None:
    """Send what happens on a channel to the mailbox. Called on the engine's thread for channels of the other end."""
    if channel.label() != CHANNEL_LABEL:
        return
    # What the lambdas refer to must not be the channel: the engine keeps them as long as it lives.
    channel.on_message(lambda data, _binary: mailbox.post(_Message(data)))
    channel.on_close(lambda: mailbox.post(_Ended()))
    channel.set_buffered_amount_low_threshold(SEND_BUFFER_LOW_BYTES)
    channel.on_buffered_amount_low(lambda: mailbox.post(_Writable()))
    if arrived:
        mailbox.post(_Arrived(channel))
    channel.on_open(lambda: mailbox.post(_Opened()))
    if channel.state() == rtc.DataChannelState.Open:
        mailbox.post(_Opened())  # it opened before the callback was set
