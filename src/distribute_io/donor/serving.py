"""Serving: one task that feeds all takers, under one rate and one allowance.

Rules:

1. Every payload byte passes the token bucket and the allowance (spec/allowance.md) before it is handed to a channel.
2. Takers are served in turn, fair by bytes (`core/fair_turns.py`): neither a fast one nor one that asks for large
   frames starves the others.
3. A taker that does not read fills its own channel's queue up to the high mark, and is passed over until it drains.
4. Downloads first: a donor that fills itself from here gets nothing until no downloader was served for `FILL_WAITS_S`.
   The pauses in which a downloader grants are shorter; filling in them would take half of the line.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

from distribute_io.core import peer_giver
from distribute_io.core.allowance import on_the_wire
from distribute_io.core.fair_turns import FairTurns
from distribute_io.core.peer_giver import BYE_DONE, BYE_OVER_BUDGET, Chunk, GiverAction, GiverConfig, PeerGiver
from distribute_io.core.runs import Runs
from distribute_io.core.token_bucket import TokenBucket
from distribute_io.donor.kept_allowance import KeptAllowance
from distribute_io.donor.store import SegmentStore
from distribute_io.ids import FileId, SegmentDigest
from distribute_io.transport.peer_link import PeerLink, Proofs
from distribute_io.transport.webrtc import SEND_BUFFER_HIGH_BYTES
from distribute_io.wire.frames import DATA_HEADER_BYTES, Frame, data_header
from distribute_io.wire.limits import FRAME_BYTES_GROWN, FRAME_BYTES_START
from distribute_io.wire.session import AnySignal, Match, OfferSignal

FILL_WAITS_S: Final = 1.0


class TakerEvents(Protocol):
    """What a taker's connection tells the donor."""

    def signal(self, match_id: str, payload: AnySignal) -> None:
        """Relay this."""
        ...

    def on_greeted(self, taker: Taker) -> None:
        """The downloader proved its ticket."""
        ...

    def on_receipt(self, match_id: str, bytes_total: int, mac: bytes) -> None:
        """Forward it to the coordinator."""
        ...

    def on_taker_gone(self, taker: Taker, code: str) -> None:
        """The connection is over, or never came about. Comes once."""
        ...


class Taker:
    """One downloader that was introduced: its connection and the donor's end of the protocol."""

    def __init__(self, match: Match, store: SegmentStore, upload: Upload, events: TakerEvents) -> None:
        self.match = match
        self.file_id = FileId(match.file_id)
        self.link: PeerLink | None = None
        self.giver: PeerGiver | None = None
        self.is_greeted = False
        self._store = store
        self._upload = upload
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._expires_us = _now_us() + match.ticket.valid_ms * 1000
        self._timer: asyncio.TimerHandle | None = None
        self._gone = False

    def set_holdings(self, holdings: Runs) -> None:
        """What is held of the matched file has changed."""
        if self.giver is not None:
            self.perform(self.giver.set_holdings(_wire(holdings)))

    def leave(self, bye: int = BYE_DONE) -> None:
        """Say goodbye."""
        if self.giver is not None:
            self.perform(self.giver.leave(bye))
        if self.link is not None:
            self.link.close()
        self._end("peer_closed")

    def perform(self, actions: list[GiverAction]) -> None:
        """Do what the protocol decided."""
        for action in actions:
            match action:
                case peer_giver.Send(frame):
                    if self.link is not None:
                        self.link.send(frame)
                case peer_giver.Ready():
                    self._upload.wake()
                case peer_giver.Greeted():
                    self.is_greeted = True
                    self._events.on_greeted(self)
                case peer_giver.ForwardReceipt(bytes_total, mac):
                    self._events.on_receipt(self.match.match_id, bytes_total, mac)
                case peer_giver.Close(code, by_peer):
                    if self.link is not None:
                        self.link.close()
                    # What the downloader says of us is no complaint of ours.
                    self._end("peer_closed" if by_peer else code)
        self._rearm()

    # --- LinkEvents ---

    def on_offered(self, sdp: str) -> None:
        """See `LinkEvents`."""
        self._events.signal(self.match.match_id, OfferSignal(sdp))

    def on_signal(self, payload: AnySignal) -> None:
        """See `LinkEvents`."""
        self._events.signal(self.match.match_id, payload)

    def on_proven(self, proofs: Proofs) -> None:
        """See `LinkEvents`."""
        self.giver = PeerGiver(
            GiverConfig(
                match_id=proofs.match_id,
                own_proof=proofs.own_proof,
                peer_proof=proofs.peer_proof,
                ticket_expires_us=self._expires_us,
                size_of=lambda digest: self._store.size_of(self.file_id, SegmentDigest(digest)),
                holdings=_wire(self._store.holdings(self.file_id)),
                frame_bytes_max=self._upload.frame_bytes_max,
            )
        )

    def on_opened(self) -> None:
        """See `LinkEvents`."""
        if self.giver is not None:
            self.perform(self.giver.opened(_now_us()))

    def on_frame(self, frame: Frame) -> None:
        """See `LinkEvents`."""
        if self.giver is not None:
            self.perform(self.giver.receive(frame, _now_us()))

    def on_writable(self) -> None:
        """See `LinkEvents`."""
        self._upload.wake()

    def on_link_closed(self, code: str) -> None:
        """See `LinkEvents`."""
        self._end(code)

    # ---

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline_us = None if self._gone or self.giver is None else self.giver.next_deadline_us()
        if deadline_us is not None:
            self._timer = self._loop.call_later(max(0, deadline_us - _now_us()) / 1e6, self._tick)

    def _tick(self) -> None:
        if self.giver is not None:
            self.perform(self.giver.tick(_now_us()))

    def _end(self, code: str) -> None:
        if not self._gone:
            self._gone = True
            self._rearm()
            self._events.on_taker_gone(self, code)


class Upload:
    """The task that sends. Caller's duties: `run` it in a task; `add` and `remove` takers."""

    def __init__(self, store: SegmentStore, allowance: KeptAllowance, *, rate_bytes_per_s: int) -> None:
        self._store = store
        self._allowance = allowance
        # A burst of a tenth of a second: enough that a task which wakes late loses nothing.
        self._bucket = TokenBucket(
            rate_bytes_per_s=rate_bytes_per_s,
            burst_bytes=max(FRAME_BYTES_START, rate_bytes_per_s // 10),
            now_us=_now_us(),
        )
        self.frame_bytes_max = min(FRAME_BYTES_GROWN, max(1024, rate_bytes_per_s // 4))
        """A quarter of a second of the rate at most."""
        self._turns: FairTurns[Taker] = FairTurns()
        self._wake = asyncio.Event()
        self._downloads_until = 0.0  # rule 4
        self._fill_turn: asyncio.TimerHandle | None = None
        self.sent_bytes = 0

    def add(self, taker: Taker) -> None:
        """Serve this taker too."""
        self._turns.add(taker)

    def remove(self, taker: Taker) -> None:
        """It is gone."""
        self._turns.remove(taker)

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Send for as long as this is not cancelled.

        Raises:
            StoreError: what is given cannot be written down.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (taker := self._turns.next(self._is_ready)) is not None:
                await self._serve_one_frame(taker)

    def _is_ready(self, taker: Taker) -> bool:
        giver, link = taker.giver, taker.link
        if giver is None or link is None or link.buffered_bytes > SEND_BUFFER_HIGH_BYTES:
            return False
        return giver.next_chunk() is not None and not (taker.match.fill and self._fill_must_wait())

    async def _serve_one_frame(self, taker: Taker) -> None:
        giver = taker.giver
        chunk = None if giver is None else giver.next_chunk()
        if giver is None or chunk is None:
            return
        data = await self._read(taker.file_id, chunk)
        if data is None:
            taker.perform(giver.withdraw(chunk.request_id, peer_giver.REFUSE_NOT_HELD))
            taker.set_holdings(self._store.holdings(taker.file_id))
            return
        size_bytes = len(data) + DATA_HEADER_BYTES
        if not self._allowance.take(on_the_wire(size_bytes)):
            taker.leave(BYE_OVER_BUDGET)
            return
        wait_us = self._bucket.reserve(size_bytes, _now_us())
        if wait_us:
            await asyncio.sleep(wait_us / 1e6)
        # What was charged is sent and counted, though the request may have been cancelled meanwhile: else who asks and
        # cancels would use up the rate and the day, and always be next. When the taker is gone it is lost.
        if taker in self._turns:
            self._send(taker, giver, chunk, data)

    def _fill_must_wait(self) -> bool:
        """Rule 4; sees to it that the fill has its turn when nobody else wakes us."""
        left_s = self._downloads_until - time.monotonic()
        if left_s > 0 and (self._fill_turn is None or self._fill_turn.when() <= asyncio.get_running_loop().time()):
            self._fill_turn = asyncio.get_running_loop().call_later(left_s, self.wake)
        return left_s > 0

    async def _read(self, file_id: FileId, chunk: Chunk) -> bytes | None:
        digest = SegmentDigest(chunk.digest)
        if self._store.is_checked(file_id, digest):
            return self._store.read(file_id, digest, chunk.offset, chunk.length)
        # The first time all of the segment is read and hashed, which may take long on a slow disk.
        return await asyncio.to_thread(self._store.read, file_id, digest, chunk.offset, chunk.length)

    def _send(self, taker: Taker, giver: PeerGiver, chunk: Chunk, data: bytes) -> None:
        if taker.link is not None:
            taker.link.send_bytes(data_header(chunk.request_id, chunk.offset) + data)
            if not taker.match.fill:
                self._downloads_until = time.monotonic() + FILL_WAITS_S
            is_first = giver.sent_bytes == 0 and not taker.match.fill
            giver.sent(chunk, _now_us())
            self._turns.sent(taker, DATA_HEADER_BYTES + len(data))
            self._allowance.served(len(data), is_first=is_first)
            self.sent_bytes += len(data)


def _wire(runs: Runs) -> tuple[tuple[int, int], ...]:
    return tuple((start, end - start) for start, end in runs)


def _now_us() -> int:
    return time.monotonic_ns() // 1000
