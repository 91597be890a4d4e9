"""What we need of a WebRTC engine, and no more: our own small interface, so that engines can be exchanged.

Rules for adapters (each is tested in `tests/integration/test_webrtc_adapters.py`):

1. All callbacks come on the asyncio loop that made the connection, in order, never from within a call of ours.
2. After `close` no callback comes any more. `close` may be called twice, and closes the channel in order, so that the
   other end learns of it at once.
3. `on_closed` comes exactly once when the other end closes or is found dead (which may take many seconds: owners have
   deadlines of their own); not after our own `close`.
4. A channel is handed to `on_channel` once it can send, and always before the first `on_message`.
5. Channels are ordered and reliable. `send` never blocks; whoever sends looks at `buffered_bytes` first.

The interface has neither media nor statistics nor renegotiation. ICE candidates trickle both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct

CHANNEL_LABEL: Final = "dio"
"""Label of the one channel of a connection (spec/peer-frames.md section 1)."""

SEND_BUFFER_HIGH_BYTES: Final = 1_048_576
"""Stop sending above this (measurements: engines differ in what they do when their buffers are full)."""

SEND_BUFFER_LOW_BYTES: Final = 262_144
"""`on_writable` comes when the buffer falls below this."""


class IceCandidate(Struct, frozen=True):
    """One candidate (RFC 8838). An empty `candidate` ends the candidates."""

    candidate: str
    sdp_mid: str | None = None
    sdp_m_line_index: int | None = None


class Channel(Protocol):
    """An open, ordered, reliable data channel."""

    @property
    def buffered_bytes(self) -> int:
        """Bytes handed to `send` that did not leave yet."""
        ...

    def send(self, frame: bytes) -> None:
        """Queue one message. On a channel that is closed it does nothing: `on_closed` tells."""
        ...


class PeerEvents(Protocol):
    """What a connection tells its owner; see the rules above."""

    def on_candidate(self, candidate: IceCandidate) -> None:
        """A candidate of ours is to be sent to the other end."""
        ...

    def on_channel(self, channel: Channel) -> None:
        """The channel is open."""
        ...

    def on_message(self, frame: bytes) -> None:
        """A message came."""
        ...

    def on_writable(self) -> None:
        """The send buffer fell below its low mark."""
        ...

    def on_closed(self, code: str) -> None:
        """The connection is over: `peer_closed` after it was open, `peer_unreachable` before."""
        ...


class PeerConnection(Protocol):
    """One connection. All methods are for the loop that made it."""

    @property
    def local_sdp(self) -> str:
        """Our description, "" before it was made."""
        ...

    @property
    def remote_sdp(self) -> str:
        """The other end's description, "" before it came."""
        ...

    async def create_offer(self) -> str:
        """Make the channel and an offer; candidates follow by `on_candidate`."""
        ...

    async def accept_offer(self, sdp: str) -> str:
        """Take the other end's offer and return our answer.

        Raises:
            SourceError: `peer_unreachable` when the engine cannot use the description.
        """
        ...

    async def accept_answer(self, sdp: str) -> None:
        """Take the other end's answer. Raises as `accept_offer`."""
        ...

    async def add_candidate(self, candidate: IceCandidate) -> None:
        """Take a candidate of the other end. One that cannot be used is ignored: others may do."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class WebRtcEngine(Protocol):
    """Makes connections."""

    def connect(self, events: PeerEvents, *, stun: Sequence[str]) -> PeerConnection:
        """A new connection that uses these `stun:` URLs. Call it on the loop that is to get the events."""
        ...

    async def close(self) -> None:
        """End what the engine itself runs. Connections that are left end too, and no owner is told."""
        ...
