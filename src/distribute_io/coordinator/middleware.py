"""What holds for every answer: CORS, the ceilings for callers, headers that keep browsers careful."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from distribute_io.coordinator.addresses import Callers
from distribute_io.coordinator.ceilings import Ceiling
from distribute_io.errors import RefusedError

_OPEN_PATHS: Final = ("/api/", "/files/", "/v/", "/distribute.js")
"""What pages of any origin may read. None of it depends on cookies, and none of ours sets any."""

_METHODS: Final = "GET, HEAD, POST, DELETE, OPTIONS"
_REQUEST_HEADERS: Final = "Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range"
_PREFLIGHT_VALID_S: Final = 86_400


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """A signal of aiohttp's: runs before the head of every answer is sent, those of failures included."""
    headers = response.headers
    headers["Server"] = "distribute-io"
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    if request.path.startswith(_OPEN_PATHS):
        headers["Access-Control-Allow-Origin"] = "*"
        headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin")


@web.middleware
async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers `OPTIONS`: anybody may ask anything; tokens travel in a header, so no page can misuse a visitor's."""
    if request.method != "OPTIONS":
        return await handler(request)
    if not request.path.startswith(_OPEN_PATHS):
        return web.Response(status=204, headers={"Allow": _METHODS})
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _REQUEST_HEADERS,
            "Access-Control-Max-Age": str(_PREFLIGHT_VALID_S),
            # Chromium asks before a page of a public site reaches a server on a private address.
            "Access-Control-Allow-Private-Network": "true",
        },
    )


def limited(ceiling: Ceiling, callers: Callers, clock_us: Callable[[], int]) -> Middleware:
    """The middleware that refuses who asks the API too often. Files are left out: a download is many ranges."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/api/") and not ceiling.allows(callers.address(request), clock_us()):
            raise RefusedError("rate_limited", "Too many requests from your network: try again in a moment.")
        return await handler(request)

    return check
