"""One session with a coordinator, spoken by hand, for tests that are about the messages themselves."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import aiohttp

from distribute_io.wire.limits import PROTOCOL_VERSION
from distribute_io.wire.proofs import receipt_mac

Json = dict[str, Any]  # Any: what came over the wire, looked into by the tests
PATIENCE_S = 20.0


class Place(Protocol):
    """Where a coordinator is, and with what to speak to it."""

    @property
    def url(self) -> str:
        """Its address, without a slash at its end."""

    @property
    def client(self) -> aiohttp.ClientSession:
        """The HTTP client."""


class Peer:
    """One session, spoken by hand."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, place: Place, *, hello: bool = True, source: str | None = None, **fields: Any
    ) -> AsyncIterator[Peer]:
        """Open a session; `source` is the address it comes from, by default any."""
        async with AsyncExitStack() as stack:
            client = place.client
            if source is not None:
                connector = aiohttp.TCPConnector(local_addr=(source, 0))
                client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
            peer = cls(await stack.enter_async_context(client.ws_connect(place.url + "/api/v1/ws")))
            if hello:
                await peer.send("hello", **{"protocol": PROTOCOL_VERSION, "agent": "test", **fields})
                await peer.hear("welcome")
            yield peer

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send_str(json.dumps({"type": kind, **fields}))

    async def hear(self, kind: str, *, timeout_s: float = PATIENCE_S) -> Json:
        """The next message of a kind; others are passed over, but an error fails the test."""
        async with asyncio.timeout(timeout_s):
            while True:
                message: Json = json.loads(await self.socket.receive_str())
                if message["type"] == kind:
                    return message
                assert message["type"] != "error", message

    async def donate(self, *, storage_bytes: int = 16_000_000, held: list[Json] | None = None, **fields: Any) -> Json:
        """Become a donor that holds `held`; returns the first assignment."""
        await self.send(
            "donate", **{"causes": [], "storage_bytes": storage_bytes, "up_bytes_per_s": 1_000_000, **fields}
        )
        await self.send("holdings", files=held or [], complete=True)
        return await self.hear("assign")

    async def receipt(self, match: Json, bytes_total: int, *, secret: str | None = None) -> None:
        """Bring a receipt; `match` is the downloader's, or `secret` stands for a made-up one."""
        mac = receipt_mac(
            base64.b64decode(secret or match["receipt_secret"]),
            match_id=bytes.fromhex(match["match_id"]),
            bytes_total=bytes_total,
        )
        await self.send(
            "receipt", match_id=match["match_id"], bytes_total=bytes_total, mac=base64.b64encode(mac).decode()
        )
