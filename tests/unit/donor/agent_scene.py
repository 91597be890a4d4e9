"""A whole donor in memory: its real agent and store, a session that a test speaks for, downloaders by hand.

No socket and no clock of the test's own: frames pass on the next turn of the loop.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, cast

import msgspec
import pytest

from distribute_io.core.allowance import AllowanceLimits, DeviceState
from distribute_io.donor import agent as agent_module
from distribute_io.donor import events as e
from distribute_io.donor.agent import DonorAgent, DonorConfig
from distribute_io.donor.filling import Filler
from distribute_io.donor.kept_allowance import KeptAllowance
from distribute_io.donor.store import SegmentStore
from distribute_io.ids import FileId, SegmentDigest, SegmentIndex
from distribute_io.manifest.segments import verify_segment
from distribute_io.transport.peer_link import PeerLink, Proofs
from distribute_io.transport.webrtc import IceCandidate, PeerConnection, PeerEvents
from distribute_io.wire.frames import (
    ROLE_DOWNLOADER,
    DataFrame,
    Frame,
    GrantFrame,
    HelloFrame,
    HoldingsFrame,
    RequestFrame,
)
from distribute_io.wire.limits import FRAME_BYTES_MAX, PROTOCOL_VERSION
from distribute_io.wire.session import (
    AnySignal,
    ClientMessage,
    CoordinatorMessage,
    Match,
    SignalDown,
    SignalUp,
    Ticket,
    Welcome,
)

FILE = FileId("f1" * 32)
SEGMENT_BYTES = 262_144
PATIENCE_S = 20.0
_Message = TypeVar("_Message")


def segment(index: int) -> bytes:
    """The file's content."""
    return bytes([index % 251]) * SEGMENT_BYTES


def digest(index: int) -> SegmentDigest:
    """What a request names."""
    return SegmentDigest(hashlib.sha256(segment(index)).digest())


class _End:
    """One end of a pipe: connection and channel in one."""

    def __init__(self, engine: MemoryEngine, events: PeerEvents) -> None:
        self._engine = engine
        self._events = events
        self._loop = asyncio.get_running_loop()
        self.other: _End | None = None
        self.is_closed = False
        self.local_sdp = ""
        self.remote_sdp = ""
        self.buffered_bytes = 0

    async def create_offer(self) -> str:
        self.local_sdp = self._engine.describe(self)
        return self.local_sdp

    async def accept_offer(self, sdp: str) -> str:
        self.remote_sdp = sdp
        self.local_sdp = self._engine.describe(self)
        self.other = self._engine.ends[sdp]
        self.other.other = self
        return self.local_sdp

    async def accept_answer(self, sdp: str) -> None:
        self.remote_sdp = sdp
        assert self.other is not None
        for end in (self, self.other):
            self._loop.call_soon(end._events.on_channel, end)

    async def add_candidate(self, candidate: IceCandidate) -> None:
        pass

    def send(self, frame: bytes) -> None:
        self._loop.call_soon(self._deliver, bytes(frame))

    def _deliver(self, frame: bytes) -> None:
        if self.other is not None and not self.other.is_closed:
            self.other._events.on_message(frame)

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            if self.other is not None:
                self._loop.call_soon(self.other._hear_close)

    def _hear_close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._events.on_closed("peer_closed")


class MemoryEngine:
    """A `WebRtcEngine` whose connections are pipes in this process."""

    def __init__(self) -> None:
        self.ends: dict[str, _End] = {}

    def connect(self, events: PeerEvents, *, stun: Sequence[str]) -> PeerConnection:
        return _End(self, events)

    async def close(self) -> None:
        pass

    def describe(self, end: _End) -> str:
        sdp = f"v=0\r\na=fingerprint:sha-256 {hashlib.sha256(bytes([len(self.ends)])).digest().hex(':').upper()}\r\n"
        self.ends[sdp] = end
        return sdp


class _Session:
    """Stands for `SessionClient`: keeps what the donor says."""

    def __init__(self) -> None:
        self.said: list[ClientMessage] = []

    def send(self, message: ClientMessage) -> None:
        self.said.append(message)

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def drain(self, timeout_s: float) -> None:
        pass


class HandTaker:
    """A downloader that does only what a test says."""

    def __init__(self, scene: Scene, match_id: str, *, fill: bool = False) -> None:
        self._scene = scene
        self.match_id = match_id
        self.fill = fill
        self.frames: list[Frame] = []
        self.proofs: Proofs | None = None
        self.closed: str | None = None
        self._secret = base64.b64encode(bytes(32)).decode()
        self.link = PeerLink(scene.engine, ROLE_DOWNLOADER, self, stun=())
        self.link.offer()

    def _match(self, role: str, offer: str | None) -> Match:
        return Match(
            self.match_id,
            FILE,
            "donor" if role == "donor" else "downloader",
            peer_native=True,
            ticket=Ticket(self._secret, 60_000),
            bytes_max=SEGMENT_BYTES,
            make_offer=False,
            offer=offer,
            fill=self.fill,
        )

    def on_offered(self, sdp: str) -> None:
        self.link.bind(self._match("downloader", None))
        self._scene.hear(self._match("donor", sdp))

    def on_signal(self, payload: AnySignal) -> None:
        self._scene.hear(SignalDown(self.match_id, msgspec.Raw(msgspec.json.encode(payload))))

    def on_proven(self, proofs: Proofs) -> None:
        self.proofs = proofs

    def on_opened(self) -> None:
        assert self.proofs is not None
        self.link.send(
            HelloFrame(
                version=PROTOCOL_VERSION,
                role=ROLE_DOWNLOADER,
                match_id=self.proofs.match_id,
                proof=self.proofs.own_proof,
                frame_bytes_max=self._scene.frame_bytes_max.get(self.match_id, FRAME_BYTES_MAX),
            )
        )
        self.link.send(GrantFrame(window_bytes=2**22, granted_bytes=2**40))

    def on_frame(self, frame: Frame) -> None:
        # A DATA frame's payload is a view of the message.
        self.frames.append(frame)

    def on_writable(self) -> None:
        pass

    def on_link_closed(self, code: str) -> None:
        self.closed = code

    def ask(self, request_id: int, index: int, offset: int = 0, length: int = SEGMENT_BYTES) -> None:
        """Ask for a part of a segment."""
        self.link.send(RequestFrame(request_id, digest(index), offset, length))

    @property
    def received_bytes(self) -> int:
        """Payload so far."""
        return sum(len(frame.payload) for frame in self.frames if isinstance(frame, DataFrame))

    def heard(self, kind: type[_Message]) -> list[_Message]:
        """Frames of one kind."""
        return [frame for frame in self.frames if isinstance(frame, kind)]


class Scene:
    """One donor that runs, with what it said."""

    def __init__(self, agent: DonorAgent, store: SegmentStore, session: _Session, told: list[e.DonorEvent]) -> None:
        self.agent = agent
        self.store = store
        self.engine = MemoryEngine()
        self.frame_bytes_max: dict[str, int] = {}
        """What a downloader's hello says, by match; the largest without it."""
        self.told = told
        self._session = session
        self._takers: dict[str, HandTaker] = {}

    def hear(self, message: CoordinatorMessage) -> None:
        """The coordinator says this."""
        self.agent.on_message(message)

    def said(self, kind: type[_Message]) -> list[_Message]:
        """What the donor said to the coordinator, messages of one kind."""
        return [message for message in self._session.said if isinstance(message, kind)]

    def meet(self, number: int, *, fill: bool = False, frame_bytes_max: int = FRAME_BYTES_MAX) -> HandTaker:
        """Introduce a downloader."""
        match_id = f"{number:032x}"
        self.frame_bytes_max[match_id] = frame_bytes_max
        self._takers[match_id] = HandTaker(self, match_id, fill=fill)
        return self._takers[match_id]

    async def met(self, number: int) -> HandTaker:
        """Introduce a downloader, and wait until it has heard what is held."""
        taker = self.meet(number)
        await self.until(lambda: taker.heard(HoldingsFrame))
        return taker

    async def until(self, condition: Callable[[], object]) -> None:
        """Let things happen until the condition holds."""
        relayed = 0
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.001)
                signals = self.said(SignalUp)
                for message in signals[relayed:]:
                    self._takers[message.match_id].link.heed(message.payload)
                relayed = len(signals)


@asynccontextmanager
async def donor(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    held: int,
    limits: AllowanceLimits | None = None,
    device: Callable[[], DeviceState] = DeviceState,
    up_bytes_per_s: int = 100_000_000,
    filler: object = None,
) -> AsyncIterator[Scene]:
    """A donor that holds the file's first `held` segments and has been welcomed."""
    store = SegmentStore(folder, limit_bytes=64_000_000)
    store.open()
    for index in range(held):
        store.put(FILE, SegmentIndex(index), verify_segment(segment(index), digest(index)))
    session = _Session()
    monkeypatch.setattr(agent_module, "SessionClient", lambda *_args, **_named: session)
    told: list[e.DonorEvent] = []
    engine = MemoryEngine()
    agent = DonorAgent(
        DonorConfig(
            session_url="ws://127.0.0.1/",
            agent="test",
            causes=(),
            storage_bytes=64_000_000,
            up_bytes_per_s=up_bytes_per_s,
        ),
        store=store,
        allowance=KeptAllowance(folder / "given.json", limits or AllowanceLimits(), device=device),
        filler=cast(Filler, filler or _NoFiller()),
        engine=engine,
        rng=random.Random(1),
        tell=told.append,
    )
    scene = Scene(agent, store, session, told)
    scene.engine = engine
    running = asyncio.ensure_future(agent.run())
    await asyncio.sleep(0)
    agent.on_welcome(Welcome(PROTOCOL_VERSION, "0" * 32, [], 25_000))
    try:
        yield scene
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        store.close()


class _NoFiller:
    """Nothing is assigned."""

    def abort(self) -> None:
        pass

    def rest(self, *, rests: bool) -> None:
        pass

    def forget(self, file_id: FileId) -> None:
        pass
