"""Fills a donor from other donors: asks for an introduction, takes whole segments, lets go.

Rules:

1. One donor at a time, and for one file: filling must not disturb downloads, and an introduction carries all that the
   other one holds of what is lacking.
2. Nothing is believed: a segment is stored when its digest is right. Who sends a wrong one is told on and left.
3. Who sends no byte that was asked for in `_SILENCE_S`, or less than `_LEAST_BYTES_PER_S`, is left: it serves
   downloaders first, so a silent one is busy. Other frames are no sign of life. What is lacking then comes from
   elsewhere.
4. Nobody is credited for it: what donors give to each other counts as pushed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol

import msgspec

from distribute_io.core import peer_taker
from distribute_io.core import runs as run_sets
from distribute_io.core.peer_taker import PeerTaker, TakerAction, TakerConfig
from distribute_io.core.runs import Runs, to_wire
from distribute_io.donor.filling import KnownFile
from distribute_io.donor.store import SegmentStore
from distribute_io.errors import IntegrityError, StoreError
from distribute_io.ids import FileId, SegmentIndex
from distribute_io.manifest.base64_text import decode_base64
from distribute_io.manifest.segments import verify_segment
from distribute_io.transport.peer_link import PeerLink, Proofs
from distribute_io.transport.webrtc import WebRtcEngine
from distribute_io.wire.frames import ROLE_DOWNLOADER, Frame, ReceiptFrame
from distribute_io.wire.proofs import receipt_mac
from distribute_io.wire.session import (
    AnySignal,
    ClientMessage,
    Match,
    MatchReport,
    OfferSignal,
    SignalUp,
    Unwant,
    Want,
)

AHEAD: Final = 4
"""Segments asked for at a time: as many as a downloader asks for (measurements)."""

_PEERS_PER_FILL: Final = 3
"""Donors asked one after the other before the mirrors are."""

_INTRODUCED_S: Final = 5.0
_SILENCE_S: Final = 5.0
"""Also for the connection to come about: between two donors it takes a second."""

_WATCH_EVERY_S: Final = 0.5

_LEAST_BYTES_PER_S: Final = 16_000
_RATE_OVER_S: Final = 15.0
"""The least that a donor may give at all (`dio donate --up`), looked at over this time."""


class FillPlace(Protocol):
    """What the fetching asks and tells, on the loop."""

    def is_wanted(self, file_id: FileId, index: int) -> bool:
        """Whether a segment is still assigned."""
        ...

    def make_room(self, file_id: FileId, size_bytes: int) -> bool:
        """Erase what is worth less; in a helper thread. False when there is no room for so much."""
        ...

    def on_segment(self, file_id: FileId, size_bytes: int) -> None:
        """A segment is durable."""
        ...


class FillPeers:
    """The donors that this one fills itself from.

    Caller's duties: hand over every match in which we take, and its signals and its end; `fill` one file at a time.
    """

    def __init__(
        self, engine: WebRtcEngine, store: SegmentStore, *, say: Callable[[ClientMessage], None], place: FillPlace
    ) -> None:
        self._engine = engine
        self._store = store
        self._say = say
        self._place = place
        self._stun: Sequence[str] = ()
        self._awaited: tuple[FileId, asyncio.Future[Match | None]] | None = None
        self._peer: _FillPeer | None = None
        self._rests = False

    def configure(self, stun: Sequence[str]) -> None:
        """The coordinator's STUN addresses."""
        self._stun = stun

    # --- what the coordinator says ---

    def introduced(self, match: Match) -> None:
        """A match in which we take."""
        if self._awaited is not None and self._awaited[0] == match.file_id and not self._awaited[1].done():
            self._awaited[1].set_result(match)
        else:
            self._say(MatchReport(match.match_id, "closed", "cancelled"))  # it comes too late

    def unmatched(self, file_id: FileId) -> None:
        """Nobody can give any of it now."""
        if self._awaited is not None and self._awaited[0] == file_id and not self._awaited[1].done():
            self._awaited[1].set_result(None)

    def heed(self, match_id: str, payload: msgspec.Raw) -> None:
        """A signal of the other end."""
        if self._peer is not None and self._peer.match.match_id == match_id:
            self._peer.link.heed(payload)

    def match_ended(self, match_id: str) -> None:
        """The other end left before we were connected."""
        if self._peer is not None and self._peer.match.match_id == match_id and not self._peer.is_open:
            self._peer.on_link_closed("peer_closed")

    def withdraw(self, file_id: FileId) -> None:
        """Take nothing more of a file."""
        if self._peer is not None and self._peer.match.file_id == file_id:
            self._peer.leave("cancelled")

    def rest(self, *, rests: bool) -> None:
        """Let go of whoever gives to us and ask nobody, or go on."""
        self._rests = rests
        if rests and self._awaited is not None:
            self._say(Unwant(self._awaited[0]))
            self.unmatched(self._awaited[0])
        if rests and self._peer is not None:
            self._peer.leave("cancelled")

    # --- filling ---

    async def fill(self, known: KnownFile, lacking: Runs) -> None:
        """Take as much of `lacking` as other donors give.

        Raises:
            StoreError: our own disk failed.
        """
        file_id = known.manifest.sha256
        for _ in range(_PEERS_PER_FILL):
            match = None if self._rests else await self._ask(file_id, lacking)
            if match is None:
                return
            if self._rests:  # since the introduction came, in this very turn
                self._say(MatchReport(match.match_id, "closed", "cancelled"))
                return
            self._peer = peer = _FillPeer(match, known, lacking, self._store, self._say, self._place)
            peer.link = PeerLink(self._engine, ROLE_DOWNLOADER, peer, stun=self._stun)
            try:
                await peer.run()
            finally:
                self._peer = None
            lacking = run_sets.difference(lacking, self._store.holdings(file_id))
            if not lacking or peer.ends_fill or self._rests:
                return

    async def _ask(self, file_id: FileId, lacking: Runs) -> Match | None:
        answer: asyncio.Future[Match | None] = asyncio.get_running_loop().create_future()
        self._awaited = (file_id, answer)
        self._say(Want(file_id, to_wire(lacking), 1, fill=True))
        try:
            async with asyncio.timeout(_INTRODUCED_S):
                return await answer
        except TimeoutError:
            self._say(Unwant(file_id))
            return None
        finally:
            self._awaited = None


class _FillPeer:
    """One introduction in which we take. Implements `LinkEvents`."""

    link: PeerLink

    def __init__(
        self,
        match: Match,
        known: KnownFile,
        lacking: Runs,
        store: SegmentStore,
        say: Callable[[ClientMessage], None],
        place: FillPlace,
    ) -> None:
        self.match = match
        self.is_open = False
        self.ends_fill = False
        """Whether nobody else is to be asked now: our own store is full, or those who hold it are busy."""
        self._file_id = known.manifest.sha256
        self._known = known
        self._lacking = lacking
        self._store = store
        self._say = say
        self._place = place
        self._taker: PeerTaker | None = None
        self._queue: list[int] = []
        self._parts: dict[int, tuple[int, memoryview]] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self._putting = asyncio.Lock()  # the store takes one at a time
        self._told = False  # what became of the match
        self._heard_at = self._rated_at = time.monotonic()
        self._rated_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Take what there is; returns when the connection is over.

        Raises:
            StoreError: our own disk failed.
        """
        if self.match.make_offer:
            self.link.offer()
        else:
            self.link.bind(self.match)
        try:
            while not self._over.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_WATCH_EVERY_S):
                        await self._over.wait()
                if self._is_too_slow():
                    self.ends_fill = True
                    self.leave("stalled")
            await asyncio.gather(*self._keeping)
        finally:
            self.leave("cancelled")
            for task in self._keeping:
                task.cancel()

    def _is_too_slow(self) -> bool:
        now = time.monotonic()
        if self._keeping:  # it waits for our own disk
            self._heard_at, self._rated_at, self._rated_bytes = now, now, 0
        if now - self._rated_at > _RATE_OVER_S:
            least, came = _LEAST_BYTES_PER_S * (now - self._rated_at), self._rated_bytes
            self._rated_at, self._rated_bytes = now, 0
            if came < least:
                return True
        return now - self._heard_at > _SILENCE_S

    def leave(self, code: str, outcome: Literal["closed", "lied"] = "closed") -> None:
        """Say goodbye, and tell the coordinator."""
        if self._over.is_set():
            return
        if outcome == "lied":
            self._tell(outcome, code)
        if self._taker is not None:
            self._perform(self._taker.leave())  # ends with `Close`
        self._end(code)

    # --- LinkEvents ---

    def on_offered(self, sdp: str) -> None:
        """See `LinkEvents`. The offer goes before its candidates."""
        self.on_signal(OfferSignal(sdp))
        self.link.bind(self.match)

    def on_signal(self, payload: AnySignal) -> None:
        """See `LinkEvents`."""
        self._say(SignalUp(self.match.match_id, msgspec.Raw(msgspec.json.encode(payload))))

    def on_proven(self, proofs: Proofs) -> None:
        """See `LinkEvents`."""
        self._taker = PeerTaker(
            TakerConfig(match_id=proofs.match_id, own_proof=proofs.own_proof, peer_proof=proofs.peer_proof)
        )

    def on_opened(self) -> None:
        """See `LinkEvents`."""
        if self._taker is not None:
            self._perform(self._taker.opened(_now_us()))

    def on_frame(self, frame: Frame) -> None:
        """See `LinkEvents`."""
        if self._taker is not None:
            self._perform(self._taker.receive(frame, _now_us()))

    def on_writable(self) -> None:
        """A taker's frames are small: it never waits for room."""

    def on_link_closed(self, code: str) -> None:
        """See `LinkEvents`."""
        self._end(code)

    # ---

    def _perform(self, actions: list[TakerAction]) -> None:
        for action in actions:
            match action:
                case peer_taker.Send(frame):
                    self.link.send(frame)
                case peer_taker.Deliver(part_id, offset, payload):
                    part = self._parts.get(part_id)
                    if part is not None:
                        part[1][offset : offset + len(payload)] = payload
                        self._heard_at = time.monotonic()
                        self._rated_bytes += len(payload)
                    if self._taker is not None:
                        self._perform(self._taker.processed(len(payload), _now_us()))
                case peer_taker.Completed(part_id):
                    self._completed(part_id)
                case peer_taker.Holdings(held):
                    self._holds(tuple((start, start + count) for start, count in held))
                case peer_taker.SignReceipt(bytes_total):
                    self._sign(bytes_total)
                case peer_taker.Refused(part_id):
                    self._parts.pop(part_id, None)
                    self._ask()
                case peer_taker.Close(code):
                    self._end(code)
                case peer_taker.Greeted():
                    pass  # holdings follow
        self._rearm()

    def _holds(self, held: Runs) -> None:
        if self.is_open:
            return  # what it got meanwhile is another fill's business
        self.is_open = True
        self._heard_at = self._rated_at = time.monotonic()
        self._say(MatchReport(self.match.match_id, "open"))
        common = run_sets.intersection(held, self._lacking)
        self._queue = [index for start, end in common for index in range(start, end)]
        self._ask()

    def _ask(self) -> None:
        """Ask for the next segments; leave when there is nothing more to ask for or to wait for."""
        taker = self._taker
        while taker is not None and self._queue and self._in_memory() < AHEAD and taker.requests_free:
            index = self._queue.pop(0)
            if not self._place.is_wanted(self._file_id, index):
                continue
            size_bytes = self._known.size_of(index)
            part_id, actions = taker.request(self._known.segment_list[SegmentIndex(index)], 0, size_bytes, _now_us())
            self._parts[part_id] = (index, memoryview(bytearray(size_bytes)))
            self._perform(actions)
        if self.is_open and not self._queue and not self._parts and not self._keeping:
            self.leave("peer_closed")

    def _in_memory(self) -> int:
        """Segments that are coming, and those that the disk has not taken yet."""
        return len(self._parts) + len(self._keeping)

    def _completed(self, part_id: int) -> None:
        index, data = self._parts.pop(part_id)
        task = asyncio.ensure_future(self._keep(index, data))
        self._keeping.add(task)
        task.add_done_callback(self._kept)

    async def _keep(self, index: int, data: memoryview) -> None:
        try:
            async with self._putting:
                stored = await asyncio.to_thread(self._verify_and_put, index, data)
        except IntegrityError as error:
            self.leave(error.code, "lied")
            return
        if self._taker is not None and not self._over.is_set():
            self._perform(self._taker.verified(len(data), _now_us()))
        if stored:
            self._place.on_segment(self._file_id, len(data))
        else:
            self.ends_fill = True
            self.leave("store_full")

    def _verify_and_put(self, index: int, data: memoryview) -> bool:
        """In a helper thread."""
        segment = verify_segment(data, self._known.segment_list[SegmentIndex(index)])
        if not self._place.make_room(self._file_id, len(data)):
            return False
        return self._store.put(self._file_id, SegmentIndex(index), segment)

    def _kept(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.leave(
                "store_full" if isinstance(error, StoreError) else "internal"
            )  # stays in `_keeping`: `run` raises it
            return
        self._keeping.discard(task)
        if not self._over.is_set():
            self._ask()

    def _sign(self, bytes_total: int) -> None:
        secret = decode_base64(self.match.receipt_secret or "")
        if secret is not None:
            mac = receipt_mac(secret, match_id=bytes.fromhex(self.match.match_id), bytes_total=bytes_total)
            self.link.send(ReceiptFrame(bytes_total, mac))

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline_us = None if self._taker is None or self._over.is_set() else self._taker.next_deadline_us()
        if deadline_us is not None:
            delay_s = max(0, deadline_us - _now_us()) / 1_000_000
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        if self._taker is not None:
            self._perform(self._taker.tick(_now_us()))

    def _end(self, code: str) -> None:
        if self._over.is_set():
            return
        self._over.set()
        self._rearm()
        self._parts.clear()
        self._queue.clear()
        self.link.close()
        self._tell("closed" if self.is_open else "failed", code)

    def _tell(self, outcome: Literal["closed", "failed", "lied"], code: str) -> None:
        if not self._told:
            self._told = True
            self._say(MatchReport(self.match.match_id, outcome, code))


def _now_us() -> int:
    return time.monotonic_ns() // 1000
