"""coordinator/doorway.py: hundreds of real connections that say nothing keep nobody out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientError, ClientSession, web

from distribute_io.coordinator.addresses import Callers, parse_networks
from distribute_io.coordinator.doorway import Doorway

HOST = "127.0.0.1"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Site:
    """A web server behind a doorway."""

    def __init__(self, doorway: Doorway, port: int) -> None:
        self.doorway = doorway
        self.port = port
        self._mine: list[asyncio.StreamWriter] = []

    async def connect(self, count: int, *, source: str = HOST) -> list[Streams]:
        opened = [await asyncio.open_connection(HOST, self.port, local_addr=(source, 0)) for _ in range(count)]
        self._mine += [writer for _, writer in opened]
        return opened

    async def until(self, waiting: int) -> None:
        while self.doorway.waiting != waiting:  # noqa: ASYNC110 - the other end of a socket sets no event
            await asyncio.sleep(0.005)

    async def answers(self) -> bool:
        async with ClientSession() as client, client.get(f"http://{HOST}:{self.port}/") as response:
            return await response.text() == "hello"

    def close(self) -> None:
        for writer in self._mine:
            writer.close()


@contextlib.asynccontextmanager
async def site(
    *,
    head_s: float = 60,
    idle_s: float = 60,
    per_caller_max: int = 1000,
    open_per_caller_max: int = 1000,
    waiting_max: int = 1000,
    trusted: tuple[str, ...] = (),
) -> AsyncIterator[Site]:
    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=idle_s)
    await runner.setup()
    assert runner.server is not None
    doorway = Doorway(
        runner.server,
        Callers(parse_networks(trusted)),
        head_s=head_s,
        per_caller_max=per_caller_max,
        open_per_caller_max=open_per_caller_max,
        waiting_max=waiting_max,
    )
    server = await asyncio.get_running_loop().create_server(doorway.guard, HOST, 0, backlog=1024)
    found = Site(doorway, server.sockets[0].getsockname()[1])
    try:
        async with asyncio.timeout(20):
            yield found
    finally:
        found.close()
        server.close()
        doorway.close()
        await runner.cleanup()


def ended(streams: list[Streams]) -> int:
    return sum(reader.at_eof() or reader.exception() is not None for reader, _ in streams)


def test_a_caller_with_hundreds_of_silent_connections_keeps_the_newest_and_nobody_out() -> None:
    async def scene() -> None:
        async with site(per_caller_max=50) as found:
            other = await found.connect(10, source="127.0.0.2")
            silent = await found.connect(300)
            await found.until(60)
            assert await found.answers()
            assert ended(silent[:250]) == 250
            assert ended(silent[-40:]) == ended(other) == 0

    asyncio.run(scene())


def test_many_callers_together_are_bounded_as_well() -> None:
    async def scene() -> None:
        async with site(waiting_max=100) as found:
            for number in range(1, 31):
                await found.connect(10, source=f"127.0.1.{number}")
            await found.until(100)
            assert await found.answers()

    asyncio.run(scene())


def test_a_trusted_proxy_may_keep_connections_in_store() -> None:
    async def scene() -> None:
        async with site(per_caller_max=10, trusted=("127.0.0.0/24",)) as found:
            silent = await found.connect(40)
            await found.until(40)
            assert ended(silent) == 0

    asyncio.run(scene())


async def ask(streams: Streams) -> None:
    """One request, of which the connection is kept."""
    reader, writer = streams
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"hello")


def test_connections_that_are_kept_after_a_request_are_counted_too() -> None:
    async def scene() -> None:
        async with site(open_per_caller_max=20) as found:
            kept = await found.connect(20)
            for streams in kept:
                await ask(streams)
            assert found.doorway.waiting == 0
            ((reader, _),) = await found.connect(1)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b"", "one too many"
            ((_, other),) = await found.connect(1, source="127.0.0.2")
            await found.until(1)
            other.close()
            for _, writer in kept[:5]:
                writer.close()
            await found.until(0)
            while not await answers_well(found):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)

    asyncio.run(scene())


async def answers_well(found: Site) -> bool:
    try:
        return await found.answers()
    except ClientError:
        return False


def test_a_connection_that_is_idle_after_its_request_is_let_go() -> None:
    async def scene() -> None:
        async with site(idle_s=0.05) as found:
            ((reader, writer),) = await found.connect(1)
            await ask((reader, writer))
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""

    asyncio.run(scene())


@pytest.mark.parametrize("said", [b"", b"\n", b"\r\n\r\n\r\n", b"GET / HTTP/1.1\r\nHost: drop-by-drop\r\n"])
def test_who_does_not_come_to_the_point_is_let_go(said: bytes) -> None:
    async def scene() -> None:
        async with site(head_s=0.05) as found:
            ((reader, writer),) = await found.connect(1)
            writer.write(said)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            await found.until(0)

    asyncio.run(scene())


def test_a_head_in_pieces_and_what_is_no_head_reach_the_server() -> None:
    async def scene() -> None:
        async with site() as found:
            (first, large, tls) = await found.connect(3)
            for piece in (b"\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r", b"\n\r", b"\n"):
                first[1].write(piece)
                await first[1].drain()
                await asyncio.sleep(0)
            assert (await first[0].read()).endswith(b"hello")
            large[1].write(b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000)
            assert b" 400 " in await large[0].readline()
            tls[1].write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n")
            assert b" 400 " in await tls[0].readline()
            assert found.doorway.waiting == 0

    asyncio.run(scene())


def test_who_leaves_is_forgotten() -> None:
    async def scene() -> None:
        async with site() as found:
            ((_, writer),) = await found.connect(1)
            await found.until(1)
            writer.close()
            await found.until(0)

    asyncio.run(scene())
