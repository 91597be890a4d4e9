"""`transport.session_client` against a WebSocket server that says what a test wants."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

import pytest
from aiohttp import WSMsgType, web

from distribute_io.transport import session_client
from distribute_io.transport.session_client import SessionClient
from distribute_io.transport.stun import StunServer
from distribute_io.wire.session import CoordinatorMessage, Unmatched, Unwant, Welcome

WELCOME = {"type": "welcome", "protocol": 1, "session_id": "ab" * 16, "heartbeat_ms": 25_000, "stun": ["stun:a:1"]}
UNMATCHED = {"type": "unmatched", "file_id": "f1" * 32, "code": "no_donor", "retry_after_ms": 1_000}


class Heard:
    """What a session told its owner; `until` waits for some of it."""

    def __init__(self) -> None:
        self.welcomes: list[Welcome] = []
        self.messages: list[CoordinatorMessage] = []
        self.lost: list[str] = []
        self.news = asyncio.Event()

    def on_welcome(self, welcome: Welcome) -> None:
        self.welcomes.append(welcome)
        self.news.set()

    def on_message(self, message: CoordinatorMessage) -> None:
        self.messages.append(message)
        self.news.set()

    def on_lost(self, reason: str) -> None:
        self.lost.append(reason)
        self.news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.news.clear()
                await self.news.wait()


class Coordinator:
    """Answers each hello with the lines of one script, and keeps what it hears."""

    def __init__(self, *scripts: list[str]) -> None:
        self.scripts = list(scripts)
        self.said: list[dict[str, object]] = []
        self.url = ""
        self.news = asyncio.Event()

    async def __aenter__(self) -> Coordinator:
        app = web.Application()
        app.router.add_get("/ws", self._serve)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/ws"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def count(self, kind: str) -> int:
        return sum(said["type"] == kind for said in self.said)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.news.clear()
                await self.news.wait()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for received in socket:
            if received.type is not WSMsgType.TEXT:
                break
            self.said.append(json.loads(received.data))
            self.news.set()
            if self.said[-1]["type"] == "hello":
                for line in self.scripts.pop(0) if self.scripts else [json.dumps(WELCOME)]:
                    await socket.send_str(line)
        return socket


def test_a_message_type_of_a_later_version_is_passed_over() -> None:
    async def scenario() -> None:
        heard = Heard()
        later = json.dumps({"type": "of_a_later_version", "anything": 1})
        async with Coordinator([later, json.dumps(WELCOME), later, json.dumps(UNMATCHED)]) as coordinator:
            await run(coordinator, heard, lambda: bool(heard.messages))
        assert [type(message) for message in heard.messages] == [Unmatched]
        assert heard.lost == []

    asyncio.run(scenario())


@pytest.mark.parametrize("line", ['{"type": "unmatched", "file_id": 7}', "no JSON", "[]"])
def test_what_is_no_message_ends_the_connection_and_another_follows(line: str) -> None:
    async def scenario() -> None:
        heard = Heard()
        async with Coordinator([json.dumps(WELCOME), line]) as coordinator:
            await run(coordinator, heard, lambda: len(heard.welcomes) == 2)
        assert "cannot be understood" in heard.lost[0]

    asyncio.run(scenario())


def test_what_is_sent_without_a_connection_is_dropped_and_with_one_arrives() -> None:
    async def scenario() -> None:
        heard = Heard()
        async with Coordinator() as coordinator:
            session = SessionClient(coordinator.url, agent="test", events=heard, rng=random.Random(1))
            session.send(Unwant("aa" * 32))
            task = asyncio.ensure_future(session.run())
            await heard.until(lambda: bool(heard.welcomes))
            session.send(Unwant("bb" * 32))
            await coordinator.until(lambda: len(coordinator.said) >= 2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert [said.get("file_id") for said in coordinator.said] == [None, "bb" * 32]
        assert not session.connected

    asyncio.run(scenario())


def test_the_nat_class_is_found_after_a_welcome_and_told() -> None:
    async def scenario() -> None:
        stun = await StunServer.open("127.0.0.1", 0)
        try:
            welcome = {**WELCOME, "stun": [f"stun:127.0.0.1:{port}" for port in stun.ports]}
            async with Coordinator([json.dumps(welcome)]) as coordinator:
                session = SessionClient(coordinator.url, agent="test", events=Heard(), rng=random.Random(1))
                task = asyncio.ensure_future(session.run())
                await coordinator.until(lambda: coordinator.count("nat") == 1)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert coordinator.said[-1] == {"type": "nat", "nat": "unrestricted"}
        finally:
            stun.close()
            await asyncio.sleep(0)

    asyncio.run(scenario())


class Waits(random.Random):
    """Chance that makes every wait short, and keeps how long it might have been."""

    def __init__(self) -> None:
        super().__init__()
        self.ceilings_s: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        self.ceilings_s.append(b)
        return 0.0


@pytest.mark.parametrize(("good_s", "waits_s"), [(30.0, [1.0, 2.0, 4.0]), (0.0, [0.5, 0.5, 0.5])])
def test_a_session_that_ends_right_after_its_welcome_is_made_again_ever_later(
    monkeypatch: pytest.MonkeyPatch, good_s: float, waits_s: list[float]
) -> None:
    monkeypatch.setattr(session_client, "_GOOD_S", good_s)
    waits = Waits()

    async def scenario() -> None:
        heard = Heard()
        async with Coordinator(*[[json.dumps(WELCOME), "no JSON"]] * 4) as coordinator:
            session = SessionClient(coordinator.url, agent="test", events=heard, rng=waits)
            task = asyncio.ensure_future(session.run())
            await heard.until(lambda: len(heard.lost) == 4)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert waits.ceilings_s[:3] == waits_s


async def run(coordinator: Coordinator, heard: Heard, until: Callable[[], bool]) -> None:
    session = SessionClient(coordinator.url, agent="test", events=heard, rng=random.Random(1))
    task = asyncio.ensure_future(session.run())
    await heard.until(until)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
