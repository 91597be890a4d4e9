"""`POST /api/v1/upload-probe`: takes bytes and keeps none, so that a donor's page can measure its upload.

Bounded: one body has at most `BODY_BYTES_MAX`, and `RUNNING_MAX` run at a time; a page that is refused takes a cautious
default instead.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from distribute_io.errors import RefusedError

BODY_BYTES_MAX: Final = 4 * 2**20
"""The largest block of `client/src/core/upload-probe.ts`."""

RUNNING_MAX: Final = 16


class UploadProbe:
    """The route."""

    def __init__(self) -> None:
        """Begin with nobody measuring."""
        self._running = 0

    def routes(self) -> list[web.RouteDef]:
        """One."""
        return [web.post("/api/v1/upload-probe", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        if self._running >= RUNNING_MAX:
            raise RefusedError("full", "Many are measuring at this moment: try again later.")
        self._running += 1
        try:
            taken = 0
            async for chunk in request.content.iter_any():
                taken += len(chunk)
                if taken > BODY_BYTES_MAX:
                    raise RefusedError("body_too_large", f"A body has at most {BODY_BYTES_MAX} bytes.")
        finally:
            self._running -= 1
        return web.Response(status=204)
