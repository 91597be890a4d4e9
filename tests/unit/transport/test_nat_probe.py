"""The NAT class by two STUN ports: a real responder, and ones that see what a NAT would make them see."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest

from distribute_io.transport.nat_probe import find_nat_class
from distribute_io.transport.stun import StunServer
from distribute_io.transport.stun_message import binding_request, mapped_address, respond

HOST = "127.0.0.1"
PATIENCE_S = 10.0


class Behind(asyncio.DatagramProtocol):
    """A STUN port that is reached through a NAT: it sees another port than the asker has; or that says nothing."""

    def __init__(self, added: int | None, *, lost: int = 0) -> None:
        self.added, self.lost = added, lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # of a datagram endpoint it is one

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.lost -= 1
        answer = respond(data, ("192.0.2.1", 40_000 + self.added)) if self.added is not None else None
        if answer is not None and self.lost < 0:
            self.transport.sendto(b"noise", addr)
            self.transport.sendto(answer, addr)


@asynccontextmanager
async def behind(ports: Sequence[Behind]) -> AsyncIterator[list[str]]:
    """The two STUN addresses."""
    loop = asyncio.get_running_loop()
    transports = []
    for port in ports:
        transport, _ = await loop.create_datagram_endpoint(lambda port=port: port, local_addr=("127.0.0.1", 0))  # type: ignore[misc]  # mypy wants no default here
        transports.append(transport)
    try:
        yield [f"stun:127.0.0.1:{transport.get_extra_info('sockname')[1]}" for transport in transports]
    finally:
        for transport in transports:
            transport.close()


@pytest.mark.parametrize(
    ("added", "found"),
    [([0, 0], "unrestricted"), ([0, 1], "restricted"), ([0, 0, 1], "unrestricted")],
    ids=["one mapping", "one for each port", "more than two ports"],
)
def test_two_ports_show_what_a_nat_does(added: Sequence[int], found: str) -> None:
    async def scene() -> None:
        async with behind([Behind(each) for each in added]) as stun:
            assert await find_nat_class(stun, coordinator_host=HOST, again_s=PATIENCE_S) == found

    asyncio.run(scene())


def test_a_question_that_is_lost_is_asked_again() -> None:
    async def scene() -> None:
        async with behind([Behind(0, lost=1), Behind(1, lost=1)]) as stun:
            assert await find_nat_class(stun, coordinator_host=HOST, again_s=1.0) == "restricted"

    asyncio.run(scene())


@pytest.mark.parametrize("added", [[0, None], [0], []], ids=["one is silent", "there is one", "there is none"])
def test_without_two_answers_nothing_is_claimed(added: Sequence[int | None]) -> None:
    async def scene() -> None:
        async with behind([Behind(each) for each in added]) as stun:
            assert await find_nat_class(stun, coordinator_host=HOST, again_s=0.02) == "unknown"

    asyncio.run(scene())


def test_a_strangers_network_is_not_asked() -> None:
    async def scene() -> None:
        async with behind([Behind(0), Behind(0)]) as stun:
            assert await find_nat_class(stun, coordinator_host="example.org", again_s=PATIENCE_S) == "unknown"

    asyncio.run(scene())


def test_our_own_responder_sees_no_nat_on_loopback() -> None:
    async def scene() -> None:
        server = await StunServer.open("127.0.0.1", 0)
        try:
            stun = [f"stun:{HOST}:{port}" for port in server.ports]
            assert await find_nat_class(stun, coordinator_host=HOST, again_s=PATIENCE_S) == "unrestricted"
        finally:
            server.close()
            await asyncio.sleep(0)

    asyncio.run(scene())


@pytest.mark.parametrize(
    "stun",
    [
        ["stun:127.0.0.1:1", "stun:127.0.0.2:2"],
        ["turn:127.0.0.1:1", "stun:127.0.0.1:2"],
        ["stun:", "stun:x:y"],
        ["stun:127.0.0.1:70000", "stun:127.0.0.1:0"],
        ["stun:a..b:1", "stun:a..b:2"],
    ],
)
def test_two_hosts_and_what_is_no_address_show_nothing(stun: list[str]) -> None:
    assert asyncio.run(find_nat_class(stun, coordinator_host=HOST, again_s=0.02)) == "unknown"


@pytest.mark.parametrize("source", [("192.0.2.1", 32_853), ("2001:db8:1234:5678:11:2233:4455:6677", 32_853)])
def test_an_answer_is_read_as_it_was_written(source: tuple[str, int]) -> None:
    transaction = bytes(range(12))
    answer = respond(binding_request(transaction), source)
    assert answer is not None
    assert mapped_address(answer, transaction) == source
    assert mapped_address(answer, bytes(12)) is None
    assert mapped_address(answer[:-1], transaction) is None
    assert mapped_address(binding_request(transaction), transaction) is None


def test_a_host_that_is_not_found_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_words: object, **_more: object) -> None:
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    stun = ["stun:nowhere.invalid:1", "stun:nowhere.invalid:2"]
    assert asyncio.run(find_nat_class(stun, coordinator_host=HOST)) == "unknown"
