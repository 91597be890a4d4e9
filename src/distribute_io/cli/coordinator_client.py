"""Requests of a publisher or operator to a coordinator's HTTP interface, with a bearer token.

One request, one answer, by the standard library: these commands send a handful. Every failure becomes one of our errors
here: what the coordinator answered keeps its code and text.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Final

import msgspec

from distribute_io.errors import CODES, DistributeError, RefusedError, UsageError
from distribute_io.wire.http import Problem

_TIMEOUT_S: Final = 60.0
"""A coordinator samples a mirror before it answers a claim on it."""

_ANSWER_BYTES_MAX: Final = 16 * 2**20


def request(
    method: str,
    coordinator: str,
    path: str,
    *,
    token: str | None = None,
    body: bytes | None = None,
) -> bytes:
    """Send one request and return the body of its answer. Blocks.

    Args:
        coordinator: the coordinator's address, `https://host[:port]`.
        path: begins with `/`.
        body: JSON, or None.

    Raises:
        UsageError: `bad_argument` if the address is no http or https one.
        RefusedError: `coordinator_unreachable`, `coordinator_malformed`, or what the coordinator answered.
        DistributeError: other families, as the coordinator answered.
    """
    if not coordinator.startswith(("http://", "https://")):
        raise UsageError("bad_argument", f"{coordinator!a} is no address of a coordinator: it begins with https://.")
    headers = {"Accept": "application/json", "User-Agent": "distribute-io"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        message = urllib.request.Request(coordinator.rstrip("/") + path, data=body, method=method, headers=headers)
        with urllib.request.urlopen(message, timeout=_TIMEOUT_S) as answer:
            data: bytes = answer.read(_ANSWER_BYTES_MAX)
            return data
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error.code, error.read(_ANSWER_BYTES_MAX), coordinator) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        # URLError is an OSError; ValueError is an address that cannot be parsed.
        reason = getattr(error, "reason", error)
        raise RefusedError("coordinator_unreachable", f"{coordinator} did not answer: {reason}.") from error


def _refusal(status: int, body: bytes, coordinator: str) -> DistributeError:
    """The error that a problem document (RFC 9457) tells of."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.MsgspecError:
        return RefusedError("coordinator_malformed", f"{coordinator} answered {status} without saying why.")
    for kind in DistributeError.__subclasses__():
        if problem.code in CODES[kind.family]:
            return kind(problem.code, f"{coordinator} refused: {problem.detail}")
    return RefusedError("coordinator_malformed", f"{coordinator} answered {status} with an unknown code.")
