"""One session's queue and its bounds, with sockets that misbehave."""

from __future__ import annotations

import asyncio

import pytest

from distribute_io.coordinator import session as session_module
from distribute_io.coordinator.session import AVOIDED_MAX, Outbox, Session
from distribute_io.errors import RemoteProtocolError
from distribute_io.ids import SessionId
from distribute_io.wire import limits
from distribute_io.wire.session import ErrorMessage, Pong


class Socket:
    """Keeps what it was given; `blocked` never gets a message through, `gone` fails."""

    def __init__(self, *, blocked: bool = False, gone: bool = False) -> None:
        self.blocked = blocked
        self.gone = gone
        self.sent: list[bytes] = []
        self.closed: tuple[int, str] | None = None

    async def send(self, text: bytes) -> None:
        if self.gone:
            raise ConnectionResetError("gone")
        if self.blocked:
            await asyncio.Event().wait()
        self.sent.append(text)

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


def big_message() -> ErrorMessage:
    return ErrorMessage(code="full", message="x" * 100_000, fatal=False)


def test_what_waits_is_sent_in_order_before_the_close() -> None:
    async def scene() -> None:
        outbox, socket = Outbox(), Socket()
        outbox.put(Pong())
        outbox.put(big_message())
        outbox.close(4400, "message_unknown")
        outbox.close(1000, "too late")
        outbox.put(Pong())
        await outbox.run(socket)
        assert [len(text) > 1_000 for text in socket.sent] == [False, True]
        assert socket.closed == (4400, "message_unknown")

    asyncio.run(scene())


def test_who_does_not_read_is_closed_and_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "CLOSING_TIMEOUT_S", 0.01)

    async def scene() -> None:
        outbox, socket = Outbox(), Socket(blocked=True)
        running = asyncio.create_task(outbox.run(socket))
        outbox.put(big_message())
        await asyncio.sleep(0)
        for _ in range(2 * limits.OUTBOUND_BYTES_MAX // 100_000):
            outbox.put(big_message())
        assert outbox.is_closing
        await running
        assert socket.closed == (4413, "slow_reader")

    asyncio.run(scene())


def test_one_message_that_does_not_get_through_ends_the_session_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "SEND_TIMEOUT_S", 0.01)

    async def scene() -> None:
        outbox, socket = Outbox(), Socket(blocked=True)
        outbox.put(Pong())
        await outbox.run(socket)
        assert socket.closed == (4413, "slow_reader")

    asyncio.run(scene())


def test_a_connection_that_is_gone_ends_the_queue() -> None:
    async def scene() -> None:
        outbox, socket = Outbox(), Socket(gone=True)
        outbox.put(Pong())
        await outbox.run(socket)
        assert outbox.is_closing

    asyncio.run(scene())


def session(now_us: int = 0) -> Session:
    return Session(SessionId("a" * 32), network="192.0.2.1", region="", now_us=now_us)


def test_more_messages_than_the_limit_are_a_flood() -> None:
    flooding = session()
    for _ in range(limits.MESSAGES_BURST):
        flooding.count_message(0)
    with pytest.raises(RemoteProtocolError) as caught:
        flooding.count_message(0)
    assert caught.value.code == "flood"
    flooding.count_message(1_000_000)  # a second later there is room again


def test_silence_is_overdue_by_its_name() -> None:
    silent = session()
    assert silent.overdue(limits.HELLO_TIMEOUT_MS * 1_000) is None
    late = silent.overdue(limits.HELLO_TIMEOUT_MS * 1_000 + 1)
    assert late is not None
    assert late.code == "hello_timeout"
    silent.state = "idle"
    silent.count_message(5)
    assert silent.overdue(5 + limits.IDLE_TIMEOUT_MS * 1_000) is None
    late = silent.overdue(6 + limits.IDLE_TIMEOUT_MS * 1_000)
    assert late is not None
    assert late.code == "idle_timeout"


def test_avoided_donors_are_bounded() -> None:
    picky = session()
    for number in range(AVOIDED_MAX + 5):
        picky.avoid(SessionId(str(number)))
    assert len(picky.avoided) == AVOIDED_MAX
    assert SessionId("0") not in picky.avoided
