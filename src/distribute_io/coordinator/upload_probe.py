"""`POST /api/v1/upload-probe`: takes bytes and keeps none, so that a donor's page can measure its upload.

Bounded: one body has at most `BODY_BYTES_MAX` and `BODY_S`, and `RUNNING_MAX` run at a time,
`RUNNING_PER_ADDRESS_MAX` of one address; a page that is refused takes a cautious default instead.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from aiohttp import web

from distribute_io.coordinator.addresses import Callers
from distribute_io.errors import RefusedError

BODY_BYTES_MAX: Final = 4 * 2**20
"""The largest block of `client/src/core/upload-probe.ts`."""

BODY_S: Final = 20.0
"""The first block of a page is 128 KiB, and a page stops at the first that takes 0.4 s."""

RUNNING_MAX: Final = 16
RUNNING_PER_ADDRESS_MAX: Final = 2


class UploadProbe:
    """The route."""

    def __init__(self, callers: Callers) -> None:
        """Begin with nobody measuring."""
        self._callers = callers
        self._running: Counter[str] = Counter()

    def routes(self) -> list[web.RouteDef]:
        """One."""
        return [web.post("/api/v1/upload-probe", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        address = self._callers.address(request)
        if self._running.total() >= RUNNING_MAX or self._running[address] >= RUNNING_PER_ADDRESS_MAX:
            raise RefusedError("full", "Many are measuring at this moment: try again later.")
        self._running[address] += 1
        try:
            async with asyncio.timeout(BODY_S):
                await _read(request)
        except TimeoutError as error:
            raise RefusedError("bad_request", f"The body took more than {BODY_S:g} s.") from error
        finally:
            self._running[address] -= 1
            self._running += Counter()  # drops the zeros
        return web.Response(status=204)


async def _read(request: web.Request) -> None:
    taken = 0
    async for chunk in request.content.iter_any():
        taken += len(chunk)
        if taken > BODY_BYTES_MAX:
            raise RefusedError("body_too_large", f"A body has at most {BODY_BYTES_MAX} bytes.")
