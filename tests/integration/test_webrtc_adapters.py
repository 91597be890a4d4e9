"""transport/webrtc*.py: every engine keeps the rules of the interface, with two real connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from distribute_io.errors import SourceError
from distribute_io.transport.stun_message import respond
from distribute_io.transport.webrtc import (
    SEND_BUFFER_LOW_BYTES,
    Channel,
    IceCandidate,
    PeerConnection,
    WebRtcEngine,
)
from distribute_io.transport.webrtc_child import ChildEngine
from distribute_io.transport.webrtc_engines import load_engine
from distribute_io.wire.limits import FRAME_BYTES_MAX

MAKERS: dict[str, Callable[[], WebRtcEngine]] = {
    "reactor-webrtc": lambda: load_engine("reactor-webrtc"),
    "reactor-webrtc in a child": lambda: ChildEngine("reactor-webrtc"),
    "aiortc": lambda: load_engine("aiortc"),
    "aiortc in a child": lambda: ChildEngine("aiortc"),
}
ALONE = list(MAKERS)[:3]
"""The fourth is the second's shell around the third; it takes part below and in `dio donate --webrtc aiortc`."""

each_engine = pytest.mark.parametrize("engine", [MAKERS[name] for name in ALONE], ids=ALONE)
each_pair = pytest.mark.parametrize(
    "names",
    [(name, name) for name in ALONE] + [("reactor-webrtc", "aiortc"), ("aiortc in a child", "reactor-webrtc")],
    ids=" to ".join,
)

TIMEOUT_S = 20.0


class Recorder:
    """Records the events of one connection, and hands its candidates to the other one."""

    def __init__(self) -> None:
        self.other: PeerConnection | None = None
        self.channel: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.writable = asyncio.Event()
        self.log: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def on_candidate(self, candidate: IceCandidate) -> None:
        if self.other is not None:
            task = asyncio.ensure_future(self.other.add_candidate(candidate))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def on_channel(self, channel: Channel) -> None:
        self.log.append("channel")
        self.channel.set_result(channel)

    def on_message(self, frame: bytes) -> None:
        self.log.append("message")
        self.messages.put_nowait(frame)

    def on_writable(self) -> None:
        self.writable.set()

    def on_closed(self, code: str) -> None:
        self.log.append(f"closed:{code}")
        self.closed.set_result(code)


class Pair:
    """Two connections, `left` offering, with instant signalling."""

    def __init__(self, engine: WebRtcEngine, other: WebRtcEngine | None = None) -> None:
        self.left, self.right = Recorder(), Recorder()
        self.left_peer = engine.connect(self.left, stun=[])
        self.right_peer = (other or engine).connect(self.right, stun=[])
        self.left.other, self.right.other = self.right_peer, self.left_peer

    async def open(self) -> tuple[Channel, Channel]:
        offer = await self.left_peer.create_offer()
        await self.left_peer.accept_answer(await self.right_peer.accept_offer(offer))
        return await self.left.channel, await self.right.channel

    def close(self) -> None:
        self.left_peer.close()
        self.right_peer.close()


def run(engine: Callable[[], WebRtcEngine], body: Callable[[WebRtcEngine], object]) -> None:
    async def bounded() -> None:
        made = engine()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await body(made)  # type: ignore[misc]  # bodies are coroutine functions; `object` keeps lambdas out
        finally:
            await made.close()

    asyncio.run(bounded())


def run_pair(names: tuple[str, str], body: Callable[[Pair], Awaitable[None]]) -> None:
    """Run `body` with a pair of connections, the left one of the first engine."""

    async def bounded() -> None:
        left = MAKERS[names[0]]()
        right = left if names[0] == names[1] else MAKERS[names[1]]()
        pair = Pair(left, right)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await body(pair)
        finally:
            pair.close()
            await left.close()
            await right.close()

    asyncio.run(bounded())


def resources_of(pid: int) -> tuple[int, int, int]:
    """Threads, descriptors and resident KiB of a process."""
    process = Path(f"/proc/{pid}")
    resident_kb = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    return len(os.listdir(process / "task")), len(os.listdir(process / "fd")), resident_kb


@each_pair
def test_frames_arrive_in_order_in_both_directions(names: tuple[str, str]) -> None:
    async def body(pair: Pair) -> None:
        left, right = await pair.open()
        for number in range(50):
            left.send(b"l%d" % number)
            right.send(b"r%d" % number)
        assert [await pair.right.messages.get() for _ in range(50)] == [b"l%d" % n for n in range(50)]
        assert [await pair.left.messages.get() for _ in range(50)] == [b"r%d" % n for n in range(50)]
        assert pair.left.log[0] == pair.right.log[0] == "channel"

    run_pair(names, body)


@each_pair
def test_descriptions_of_both_ends_are_known_for_the_ticket_proof(names: tuple[str, str]) -> None:
    async def body(pair: Pair) -> None:
        await pair.open()
        assert pair.left_peer.local_sdp == pair.right_peer.remote_sdp
        assert pair.right_peer.local_sdp == pair.left_peer.remote_sdp
        assert "a=fingerprint:sha-256" in pair.left_peer.local_sdp

    run_pair(names, body)


@each_pair
def test_largest_frame_passes_and_a_full_buffer_tells_when_it_drains(names: tuple[str, str]) -> None:
    async def body(pair: Pair) -> None:
        for sender, events, other in zip(
            await pair.open(), (pair.left, pair.right), (pair.right, pair.left), strict=True
        ):
            frame = os.urandom(FRAME_BYTES_MAX)
            for _ in range(4):
                sender.send(frame)
            assert sender.buffered_bytes > SEND_BUFFER_LOW_BYTES
            await events.writable.wait()
            assert sender.buffered_bytes <= SEND_BUFFER_LOW_BYTES
            for size_bytes in (1, FRAME_BYTES_MAX // 2 + 1):
                sender.send(frame[:size_bytes])
            for _ in range(4):
                assert await other.messages.get() == frame
            assert await other.messages.get() == frame[:1]
            assert await other.messages.get() == frame[: FRAME_BYTES_MAX // 2 + 1]

    run_pair(names, body)


@pytest.mark.parametrize("offerer_closes", [True, False], ids=["offerer", "answerer"])
@each_pair
def test_close_is_told_to_the_other_end_at_once_and_to_us_never(names: tuple[str, str], offerer_closes: bool) -> None:
    async def body(pair: Pair) -> None:
        channels = await pair.open()
        ends = [(pair.left_peer, pair.left, channels[0]), (pair.right_peer, pair.right, channels[1])]
        (closing, silent, channel), (_, told, _) = ends if offerer_closes else ends[::-1]
        closing.close()
        closing.close()
        async with asyncio.timeout(8):  # what is not told is found out after 16 s and more
            assert await told.closed == "peer_closed"
        channel.send(b"nobody hears this")
        assert not silent.closed.done()
        with pytest.raises(SourceError):
            await closing.accept_answer("")

    run_pair(names, body)


@each_engine
def test_a_description_with_another_ones_fingerprint_opens_no_channel(engine: Callable[[], WebRtcEngine]) -> None:
    async def body(made: WebRtcEngine) -> None:
        pair = Pair(made)
        answer = await pair.right_peer.accept_offer(await pair.left_peer.create_offer())
        stranger = re.sub(r"(a=fingerprint:sha-256 )(..):(..)", r"\1\3:\2", answer)
        assert stranger != answer
        with contextlib.suppress(SourceError):  # in a child the end may come before the call is answered
            await pair.left_peer.accept_answer(stranger)
        assert await pair.left.closed == "peer_unreachable"
        assert "channel" not in pair.left.log
        pair.close()

    run(engine, body)


@each_engine
def test_our_own_addresses_are_asked_of_the_stun_server(engine: Callable[[], WebRtcEngine]) -> None:
    class Responder(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.asked = asyncio.Event()

        def connection_made(self, transport: Any) -> None:  # Any: a datagram transport, without that base class
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:  # Any: an address of either family
            self.transport.sendto(respond(data, addr[:2]), addr)
            self.asked.set()

    async def body(made: WebRtcEngine) -> None:
        responder = Responder()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: responder, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        # The second one, of which nobody is, must not hold up the description.
        peer = made.connect(Recorder(), stun=[f"stun:127.0.0.1:{port}", "stun:127.0.0.1:9"])
        assert "a=fingerprint" in await peer.create_offer()
        await responder.asked.wait()
        peer.close()
        transport.close()

    run(engine, body)


@each_engine
def test_useless_descriptions_and_candidates_are_named_or_ignored(engine: Callable[[], WebRtcEngine]) -> None:
    async def body(made: WebRtcEngine) -> None:
        pair = Pair(made)
        await pair.right_peer.add_candidate(IceCandidate("rubbish before the offer", "0", 0))
        offer = await pair.left_peer.create_offer()
        without_fingerprint = re.sub(r"a=fingerprint:[^\r\n]*\r\n", "", offer)
        for rubbish in ("v=0\r\nrubbish", "", offer.replace("ice-pwd", "ice-pw"), without_fingerprint):
            with pytest.raises(SourceError) as caught:
                await pair.right_peer.accept_offer(rubbish)
            assert caught.value.code == "peer_unreachable"
        with pytest.raises(SourceError) as caught:
            await pair.left_peer.accept_answer("rubbish")
        assert caught.value.code == "peer_unreachable"
        answer = await pair.right_peer.accept_offer(offer)
        await pair.right_peer.add_candidate(IceCandidate("rubbish after it", "7", 7))
        await pair.left_peer.accept_answer(answer)
        await pair.left.channel
        pair.close()

    run(engine, body)


@each_engine
@pytest.mark.timeout(120)
def test_connecting_and_closing_100_times_leaves_nothing_behind(engine: Callable[[], WebRtcEngine]) -> None:
    def resources(made: WebRtcEngine) -> tuple[int, int, int]:
        found = [resources_of(os.getpid())]
        if isinstance(made, ChildEngine):
            assert made.child_pid is not None
            found.append(resources_of(made.child_pid))
        return sum(row[0] for row in found), sum(row[1] for row in found), sum(row[2] for row in found)

    async def churn(made: WebRtcEngine, rounds: int) -> None:
        for _ in range(rounds):
            pair = Pair(made)
            left, _ = await pair.open()
            left.send(b"x" * 1000)
            await pair.right.messages.get()
            pair.close()

    async def all_rounds() -> None:
        made = engine()
        async with asyncio.timeout(100):
            await churn(made, 10)  # what the engine makes once (threads, arenas) is made now
            threads, descriptors, resident_kb = resources(made)
            await churn(made, 100)
            after = resources(made)
        await made.close()
        assert after[0] <= threads + 4, "threads are left over"
        assert after[1] <= descriptors + 8, "descriptors are left over"
        assert after[2] <= resident_kb + 20_000, "memory grows"

    asyncio.run(all_rounds())


def test_a_killed_child_ends_its_connections_and_the_next_one_gets_a_new_child() -> None:
    async def body() -> None:
        made, other = ChildEngine("reactor-webrtc"), load_engine("reactor-webrtc")
        first, far = Recorder(), Recorder()
        near_peer, far_peer = made.connect(first, stun=[]), other.connect(far, stun=[])
        first.other, far.other = far_peer, near_peer
        await near_peer.accept_answer(await far_peer.accept_offer(await near_peer.create_offer()))
        channel = await first.channel
        pending = Recorder()
        hanging = made.connect(pending, stun=[])
        await hanging.create_offer()
        pid = made.child_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert await first.closed == "peer_closed"
        assert await pending.closed == "peer_unreachable"
        channel.send(b"nobody hears this")
        with pytest.raises(SourceError):
            await hanging.create_offer()
        far_peer.close()
        while True:  # it does not start again at once: a child that always dies must not be a loop
            again = Recorder()
            peer = made.connect(again, stun=[])
            if made.child_pid is not None:
                break
            assert await again.closed == "peer_unreachable"
            await asyncio.sleep(0.05)
        assert made.child_pid != pid
        assert "a=fingerprint" in await peer.create_offer()
        child = made.child_pid
        await made.close()
        assert not os.path.exists(f"/proc/{child}")  # noqa: ASYNC240 - procfs does not block

    async def bounded() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await body()

    asyncio.run(bounded())


CHILD = """
import asyncio, json, sys
from distribute_io.transport.webrtc import IceCandidate
from distribute_io.transport.webrtc_reactor import ReactorEngine

class Events:
    def on_candidate(self, found):
        print(json.dumps({"candidate": [found.candidate, found.sdp_mid, found.sdp_m_line_index]}), flush=True)
    def on_channel(self, channel): channel.send(b"ready")
    def on_message(self, frame): pass
    def on_writable(self): pass
    def on_closed(self, code): pass

async def main():
    peer = ReactorEngine().connect(Events(), stun=[])
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        said = json.loads(line)
        if "offer" in said:
            print(json.dumps({"answer": await peer.accept_offer(said["offer"])}), flush=True)
        else:
            await peer.add_candidate(IceCandidate(*said["candidate"]))

asyncio.run(main())
"""


@pytest.mark.timeout(120)
def test_killed_peer_is_noticed_by_the_connection_state() -> None:
    """Only the connection state tells, after the engine's own patience; what matters is that it comes at all."""
    child: asyncio.subprocess.Process

    class Parent(Recorder):
        def on_candidate(self, candidate: IceCandidate) -> None:
            self.tell({"candidate": [candidate.candidate, candidate.sdp_mid, candidate.sdp_m_line_index]})

        def tell(self, message: object) -> None:
            assert child.stdin is not None
            child.stdin.write(json.dumps(message).encode() + b"\n")

    async def body() -> str:
        nonlocal child
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**20
        )
        recorder = Parent()
        peer = load_engine("reactor-webrtc").connect(recorder, stun=[])
        recorder.tell({"offer": await peer.create_offer()})

        async def listen() -> None:
            assert child.stdout is not None
            while line := await child.stdout.readline():
                said = json.loads(line)
                if "answer" in said:
                    await peer.accept_answer(said["answer"])
                else:
                    await peer.add_candidate(IceCandidate(*said["candidate"]))

        listening = asyncio.ensure_future(listen())
        try:
            async with asyncio.timeout(20):
                assert await recorder.messages.get() == b"ready"
            child.send_signal(signal.SIGKILL)
            await child.wait()
            async with asyncio.timeout(60):
                return await recorder.closed
        finally:
            listening.cancel()
            peer.close()
            if child.returncode is None:
                child.kill()
                await child.wait()

    assert asyncio.run(body()) == "peer_closed"
