"""Signalling of bare pairs: `python -m bench.bare_signals HOST:PORT` hands what one WebSocket says to the other one.

The least that an introduction can cost; nothing is read or kept. The two who came last are a pair.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import WSMsgType, web


class Pair:
    """The two ends."""

    def __init__(self) -> None:
        self._ends: list[web.WebSocketResponse] = []

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One end, until it leaves."""
        end = web.WebSocketResponse()
        await end.prepare(request)
        self._ends = [*self._ends[-1:], end]
        async for message in end:
            if message.type is WSMsgType.TEXT:
                for other in self._ends:
                    if other is not end:
                        await other.send_str(message.data)
        self._ends = [other for other in self._ends if other is not end]
        return end


async def _serve(address: str) -> None:
    host, _, port = address.rpartition(":")
    app = web.Application()
    app.router.add_get("/", Pair().serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, host, int(port)).start()
    sys.stdout.write('{"ready": true}\n')
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
