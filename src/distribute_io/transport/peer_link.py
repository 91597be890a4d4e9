"""One connection to one peer inside a match, from its description to its last frame, for either role.

Does: makes or answers the offer, relays candidates, makes the ticket proofs, turns messages into frames
(spec/session.md section 4, spec/peer-frames.md sections 1 and 3). What frames mean is decided by `PeerTaker` or
`PeerGiver`, which the owner makes when `on_proven` is called.

Rules:

1. Candidates that are gathered before the match is known are kept and sent right after it.
2. Frames that come before the proofs are there are kept, a few of them.
3. Every link ends with exactly one `on_link_closed`, unless its owner closed it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from distribute_io.errors import RemoteProtocolError, SourceError
from distribute_io.manifest.base64_text import decode_base64
from distribute_io.transport.webrtc import Channel, IceCandidate, WebRtcEngine
from distribute_io.wire.codec import decode_signal
from distribute_io.wire.frames import ROLE_DONOR, ROLE_DOWNLOADER, Frame, decode, encode
from distribute_io.wire.limits import SIGNALS_PER_MATCH_MAX
from distribute_io.wire.proofs import fingerprint_of, ticket_proof
from distribute_io.wire.session import AnswerSignal, AnySignal, CandidateSignal, Match, OfferSignal

_EARLY_FRAMES_MAX: Final = 128
"""Frames that may come before the proofs are ready: hello, holdings, a grant and some requests."""

_GOODBYE_S: Final = 0.2
"""How long a closed channel may take to send its last frames before the connection goes."""


class Proofs(Struct, frozen=True, kw_only=True):
    """What the hellos of both ends must carry."""

    match_id: bytes
    own_proof: bytes
    peer_proof: bytes


class LinkEvents(Protocol):
    """What a link tells its owner, on the loop."""

    def on_offered(self, sdp: str) -> None:
        """The offer is there (links that offer, before or after `bind`)."""
        ...

    def on_signal(self, payload: AnySignal) -> None:
        """Relay this in the match."""
        ...

    def on_proven(self, proofs: Proofs) -> None:
        """Both fingerprints are known: make the machine. Comes before any frame."""
        ...

    def on_opened(self) -> None:
        """The channel is open."""
        ...

    def on_frame(self, frame: Frame) -> None:
        """The other end sent a frame."""
        ...

    def on_writable(self) -> None:
        """The channel's queue has fallen to its low mark."""
        ...

    def on_link_closed(self, code: str) -> None:
        """The connection is gone; `code` says why."""
        ...


class PeerLink:
    """One connection. Caller's duties: `offer` or `answer` once, `bind` when the match is known, `close` at the end."""

    def __init__(self, engine: WebRtcEngine, role: int, events: LinkEvents, *, stun: Sequence[str]) -> None:
        self._role = role
        self._events = events
        self._connection = engine.connect(self, stun=stun)
        self._offers = False
        self._match: Match | None = None
        self._local_sdp = ""
        self._remote_sdp = ""
        self._candidates: list[IceCandidate] = []
        self._signals_sent = 0
        self._channel: Channel | None = None
        self._proven = False
        self._early: list[Frame] = []
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def local_sdp(self) -> str:
        """Our description; "" until it is there."""
        return self._local_sdp

    @property
    def buffered_bytes(self) -> int:
        """Bytes that were sent and have not left yet."""
        return 0 if self._channel is None else self._channel.buffered_bytes

    def offer(self) -> None:
        """Make an offer; `on_offered` follows."""
        self._offers = True
        self._run(self._make_offer())

    def answer(self, offer: str) -> None:
        """Answer the other end's offer; the answer is signalled."""
        self._run(self._answer(offer))

    def bind(self, match: Match) -> None:
        """The match that this link is for. Once; for links that answer before `answer`."""
        self._match = match
        waiting, self._candidates = self._candidates, []
        for candidate in waiting:
            self.on_candidate(candidate)
        self._prove()

    def heed(self, payload: msgspec.Raw) -> None:
        """The other end's signal in this match. What does not fit the moment is ignored: it may be of an older try."""
        try:
            signal = decode_signal(payload)
        except RemoteProtocolError:
            # The other peer wrote it, the coordinator relays unseen: that peer is not to be talked with.
            self._end("peer_unreachable")
            return
        match signal:
            case CandidateSignal(candidate, sdp_mid, line_index):
                if candidate:
                    self._run(self._connection.add_candidate(IceCandidate(candidate, sdp_mid, line_index)))
            case AnswerSignal(sdp):
                if self._offers and not self._remote_sdp:
                    self._remote_sdp = sdp
                    self._run(self._connection.accept_answer(sdp))
                    self._prove()
            case OfferSignal(sdp):
                if not self._offers and not self._remote_sdp:
                    self.answer(sdp)

    def send(self, frame: Frame) -> None:
        """Send a frame."""
        self.send_bytes(encode(frame))

    def send_bytes(self, frame: bytes) -> None:
        """Send an encoded frame."""
        if self._channel is not None and not self._closed:
            self._channel.send(frame)

    def close(self) -> None:
        """Close the connection, after what was sent has left. Nothing is told of it any more."""
        if self._closed:
            return
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._channel is not None and self._channel.buffered_bytes:
            # Our goodbye is still in the queue; dropping the connection would take it along.
            asyncio.get_running_loop().call_later(_GOODBYE_S, self._connection.close)
        else:
            self._connection.close()

    # --- PeerEvents of the engine ---

    def on_candidate(self, candidate: IceCandidate) -> None:
        """See `PeerEvents`."""
        if self._match is None:
            self._candidates.append(candidate)
        elif self._signals_sent < SIGNALS_PER_MATCH_MAX - 1:  # one of the signals of a match is the description
            self._signals_sent += 1
            self._events.on_signal(CandidateSignal(candidate.candidate, candidate.sdp_mid, candidate.sdp_m_line_index))

    def on_channel(self, channel: Channel) -> None:
        """See `PeerEvents`."""
        self._channel = channel
        if self._proven:
            self._events.on_opened()

    def on_message(self, frame: bytes) -> None:
        """See `PeerEvents`."""
        try:
            decoded = decode(frame)
        except RemoteProtocolError as error:
            self._end(error.code)
            return
        if self._proven:
            self._events.on_frame(decoded)
        elif len(self._early) < _EARLY_FRAMES_MAX:
            self._early.append(decoded)
        else:
            self._end("frame_unexpected")

    def on_writable(self) -> None:
        """See `PeerEvents`."""
        if self._proven:
            self._events.on_writable()

    def on_closed(self, code: str) -> None:
        """See `PeerEvents`."""
        self._end(code)

    # ---

    async def _make_offer(self) -> None:
        self._local_sdp = await self._connection.create_offer()
        self._events.on_offered(self._local_sdp)
        self._prove()

    async def _answer(self, offer: str) -> None:
        self._remote_sdp = offer
        self._local_sdp = await self._connection.accept_offer(offer)
        self._events.on_signal(AnswerSignal(self._local_sdp))
        self._prove()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:  # Any: what a coroutine yields is asyncio's business
        if self._closed:
            coroutine.close()
            return
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ran)

    def _ran(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, SourceError):
            self._end(error.code)
        elif error is not None:
            raise error

    def _prove(self) -> None:
        match = self._match
        if self._proven or self._closed or match is None or not self._local_sdp or not self._remote_sdp:
            return
        own, peer = fingerprint_of(self._local_sdp), fingerprint_of(self._remote_sdp)
        secret = decode_base64(match.ticket.secret)
        if own is None or peer is None or secret is None:
            self._end("ticket_stolen")
            return
        match_id = bytes.fromhex(match.match_id)
        offerer, answerer = (own, peer) if self._offers else (peer, own)

        def proof(role: int) -> bytes:
            return ticket_proof(
                secret, role=role, match_id=match_id, offerer_fingerprint=offerer, answerer_fingerprint=answerer
            )

        self._proven = True
        other = ROLE_DONOR if self._role == ROLE_DOWNLOADER else ROLE_DOWNLOADER
        self._events.on_proven(Proofs(match_id=match_id, own_proof=proof(self._role), peer_proof=proof(other)))
        if self._channel is not None and not self._closed:
            self._events.on_opened()
        early, self._early = self._early, []
        for frame in early:
            if not self._closed:
                self._events.on_frame(frame)

    def _end(self, code: str) -> None:
        if not self._closed:
            self.close()
            self._events.on_link_closed(code)
