"""Which WebRTC engine is used: the one asked for, else the first that is installed.

`reactor-webrtc` takes a third of the CPU and comes as a wheel for Linux (glibc), macOS and Windows on x86-64 and ARM64;
elsewhere `aiortc` serves (docs/decisions/0030). None of them is loaded before it is needed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Final, Literal, get_args

from distribute_io.errors import UsageError
from distribute_io.transport.webrtc import WebRtcEngine

EngineName = Literal["reactor-webrtc", "aiortc"]

_NAMES: Final[tuple[EngineName, ...]] = get_args(EngineName)


def is_installed(name: EngineName) -> bool:
    """Whether the package of an engine is there."""
    return importlib.util.find_spec(name.replace("-", "_")) is not None


def choose_engine(wanted: EngineName | None, *, installed: Callable[[EngineName], bool] = is_installed) -> EngineName:
    """The engine to use.

    Raises:
        UsageError: `dependency_missing` when the wanted one, or any, is not installed.
    """
    for name in _NAMES if wanted is None else (wanted,):
        if installed(name):
            return name
    lacking = "No WebRTC engine is installed" if wanted is None else f"The WebRTC engine {wanted} is not installed"
    package = "reactor-webrtc" if wanted == "reactor-webrtc" else "distribute-io[aiortc]"
    raise UsageError("dependency_missing", f"{lacking}: pip install '{package}'.")


def load_engine(name: EngineName) -> WebRtcEngine:
    """The engine itself, in this process.

    Raises:
        UsageError: `dependency_missing` when it is there and cannot be loaded, as on a system that is too old for it.
    """
    try:
        if name == "aiortc":
            from distribute_io.transport.webrtc_aiortc import AiortcEngine

            return AiortcEngine()
        from distribute_io.transport.webrtc_reactor import ReactorEngine

        return ReactorEngine()
    except (ImportError, OSError) as error:
        raise UsageError("dependency_missing", f"The WebRTC engine {name} cannot be loaded here: {error}.") from error


def open_engine(wanted: EngineName | None) -> WebRtcEngine:
    """The engine for a program that has other work too; without `wanted` the first that is there and can be loaded.

    One in Python would hold the interpreter, so it gets a child process.

    Raises:
        UsageError: `dependency_missing`.
    """
    name = choose_engine(wanted, installed=is_installed)
    if name == "aiortc":
        from distribute_io.transport.webrtc_child import ChildEngine

        return ChildEngine(name)
    try:
        return load_engine(name)
    except UsageError:
        if wanted is not None or not is_installed("aiortc"):
            raise
        return open_engine("aiortc")
