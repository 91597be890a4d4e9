"""transport/webrtc_aiortc.py: what strangers send does not reach the engine, or ends there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import aioice.ice
import pytest

from distribute_io.errors import SourceError
from distribute_io.transport.webrtc import Channel, IceCandidate
from distribute_io.transport.webrtc_aiortc import CANDIDATES_MAX, AiortcEngine


class Silent:
    """An owner who only remembers how it ended."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_candidate(self, candidate: IceCandidate) -> None:
        pass

    def on_channel(self, channel: Channel) -> None:
        pass

    def on_message(self, frame: bytes) -> None:
        pass

    def on_writable(self) -> None:
        pass

    def on_closed(self, code: str) -> None:
        self.closed.set_result(code)


def run(body: Callable[[AiortcEngine], Awaitable[None]]) -> None:
    async def bounded() -> None:
        engine = AiortcEngine()
        try:
            async with asyncio.timeout(20):
                await body(engine)
        finally:
            await engine.close()

    asyncio.run(bounded())


def with_sound(sdp: str) -> str:
    """The same description, with an audio section beside the data channels."""
    sound = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\na=rtcp-mux\r\na=setup:actpass\r\n"
    return sdp + sound


def many_addresses(sdp: str) -> str:
    line = re.search(r"a=candidate:[^\r\n]*\r\n", sdp)
    assert line is not None
    return sdp.replace(line[0], line[0] * (CANDIDATES_MAX + 1), 1)


@pytest.mark.parametrize("spoil", [with_sound, many_addresses, lambda sdp: sdp.replace("m=application", "m=video")])
def test_a_description_of_more_than_data_channels_is_refused(spoil: Callable[[str], str]) -> None:
    async def body(engine: AiortcEngine) -> None:
        offer = await engine.connect(Silent(), stun=[]).create_offer()
        with pytest.raises(SourceError) as caught:
            await engine.connect(Silent(), stun=[]).accept_offer(spoil(offer))
        assert caught.value.code == "peer_unreachable"

    run(body)


def test_trickled_candidates_are_counted_and_junk_is_passed_over() -> None:
    async def body(engine: AiortcEngine) -> None:
        peer = engine.connect(Silent(), stun=[])
        for number in range(3 * CANDIDATES_MAX):  # before the description: kept, but not without end
            await peer.add_candidate(IceCandidate(f"candidate:{number} rubbish", "0", 0))
        offer = await engine.connect(Silent(), stun=[]).create_offer()
        assert "a=fingerprint" in await peer.accept_offer(re.sub(r"a=candidate:[^\r\n]*\r\n", "", offer))
        for junk in ("candidate:1 1 udp 1 not-an-address 9 typ host", "candidate:1 1 udp 1 127.0.0.1 9 typ odd", ""):
            await peer.add_candidate(IceCandidate(junk, "0", 0))

    run(body)


def test_addresses_that_all_fail_end_the_connection_as_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.stun.RETRY_MAX", 1)
    monkeypatch.setattr("aioice.stun.RETRY_RTO", 0.05)

    async def body(engine: AiortcEngine) -> None:
        left, right = Silent(), Silent()
        near, far = engine.connect(left, stun=[]), engine.connect(right, stun=[])
        answer = await far.accept_offer(await near.create_offer())
        far.close()
        await near.accept_answer(answer)
        assert await left.closed == "peer_unreachable"
        assert not right.closed.done()

    run(body)


def test_a_machine_without_a_network_offers_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distribute_io.transport.webrtc_aiortc._other_addresses", lambda *_families: [])

    async def body(engine: AiortcEngine) -> None:
        assert " 127.0.0.1 " in await engine.connect(Silent(), stun=[]).create_offer()

    run(body)
    assert aioice.ice.get_host_addresses.__module__ == "distribute_io.transport.webrtc_aiortc"
