"""The downloader's end of a peer channel (spec/peer-frames.md), without a channel: feed it, do what it says.

Decides: when to greet, what to grant, which bytes are new, when to write a receipt, what is a breach of the protocol.
Does not decide: what to request (the scheduler), whether bytes are right (the digest of their segment).
`client/src/core/peer-taker.ts` is the same in TypeScript.

Invariants: the donor never has leave for more than `window` bytes beyond what was processed; at most
`REQUESTS_OPEN_MAX` requests are open; no byte of a request is delivered twice.
"""

from __future__ import annotations

import hmac
from enum import Enum
from typing import Final

from msgspec import Struct

from distribute_io.core.byte_cover import ByteCover
from distribute_io.core.peer_window import Window
from distribute_io.wire.frames import (
    BYE_CODES,
    DATA_HEADER_BYTES,
    REFUSAL_CODES,
    ROLE_DONOR,
    ROLE_DOWNLOADER,
    ByeFrame,
    CancelFrame,
    DataFrame,
    Frame,
    GrantFrame,
    HelloFrame,
    HoldingsFrame,
    RefuseFrame,
    RequestFrame,
)
from distribute_io.wire.limits import FRAME_BYTES_MAX, PEER_HELLO_TIMEOUT_MS, PROTOCOL_VERSION, REQUESTS_OPEN_MAX

STALL_US: Final = 2_000_000
"""Without a byte of what was asked for so long the window shrinks. The scheduler asks elsewhere by the same measure."""

_RECEIPT_EVERY_BYTES: Final = 8 * 1024 * 1024
_RECEIPT_EVERY_US: Final = 5_000_000
_HELLO_TIMEOUT_US: Final = PEER_HELLO_TIMEOUT_MS * 1_000

_HOLDING_RUNS_MAX: Final = 65_536
"""Runs kept of one statement of holdings: 16 full frames. A donor that cuts finer is not worth the memory."""

_BYE_DONE: Final = 0
_BYE_TICKET: Final = 3
_BYE_PROTOCOL: Final = 4


class Send(Struct, frozen=True):
    """Send this frame."""

    frame: Frame


class SignReceipt(Struct, frozen=True):
    """Make the MAC of this total and send the receipt, before any later `Send` and before `Close`."""

    bytes_total: int


class Greeted(Struct, frozen=True):
    """The other end proved itself."""


class Holdings(Struct, frozen=True):
    """All that the donor holds of the file now: `(start, count)` runs."""

    runs: tuple[tuple[int, int], ...]


class Deliver(Struct, frozen=True):
    """New bytes of a request, at `offset` of its segment. `payload` is a view of the message."""

    request_id: int
    offset: int
    payload: memoryview


class Completed(Struct, frozen=True):
    """All bytes of the request came."""

    request_id: int


class Refused(Struct, frozen=True):
    """The donor does not serve the request; `code` is of the source family."""

    request_id: int
    code: str


class Close(Struct, frozen=True):
    """Over. `by_peer`: the other end said goodbye, for this reason."""

    code: str
    by_peer: bool


TakerAction = Send | SignReceipt | Greeted | Holdings | Deliver | Completed | Refused | Close


class TakerConfig(Struct, frozen=True, kw_only=True):
    """What the taker needs to know of its connection."""

    match_id: bytes
    """16 bytes."""
    own_proof: bytes
    """What our hello carries, 32 bytes."""
    peer_proof: bytes
    """What the donor's hello must carry, 32 bytes."""


class _State(Enum):
    NEW = "new"
    GREETING = "greeting"
    OPEN = "open"
    CLOSED = "closed"


class _Request(Struct):
    digest: bytes
    offset: int
    length: int
    cover: ByteCover


class _Probe(Struct, frozen=True):
    """When a byte beyond `beyond_bytes` comes, a round trip has passed since `sent_us`."""

    beyond_bytes: int
    sent_us: int


class PeerTaker:
    """One channel's downloader. The caller's duties, in order:

    1. Construct it with both proofs, as soon as both session descriptions are known.
    2. After every call perform all actions, in order; then ask for `next_deadline_us` and call `tick` at that time.
    3. For each `Deliver` copy the payload and then call `processed` with its length: that opens the window again.
    4. Call `verified` when bytes that came over this channel were found right.
    5. After `Close` call nothing more, and close the connection.
    """

    def __init__(self, config: TakerConfig) -> None:
        self._config = config
        self._window = Window()
        self._open: dict[int, _Request] = {}
        self._state = _State.NEW
        self._opened_us = 0
        self._last_request_id = 0
        self._holdings: list[tuple[int, int]] = []
        self._held_before = False  # whether the donor has said before what it holds
        self._granted_bytes = 0
        self._received_bytes = 0
        self._processed_bytes = 0
        self._processed_at_grant = 0
        self._probe: _Probe | None = None
        # When something was last heard, or first asked after a pause; None while nothing is awaited.
        self._awaited_since_us: int | None = None
        self._verified_bytes = 0
        self._receipted_bytes = 0
        self._receipt_us = 0

    @property
    def window_bytes(self) -> int:
        """Bytes that may be on the way at most."""
        return self._window.bytes

    @property
    def round_trip_us(self) -> int:
        """The shortest round trip that was measured; 0 before any was."""
        return self._window.round_trip_us

    @property
    def requests_free(self) -> int:
        """How many requests more may be open; 0 unless the channel is."""
        return REQUESTS_OPEN_MAX - len(self._open) if self._state in (_State.GREETING, _State.OPEN) else 0

    def contiguous_end(self, request_id: int) -> int | None:
        """Up to which offset an open request was delivered without a gap; None when it has ended."""
        request = self._open.get(request_id)
        return None if request is None else request.cover.contiguous_end

    def opened(self, now_us: int) -> list[TakerAction]:
        """The channel is open (or a frame came, which says the same). May be told again."""
        if self._state is not _State.NEW:
            return []
        self._state = _State.GREETING
        self._opened_us = now_us
        hello = HelloFrame(
            version=PROTOCOL_VERSION,
            role=ROLE_DOWNLOADER,
            match_id=self._config.match_id,
            proof=self._config.own_proof,
            frame_bytes_max=FRAME_BYTES_MAX,
        )
        return [Send(hello), *self._grant(now_us)]

    def request(self, digest: bytes, offset: int, length: int, now_us: int) -> tuple[int, list[TakerAction]]:
        """Ask for a part of a segment, at the earliest right after our hello. Returns the request's id, from 1.

        Raises:
            ValueError: the channel is not open or too many requests are: the caller must look first.
        """
        if not self.requests_free:
            raise ValueError(f"no request can be made in state {self._state.value} with {len(self._open)} open")
        self._last_request_id += 1
        request_id = self._last_request_id
        if not self._open:
            self._awaited_since_us = now_us
            self._window.start(now_us)
            # The line is quiet: the first byte to come is the answer to this.
            self._probe = _Probe(self._received_bytes, now_us)
        self._open[request_id] = _Request(digest, offset, length, ByteCover(offset, offset + length))
        return request_id, [Send(RequestFrame(request_id, digest, offset, length))]

    def repeat(self, request_id: int) -> list[TakerAction]:
        """Ask for all of an open request again: the donor answers from its start. Nothing when it has ended."""
        request = self._open.get(request_id)
        if request is None or self._state is _State.CLOSED:
            return []
        return [Send(RequestFrame(request_id, request.digest, request.offset, request.length))]

    def cancel(self, request_id: int, now_us: int) -> list[TakerAction]:
        """End a request. What is still on the way is dropped. Nothing when it has ended."""
        if self._open.pop(request_id, None) is None or self._state is _State.CLOSED:
            return []
        return [Send(CancelFrame(request_id)), *self._after_request(now_us)]

    def processed(self, size_bytes: int, now_us: int) -> list[TakerAction]:
        """So many delivered bytes were taken out of their messages."""
        if self._state is not _State.OPEN:
            return []
        self._processed_bytes += size_bytes
        self._window.processed(size_bytes, now_us)
        # A frame is a quarter of the window with its header: each one brings a grant.
        due = self._window.bytes // 4 - DATA_HEADER_BYTES
        return self._grant(now_us) if self._processed_bytes - self._processed_at_grant >= due else []

    def verified(self, size_bytes: int, now_us: int) -> list[TakerAction]:
        """So many bytes that came over this channel belong to segments whose digest is right."""
        if self._state is not _State.OPEN:
            return []
        if self._verified_bytes == self._receipted_bytes:
            self._receipt_us = now_us
        self._verified_bytes += size_bytes
        return self._receipt(now_us)

    def receive(self, frame: Frame, now_us: int) -> list[TakerAction]:
        """A frame came."""
        if self._state is _State.CLOSED:
            return []
        return [*self.opened(now_us), *self._receive(frame, now_us)]

    def fail(self, code: str) -> list[TakerAction]:
        """What came cannot be parsed, or the channel broke: `code` says which."""
        return self._end(_BYE_PROTOCOL, code)

    def leave(self) -> list[TakerAction]:
        """We are done: a last receipt, goodbye."""
        if self._state is _State.CLOSED:
            return []
        unsaid = self._verified_bytes > self._receipted_bytes
        receipt: list[TakerAction] = [SignReceipt(self._verified_bytes)] if unsaid else []
        return [*receipt, *self._end(_BYE_DONE, "peer_closed")]

    def tick(self, now_us: int) -> list[TakerAction]:
        """The time that `next_deadline_us` named has come."""
        if self._state is _State.GREETING and now_us >= self._opened_us + _HELLO_TIMEOUT_US:
            return self._end(_BYE_DONE, "hello_timeout")
        return self._receipt(now_us) if self._state is _State.OPEN else []

    def next_deadline_us(self) -> int | None:
        """When `tick` must be called next; None for never."""
        if self._state is _State.GREETING:
            return self._opened_us + _HELLO_TIMEOUT_US
        if self._state is _State.OPEN and self._verified_bytes > self._receipted_bytes:
            return self._receipt_us + _RECEIPT_EVERY_US
        return None

    def _receive(self, frame: Frame, now_us: int) -> list[TakerAction]:
        if isinstance(frame, ByeFrame):
            self._state = _State.CLOSED
            return [Close(BYE_CODES.get(frame.code, "peer_closed"), by_peer=True)]
        if self._state is not _State.OPEN:
            if isinstance(frame, HelloFrame):
                return self._greeted(frame)
            return self._end(_BYE_PROTOCOL, "frame_unexpected")
        match frame:
            case DataFrame():
                return self._take(frame, now_us)
            case HoldingsFrame():
                return self._hold(frame, now_us)
            case RefuseFrame(request_id, code):
                if self._open.pop(request_id, None) is None:
                    return []
                return [Refused(request_id, REFUSAL_CODES[code]), *self._after_request(now_us)]
            case _:
                return self._end(_BYE_PROTOCOL, "frame_unexpected")

    def _greeted(self, hello: HelloFrame) -> list[TakerAction]:
        if hello.version != PROTOCOL_VERSION:
            return self._end(_BYE_PROTOCOL, "protocol_version")
        if hello.role != ROLE_DONOR:
            return self._end(_BYE_PROTOCOL, "frame_unexpected")
        if hello.match_id != self._config.match_id:
            return self._end(_BYE_TICKET, "ticket_unknown")
        if not hmac.compare_digest(hello.proof, self._config.peer_proof):
            return self._end(_BYE_TICKET, "ticket_stolen")
        self._state = _State.OPEN
        return [Greeted()]

    def _hold(self, frame: HoldingsFrame, now_us: int) -> list[TakerAction]:
        if not self._held_before:
            self._window.measured(now_us - self._opened_us)  # the donor says it in answer to our hello
        self._held_before = True
        self._holdings += frame.runs
        if len(self._holdings) > _HOLDING_RUNS_MAX:
            return self._end(_BYE_PROTOCOL, "frame_unexpected")
        if frame.more:
            return []
        runs, self._holdings = tuple(self._holdings), []
        return [Holdings(runs)]

    def _take(self, frame: DataFrame, now_us: int) -> list[TakerAction]:
        request_id, offset, payload = frame.request_id, frame.offset, frame.payload
        length = len(payload)
        self._received_bytes += length
        if self._received_bytes > self._granted_bytes:
            return self._end(_BYE_PROTOCOL, "grant_exceeded")
        if not 0 < request_id <= self._last_request_id:
            return self._end(_BYE_PROTOCOL, "unrequested_data")
        self._heard(now_us)
        request = self._open.get(request_id)
        if request is None:
            return self.processed(length, now_us)  # cancelled or done earlier
        end = offset + length
        if offset < request.offset or end > request.offset + request.length:
            return self._end(_BYE_PROTOCOL, "unrequested_data")
        fresh = request.cover.add(offset, end)
        if fresh is None:
            return self._end(_BYE_PROTOCOL, "frame_unexpected")
        actions: list[TakerAction] = []
        fresh_bytes = 0
        for start, stop in fresh:
            fresh_bytes += stop - start
            actions.append(Deliver(request_id, start, payload[start - offset : stop - offset]))
        if fresh_bytes < length:
            actions += self.processed(length - fresh_bytes, now_us)
        if request.cover.complete:
            del self._open[request_id]
            actions.append(Completed(request_id))
            actions += self._after_request(now_us)
        return actions

    def _heard(self, now_us: int) -> None:
        """What the time of this byte says about the line."""
        if self._probe is not None and self._received_bytes > self._probe.beyond_bytes:
            self._window.measured(now_us - self._probe.sent_us)
            self._probe = None
        if self._awaited_since_us is not None:
            if now_us - self._awaited_since_us > STALL_US:
                self._window.stalled(now_us)
            self._awaited_since_us = now_us

    def _after_request(self, now_us: int) -> list[TakerAction]:
        if self._open:
            return []
        self._awaited_since_us = None
        self._probe = None
        self._window.pause()
        return self._receipt(now_us)

    def _grant(self, now_us: int) -> list[TakerAction]:
        before = self._granted_bytes
        self._processed_at_grant = self._processed_bytes
        self._granted_bytes = max(before, self._processed_bytes + self._window.bytes)
        if self._granted_bytes == before:
            return []
        if self._open and self._probe is None:
            self._probe = _Probe(before, now_us)
        return [Send(GrantFrame(window_bytes=self._window.bytes, granted_bytes=self._granted_bytes))]

    def _receipt(self, now_us: int) -> list[TakerAction]:
        unsaid = self._verified_bytes - self._receipted_bytes
        # A quiet line may mean that we are about to go: what is verified is said now.
        due = unsaid >= _RECEIPT_EVERY_BYTES or now_us >= self._receipt_us + _RECEIPT_EVERY_US or not self._open
        if unsaid == 0 or not due:
            return []
        self._receipted_bytes = self._verified_bytes
        self._receipt_us = now_us
        return [SignReceipt(self._verified_bytes)]

    def _end(self, bye: int, code: str) -> list[TakerAction]:
        if self._state is _State.CLOSED:
            return []
        said = self._state is not _State.NEW
        self._state = _State.CLOSED
        self._open.clear()
        close = Close(code, by_peer=False)
        return [Send(ByeFrame(bye)), close] if said else [close]
