"""What a parser says of its input, as a value: for properties that hold for accepted and refused input alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from distribute_io.errors import DistributeError

Result = TypeVar("Result")


def verdict(action: Callable[[], Result]) -> Result | DistributeError:
    """What `action` returns, or the error of ours that it raises; any other exception is a failure of the test."""
    try:
        return action()
    except DistributeError as error:
        return error
