"""What `dio serve` logs, on stderr: what failed and where in the program, with no word of those who were served.

Rules:

1. No address, SDP or file name is in a log. The records that we write ourselves keep to that; this module sees to the
   rest: aiohttp names the peer when a request fails before it reaches us, and the text of an exception may quote
   anything that came in: a header with an address, a path with a file's name, a statement's parameters.
2. So of an exception its type, its place and, of the system's errors, the error's own word are told, never its text.
   What an operator must know of a failure is the text of one of our own errors, which is written for that.
"""

from __future__ import annotations

import logging
import os
import re
import traceback
from concurrent.futures.process import _RemoteTraceback
from types import TracebackType
from typing import Final

_REMOTE_PLACE: Final = re.compile(r'^  File "[^"\n]+", line \d+, in \S+$(?:\n    .*$)?', re.MULTILINE)

_CAUSES_MAX: Final = 8
"""Exceptions of one chain that are told."""


def log_to_stderr() -> None:
    """Log warnings and errors, each on a line of its own, with the place of an exception below."""
    handler = logging.StreamHandler()
    handler.setFormatter(PrivateFormatter("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(without_address)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def without_address(record: logging.LogRecord) -> bool:
    """Rule 1, for what others log: aiohttp names the peer, asyncio tells the representation of whatever failed."""
    if record.name.startswith("aiohttp."):
        record.msg, record.args = "A request failed.", ()
    elif record.name == "asyncio":
        said = record.getMessage().partition("\n")[0]
        record.msg, record.args = "%s", (said.partition("<")[0].partition(" callback ")[0].strip(),)
    return True


class PrivateFormatter(logging.Formatter):
    """Rule 2."""

    def formatException(  # noqa: N802 - logging's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """Types and places of an exception and of what caused it, the first cause first."""
        told: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None and len(told) < _CAUSES_MAX:
            told.append("".join(["Traceback:\n", *_places(error), _kind(error)]))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\nwhich led to\n".join(reversed(told))


def _places(error: BaseException) -> list[str]:
    """Where an exception came by: places in the program, whose lines hold no value."""
    if isinstance(error, _RemoteTraceback):
        # Where it came by in another process: the exception's own text stands below that.
        return [f"{place}\n" for place in _REMOTE_PLACE.findall(str(error))]
    return traceback.format_list(traceback.extract_tb(error.__traceback__))


def _kind(error: BaseException) -> str:
    name = type(error).__qualname__
    if isinstance(error, OSError) and error.errno is not None:
        return f"{name}: {os.strerror(error.errno)}"
    if isinstance(error, BaseExceptionGroup):
        return "\n".join([name, *(f"with {''.join(_places(each))}{_kind(each)}" for each in error.exceptions)])
    return name
