"""Errors as HTTP answers: RFC 9457 problem documents with our stable codes.

Each code has one status. What is not ours becomes one of ours here: aiohttp's own refusals by their status, and any
other exception `internal`, with the traceback in the log and not in the answer.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from distribute_io.errors import DistributeError, RefusedError
from distribute_io.wire.http import Problem

log = logging.getLogger(__name__)

_TYPE_PREFIX: Final = "https://distribute.io/errors/"
"""A problem's type is a name; no program needs to fetch it (RFC 9457 section 3.1.1)."""

_STATUS: Final = {
    "unknown_file": 404,
    "unknown_route": 404,
    "unknown_cause": 404,
    "unknown_link": 404,
    "unknown_session": 404,
    "bad_request": 400,
    "bad_range": 416,
    "body_too_large": 413,
    "manifest_too_large": 413,
    "method_not_allowed": 405,
    "token_missing": 401,
    "token_invalid": 401,
    "token_scope": 403,
    "link_unproven": 403,
    "name_taken": 409,
    "link_taken": 409,
    "version_not_newer": 409,
    "taken_down": 410,
    "rate_limited": 429,
    "kept_out": 429,
    "full": 503,
    "shutting_down": 503,
    "catalogue_failed": 503,
    "disk_full": 507,
    "internal": 500,
}
_STATUS_BY_FAMILY: Final = {"manifest": 422, "integrity": 422, "source": 422, "usage": 400, "protocol": 400}

_CODE_BY_STATUS: Final = {
    404: ("unknown_route", "There is no such address."),
    405: ("method_not_allowed", "The address exists, but not with this method."),
    413: ("body_too_large", "The request body is too large."),
}

_CLIENT_LEFT: Final = 499
"""Never sent: the connection is gone."""

RETRY_AFTER_S: Final = 10
"""What a client that is refused for load is told to wait."""


def status_of(error: DistributeError) -> int:
    """The HTTP status that tells of `error`."""
    return _STATUS.get(error.code) or _STATUS_BY_FAMILY.get(error.family, 500)


def answer(error: DistributeError) -> web.Response:
    """The problem document for `error`."""
    status = status_of(error)
    problem = Problem(
        type=_TYPE_PREFIX + error.code,
        title=error.code.replace("_", " ").capitalize(),
        status=status,
        code=error.code,
        detail=error.message,
    )
    response = web.Response(
        status=status,
        body=msgspec.json.encode(problem),
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"},
    )
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="distribute.io"'
    if status in (429, 503):
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        response.headers["Access-Control-Expose-Headers"] = (
            "Retry-After"  # the embedded mirror's answers are read by pages
        )
    return response


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every failure of a handler into its problem document."""
    try:
        return await handler(request)
    except DistributeError as error:
        if error.family == "store":
            log.error("%s: %s", error.code, error.message, exc_info=error.__cause__)
        return answer(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code, text = _CODE_BY_STATUS.get(error.status, ("bad_request", "The request is malformed."))
        response = answer(RefusedError(code, text))
        if error.status == 405 and "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except ConnectionError:
        # The client went away: nobody is left to be told, and raised on, aiohttp would log it as a failure of ours.
        return web.Response(status=_CLIENT_LEFT)
    except Exception:
        # The route's pattern, never the path: it may be a file's name.
        log.exception("%s %s failed", request.method, _pattern(request))
        return answer(RefusedError("internal", "The coordinator failed; its log says why."))


def _pattern(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "an unknown address"
