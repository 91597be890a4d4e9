"""cli/serve_log.py: whatever failed, the log has its place and kind, and no word of who was served what."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from distribute_io.cli.serve_log import PrivateFormatter, without_address

ADDRESS, NAME = "203.0.113.77", "a-very-private-name.iso"


def fails_with_a_header() -> None:
    raise ValueError(f"bad header: X-Forwarded-For: {ADDRESS}")


def fails_with_a_path() -> None:
    raise FileNotFoundError(2, "No such file or directory", f"/srv/{NAME}")


def fails_for_a_cause() -> None:
    try:
        fails_with_a_path()
    except OSError as error:
        raise RuntimeError(f"{NAME} for {ADDRESS}") from error


def fails_many_times() -> None:
    raise ExceptionGroup(NAME, [ValueError(ADDRESS), FileNotFoundError(2, "", NAME)])


def logged(name: str, text: str, *args: object, failure: Callable[[], None] | None = None) -> str:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(PrivateFormatter("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(without_address)
    logger = logging.Logger(name)
    logger.addHandler(handler)
    try:
        if failure is not None:
            failure()
        logger.error(text, *args)
    except Exception:
        logger.exception(text, *args)
    return out.getvalue()


@pytest.mark.parametrize(
    ("failure", "kinds"),
    [
        (fails_with_a_header, ["ValueError"]),
        (fails_with_a_path, ["FileNotFoundError: No such file or directory"]),
        (fails_for_a_cause, ["FileNotFoundError: No such file or directory", "RuntimeError"]),
        (fails_many_times, ["ExceptionGroup", "with ValueError", "with FileNotFoundError: No such file or directory"]),
    ],
)
def test_an_exception_is_its_kind_and_place_without_its_text(failure: Callable[[], None], kinds: list[str]) -> None:
    told = logged("distribute_io.coordinator", "The plan failed.", failure=failure)
    assert told.startswith("ERROR distribute_io.coordinator: The plan failed.\n")
    assert f"in {failure.__name__}" in told
    assert [line for line in told.splitlines() if line in kinds] == kinds
    assert ADDRESS not in told
    assert NAME not in told


def test_what_aiohttp_says_of_a_peer_is_left_out() -> None:
    text = "Error handling request from %s"
    told = logged("aiohttp.server", text, ADDRESS, failure=fails_with_a_header)
    assert told.startswith("ERROR aiohttp.server: A request failed.\n")
    assert "ValueError" in told
    assert ADDRESS not in told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"socket.accept() out of system resource\nsocket: {ADDRESS}", "socket.accept() out of system resource"),
        (f"Exception in callback done('{ADDRESS}')\nhandle: <Handle {NAME}>", "Exception in"),
        (f"Task exception was never retrieved\nfuture: <Task {NAME}>", "Task exception was never retrieved"),
        (f"Fatal error on <Transport {ADDRESS}>", "Fatal error on"),
    ],
)
def test_of_asyncio_the_first_words_are_told(said: str, told: str) -> None:
    assert logged("asyncio", said) == f"ERROR asyncio: {told}\n"


def test_a_task_that_failed_is_told_by_its_place() -> None:
    async def play() -> list[str]:
        told: list[str] = []

        def handler(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
            told.append(str(context["message"]))

        asyncio.get_running_loop().set_exception_handler(handler)
        asyncio.get_running_loop().call_soon(fails_with_a_header)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return told

    (message,) = asyncio.run(play())
    assert logged("asyncio", message, failure=fails_with_a_header).startswith("ERROR asyncio: Exception in\nTraceback")


def fails_elsewhere() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(fails_with_a_header).result()


def test_what_failed_in_another_process_has_its_place_there() -> None:
    told = logged("distribute_io.coordinator", "Donors could not be planned.", failure=fails_elsewhere)
    assert "in fails_with_a_header\n    raise ValueError" in told
    assert ADDRESS not in told
