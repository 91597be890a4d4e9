"""Every failure has its problem document, and none has a traceback."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from distribute_io.coordinator.problems import answer, problems, status_of
from distribute_io.errors import (
    CODES,
    IntegrityError,
    ManifestError,
    RefusedError,
    SourceError,
    StoreError,
    UsageError,
)


def run(error: BaseException) -> web.StreamResponse:
    async def handler(_request: web.Request) -> web.StreamResponse:
        raise error

    return asyncio.run(problems(make_mocked_request("GET", "/files/secret-name"), handler))


def told(response: web.StreamResponse) -> dict[str, object]:
    assert isinstance(response, web.Response)
    assert response.content_type == "application/problem+json"
    assert isinstance(response.body, bytes)
    problem: dict[str, object] = json.loads(response.body)
    assert problem["status"] == response.status
    return problem


@pytest.mark.parametrize("code", sorted(CODES["refused"]))
def test_every_refusal_is_a_client_or_server_error(code: str) -> None:
    assert 400 <= status_of(RefusedError(code, "why")) < 600


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ManifestError("manifest_bad_name", "x"), 422),
        (ManifestError("manifest_too_large", "x"), 413),
        (IntegrityError("bad_signature", "x"), 422),
        (SourceError("mirror_private_address", "x"), 422),
        (StoreError("catalogue_failed", "x"), 503),
        (UsageError("bad_argument", "x"), 400),
        (RefusedError("taken_down", "x"), 410),
    ],
)
def test_the_status_follows_from_code_and_family(error: Exception, status: int) -> None:
    response = run(error)
    assert response.status == status


def test_a_refusal_for_load_says_when_to_come_back() -> None:
    busy = answer(RefusedError("rate_limited", "x")).headers
    assert (busy["Retry-After"], busy["Access-Control-Expose-Headers"]) == ("10", "Retry-After")
    assert "Retry-After" not in answer(RefusedError("unknown_file", "x")).headers


def test_a_missing_token_is_asked_for() -> None:
    assert "Bearer" in answer(RefusedError("token_missing", "x")).headers["WWW-Authenticate"]


def test_aiohttps_own_refusals_get_our_codes() -> None:
    assert told(run(web.HTTPNotFound()))["code"] == "unknown_route"
    refused = run(web.HTTPMethodNotAllowed("PUT", ["GET"]))
    assert told(refused)["code"] == "method_not_allowed"
    assert refused.headers["Allow"] == "GET"
    assert told(run(web.HTTPBadRequest()))["code"] == "bad_request"
    with pytest.raises(web.HTTPFound):
        run(web.HTTPFound("/elsewhere"))


def test_a_failure_of_ours_is_logged_without_the_path_and_told_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        problem = told(run(ValueError("the inner reason")))
    assert problem["code"] == "internal"
    assert "inner reason" not in str(problem)
    assert "inner reason" in caplog.text
    assert "secret-name" not in caplog.text


def test_a_client_that_left_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    run(ConnectionResetError("gone"))
    assert not caplog.records
