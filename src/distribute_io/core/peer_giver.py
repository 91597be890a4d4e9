"""The donor's end of a peer channel (spec/peer-frames.md), without a channel: feed it, do what it says.

Decides: when to greet, which requests are taken, what may be sent next under the downloader's grants, what is a breach
of the protocol. Does not decide: when to send (rate, fairness and the channel's own queue are the caller's), nor what
is in a segment. `client/src/core/peer-giver.ts` is the same in TypeScript.

Invariants: never a payload byte above the largest grant; at most `REQUESTS_OPEN_MAX` requests are kept; nothing is
served before the downloader proved its ticket, and nothing that `size_of` does not know; what one match may take, ask
and hold a place for is bounded by what was stated as held (section 8).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from enum import Enum
from typing import Final

from msgspec import Struct

from distribute_io.core import runs as run_sets
from distribute_io.core.runs import Runs
from distribute_io.wire.frames import (
    BYE_CODES,
    DATA_HEADER_BYTES,
    ROLE_DONOR,
    ROLE_DOWNLOADER,
    ByeFrame,
    CancelFrame,
    Frame,
    GrantFrame,
    HelloFrame,
    HoldingsFrame,
    ReceiptFrame,
    RefuseFrame,
    RequestFrame,
)
from distribute_io.wire.limits import (
    FRAME_BYTES_GROWN,
    FRAME_BYTES_MAX,
    FRAME_BYTES_START,
    PEER_HELLO_TIMEOUT_MS,
    PROTOCOL_VERSION,
    REQUESTS_OPEN_MAX,
    RUNS_MAX,
)

IDLE_US: Final = 120_000_000
"""A greeted downloader that takes nothing for so long makes room for another."""

IDLE_BYTES: Final = 65_536
"""Payload that renews all of `IDLE_US`, less of it in proportion: the smallest range that is asked for as a rule."""

SLACK_BYTES: Final = 4 * 2**20
"""What may be asked for beyond twice what was stated: the largest window, on the way when a request is given up."""

FRAMES_BURST: Final = 1_024
"""Frames that a downloader may send at once: a full set of requests, given up and made anew, eight times."""

_FRAMES_PER_S: Final = 64
_FRAME_PAYLOAD_BYTES: Final = 4_096
"""Payload for which one frame more is expected: a grant comes for 16 KiB and more, a request for 64 KiB as a rule."""

FRAME_BYTES_MIN: Final = 1024
"""The smallest `frame_bytes_max` that a hello may have."""

_HELLO_TIMEOUT_US: Final = PEER_HELLO_TIMEOUT_MS * 1_000

REFUSE_NOT_HELD: Final = 1
REFUSE_BUSY: Final = 2
REFUSE_OVER_BUDGET: Final = 3
REFUSE_PEER: Final = 4

BYE_DONE: Final = 0
BYE_BUSY: Final = 1
BYE_OVER_BUDGET: Final = 2
BYE_TICKET: Final = 3
BYE_PROTOCOL: Final = 4
BYE_FLOOD: Final = 5

WireRuns = tuple[tuple[int, int], ...]
"""`(start, count)` runs, as on the wire."""


class Send(Struct, frozen=True):
    """Send this frame."""

    frame: Frame


class Greeted(Struct, frozen=True):
    """The downloader proved its ticket."""


class Ready(Struct, frozen=True):
    """There may be something to send now: ask `next_chunk`."""


class ForwardReceipt(Struct, frozen=True):
    """Forward this receipt to the coordinator, unchanged."""

    bytes_total: int
    mac: bytes


class Close(Struct, frozen=True):
    """Over. `by_peer`: the other end said goodbye, for this reason."""

    code: str
    by_peer: bool


GiverAction = Send | Greeted | Ready | ForwardReceipt | Close


class Chunk(Struct, frozen=True):
    """The next stretch to send: `length` bytes from `offset` of the segment of that digest."""

    request_id: int
    digest: bytes
    offset: int
    length: int


class GiverConfig(Struct, frozen=True, kw_only=True):
    """What the giver needs to know of its connection."""

    match_id: bytes
    """16 bytes."""
    own_proof: bytes
    """What our hello carries, 32 bytes."""
    peer_proof: bytes
    """What the downloader's hello must carry, 32 bytes."""
    ticket_expires_us: int
    """End of the ticket's life, on the caller's clock."""
    size_of: Callable[[bytes], int | None]
    """Size of a segment of the matched file that is held, by its digest; None when it is not held."""
    holdings: WireRuns
    """What is held of the matched file."""
    frame_bytes_max: int
    """The largest frame that the rate cap allows: a quarter of a second of it. At least `FRAME_BYTES_MIN`."""


class _State(Enum):
    NEW = "new"
    GREETING = "greeting"
    OPEN = "open"
    CLOSED = "closed"


class _Request(Struct):
    digest: bytes
    offset: int
    length: int
    sent_bytes: int = 0


class PeerGiver:
    """One channel's donor. The caller's duties, in order:

    1. Construct it with both proofs, as soon as both session descriptions are known.
    2. After every call perform all actions, in order; then ask for `next_deadline_us` and call `tick` at that time.
    3. Whenever the channel and the rate have room: ask `next_chunk`, read that stretch, send it as DATA, call `sent`.
       When the stretch cannot be read, call `withdraw` instead.
    4. When the holdings change, call `set_holdings`.
    5. After `Close` call nothing more, and close the connection.
    """

    def __init__(self, config: GiverConfig) -> None:
        self._config = config
        # In the order in which they came: one segment is finished before the next is begun.
        self._open: dict[int, _Request] = {}
        self._state = _State.NEW
        self._opened_us = 0
        self._busy_us = 0
        self._peer_frame_bytes_max = FRAME_BYTES_START
        self._frame_bytes_max = config.frame_bytes_max
        self._window_bytes = 0
        self._granted_bytes = 0
        self._sent_bytes = 0
        self._receipted_bytes = 0
        # What bounds one match: segments stated so far, the largest that was asked for, frames that came.
        self._stated: Runs = ()
        self._stated_segments = 0
        self._segment_bytes = 0
        self._frames = 0

    @property
    def sent_bytes(self) -> int:
        """Bytes of payload sent on this channel."""
        return self._sent_bytes

    @property
    def open_requests(self) -> int:
        """Requests not answered yet."""
        return len(self._open)

    def opened(self, now_us: int) -> list[GiverAction]:
        """The channel is open (or a frame came, which says the same). May be told again."""
        if self._state is not _State.NEW:
            return []
        self._state = _State.GREETING
        self._opened_us = now_us
        hello = HelloFrame(
            version=PROTOCOL_VERSION,
            role=ROLE_DONOR,
            match_id=self._config.match_id,
            proof=self._config.own_proof,
            frame_bytes_max=FRAME_BYTES_MAX,
        )
        return [Send(hello)]

    def receive(self, frame: Frame, now_us: int) -> list[GiverAction]:
        """A frame came."""
        if self._state is _State.CLOSED:
            return []
        return [*self.opened(now_us), *self._receive(frame, now_us)]

    def set_holdings(self, runs: WireRuns) -> list[GiverAction]:
        """What is held of the matched file has changed."""
        return self._state_holdings(runs) if self._state is _State.OPEN else []

    def set_frame_bytes_max(self, frame_bytes_max: int) -> None:
        """The rate cap has changed, and with it the largest frame. At least `FRAME_BYTES_MIN`."""
        self._frame_bytes_max = frame_bytes_max

    def next_chunk(self) -> Chunk | None:
        """What to send next; None when nothing is asked for or the grant is used up. Changes nothing."""
        if self._state is not _State.OPEN:
            return None
        for request_id, request in self._open.items():
            left = request.length - request.sent_bytes
            length = min(left, self._frame_bytes() - DATA_HEADER_BYTES)
            # Whole frames or nothing: a grant in crumbs must not become frames in crumbs. The downloader grants again
            # when a quarter of its window was processed, and a frame is no more than that: this never waits for ever.
            if length > self._granted_bytes - self._sent_bytes:
                return None
            return Chunk(request_id, request.digest, request.offset + request.sent_bytes, length)
        return None

    def sent(self, chunk: Chunk, now_us: int) -> None:
        """The chunk that `next_chunk` named was handed to the channel."""
        self._sent_bytes += chunk.length
        self._busy_us = min(now_us, self._busy_us + chunk.length * IDLE_US // IDLE_BYTES)
        request = self._open.get(chunk.request_id)
        # While it was read, the request may have been cancelled or begun again.
        if request is None or request.offset + request.sent_bytes != chunk.offset:
            return
        request.sent_bytes += chunk.length
        if request.sent_bytes == request.length:
            del self._open[chunk.request_id]

    def withdraw(self, request_id: int, code: int) -> list[GiverAction]:
        """An open request cannot be answered after all; `code` is of `REFUSAL_CODES`."""
        if self._open.pop(request_id, None) is None or self._state is not _State.OPEN:
            return []
        return [Send(RefuseFrame(request_id, code))]

    def fail(self, code: str) -> list[GiverAction]:
        """What came cannot be parsed, or the channel broke: `code` says which."""
        return self._end(BYE_PROTOCOL, code)

    def leave(self, bye: int) -> list[GiverAction]:
        """We are done: `bye` is a number of `BYE_CODES` (0 done, 1 busy, 2 over budget)."""
        return self._end(bye, BYE_CODES[bye])

    def tick(self, now_us: int) -> list[GiverAction]:
        """The time that `next_deadline_us` named has come."""
        deadline_us = self.next_deadline_us()
        if deadline_us is None or now_us < deadline_us:
            return []
        return self._end(BYE_DONE, "hello_timeout" if self._state is _State.GREETING else "idle_timeout")

    def next_deadline_us(self) -> int | None:
        """When `tick` must be called next; None for never."""
        if self._state is _State.GREETING:
            return self._opened_us + _HELLO_TIMEOUT_US
        return self._busy_us + IDLE_US if self._state is _State.OPEN else None

    def _receive(self, frame: Frame, now_us: int) -> list[GiverAction]:
        if isinstance(frame, ByeFrame):
            self._state = _State.CLOSED
            self._open.clear()
            return [Close(BYE_CODES.get(frame.code, "peer_closed"), by_peer=True)]
        if self._state is not _State.OPEN:
            if isinstance(frame, HelloFrame):
                return self._greeted(frame, now_us)
            return self._end(BYE_PROTOCOL, "frame_unexpected")
        self._frames += 1
        if self._frames > self._frames_max(now_us):
            return self._end(BYE_FLOOD, "flood")
        match frame:
            case GrantFrame(window_bytes, granted_bytes):
                self._window_bytes = window_bytes
                self._granted_bytes = max(self._granted_bytes, granted_bytes)
                return [Ready()] if self._open else []
            case RequestFrame():
                return self._take(frame)
            case CancelFrame(request_id):
                self._open.pop(request_id, None)
                return []
            case ReceiptFrame(bytes_total, mac):
                return self._forward(bytes_total, mac)
            case _:
                return self._end(BYE_PROTOCOL, "frame_unexpected")

    def _greeted(self, hello: HelloFrame, now_us: int) -> list[GiverAction]:
        if hello.version != PROTOCOL_VERSION:
            return self._end(BYE_PROTOCOL, "protocol_version")
        if hello.role != ROLE_DOWNLOADER:
            return self._end(BYE_PROTOCOL, "frame_unexpected")
        if hello.match_id != self._config.match_id:
            return self._end(BYE_TICKET, "ticket_unknown")
        if not hmac.compare_digest(hello.proof, self._config.peer_proof):
            return self._end(BYE_TICKET, "ticket_stolen")
        if now_us > self._config.ticket_expires_us:
            return self._end(BYE_TICKET, "ticket_expired")
        self._state = _State.OPEN
        self._busy_us = now_us
        self._peer_frame_bytes_max = hello.frame_bytes_max
        return [Greeted(), *self._state_holdings(self._config.holdings)]

    def _take(self, frame: RequestFrame) -> list[GiverAction]:
        known = self._open.get(frame.request_id)
        if known is not None:
            if (known.digest, known.offset, known.length) != (frame.digest, frame.offset, frame.length):
                return self._end(BYE_PROTOCOL, "frame_unexpected")
            if not self._may_ask(known.sent_bytes):
                return self._end(BYE_FLOOD, "flood")
            known.sent_bytes = 0
            return [Ready()]
        if len(self._open) >= REQUESTS_OPEN_MAX:
            return [Send(RefuseFrame(frame.request_id, REFUSE_BUSY))]
        size_bytes = self._config.size_of(frame.digest)
        if size_bytes is None:
            return [Send(RefuseFrame(frame.request_id, REFUSE_NOT_HELD))]
        if frame.offset + frame.length > size_bytes:
            return [Send(RefuseFrame(frame.request_id, REFUSE_PEER))]
        self._segment_bytes = max(self._segment_bytes, size_bytes)
        if not self._may_ask(frame.length):
            return self._end(BYE_FLOOD, "flood")
        self._open[frame.request_id] = _Request(frame.digest, frame.offset, frame.length)
        return [Ready()]

    def _may_ask(self, more_bytes: int) -> bool:
        """Whether this match may still take so many bytes, beside what it took and what it waits for."""
        waiting_bytes = sum(request.length - request.sent_bytes for request in self._open.values())
        most_bytes = 2 * self._stated_segments * self._segment_bytes + SLACK_BYTES
        return self._sent_bytes + waiting_bytes + more_bytes <= most_bytes

    def _frames_max(self, now_us: int) -> int:
        """Frames that may have come by now."""
        since_us = now_us - self._opened_us
        return FRAMES_BURST + since_us * _FRAMES_PER_S // 1_000_000 + self._sent_bytes // _FRAME_PAYLOAD_BYTES

    def _state_holdings(self, runs: WireRuns) -> list[GiverAction]:
        held = tuple((start, start + segments) for start, segments in runs)
        self._stated_segments += run_sets.count(run_sets.difference(held, self._stated))
        self._stated = held
        return statement(runs)

    def _forward(self, bytes_total: int, mac: bytes) -> list[GiverAction]:
        # The MAC is the coordinator's to check; more than was ever sent is wrong whatever the MAC says.
        if bytes_total > self._sent_bytes:
            return self._end(BYE_PROTOCOL, "receipt_invalid")
        if bytes_total <= self._receipted_bytes:
            return []
        self._receipted_bytes = bytes_total
        return [ForwardReceipt(bytes_total, mac)]

    def _frame_bytes(self) -> int:
        """Size of the next full frame, header included."""
        grown = FRAME_BYTES_GROWN if self._window_bytes >= 4 * FRAME_BYTES_GROWN else FRAME_BYTES_START
        quarter = max(FRAME_BYTES_MIN, self._window_bytes // 4)
        return min(grown, quarter, self._peer_frame_bytes_max, self._frame_bytes_max)

    def _end(self, bye: int, code: str) -> list[GiverAction]:
        if self._state is _State.CLOSED:
            return []
        said = self._state is not _State.NEW
        self._state = _State.CLOSED
        self._open.clear()
        close = Close(code, by_peer=False)
        return [Send(ByeFrame(bye)), close] if said else [close]


def statement(runs: WireRuns) -> list[GiverAction]:
    """The frames of one statement of holdings."""
    return [
        Send(HoldingsFrame(runs[at : at + RUNS_MAX], more=at + RUNS_MAX < len(runs)))
        for at in range(0, max(1, len(runs)), RUNS_MAX)
    ]
