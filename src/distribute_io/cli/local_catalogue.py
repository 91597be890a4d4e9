"""Commands that work on the coordinator's catalogue directly, whether the coordinator runs or not.

Who may read and write that file needs no other proof. A running coordinator sees the change at the next request.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from distribute_io.coordinator.app import open_catalogue
from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.coordinator.config_sources import load
from distribute_io.errors import UsageError
from distribute_io.ids import FileId
from distribute_io.stores.catalogue import Catalogue

ACTOR: Final = "cli"
"""Who the audit says it was."""

DataDir = Annotated[
    Path | None,
    typer.Option(help="The coordinator's data directory.", show_default="~/.local/share/distribute-io/serve"),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="The coordinator's configuration.")]
FileIdArgument = Annotated[str, typer.Argument(metavar="FILE_ID", help="The file's SHA-256, 64 hexadecimal digits.")]
ToCoordinator = Annotated[
    str | None,
    typer.Option("--to", metavar="COORDINATOR", help="Ask this coordinator; without it the local data directory."),
]
Token = Annotated[
    str | None,
    typer.Option(envvar="DIO_TOKEN", help="Bearer token for the coordinator; better given by the environment."),
]

T = TypeVar("T")


def coordinator_config(data_dir: Path | None, file: Path | None) -> CoordinatorConfig:
    """The configuration that a coordinator started with the same options has.

    Raises:
        UsageError: `bad_config` or `file_not_found`.
    """
    flags: dict[str, object] = {"data_dir": None if data_dir is None else str(data_dir)}
    return load(flags=flags, environment=os.environ, file=file).config


def with_catalogue(config: CoordinatorConfig, use: Callable[[Catalogue], Awaitable[T]]) -> T:
    """Open the catalogue of a configuration, use it, and close it."""

    async def run() -> T:
        catalogue = open_catalogue(config)
        try:
            return await use(catalogue)
        finally:
            await catalogue.close()

    return asyncio.run(run())


def checked_file_id(text: str) -> FileId:
    """A file's id as it was typed, in lower case.

    Raises:
        UsageError: `bad_argument` when it is none.
    """
    lowered = text.strip().lower()
    if len(lowered) != 64 or not set(lowered) <= set("0123456789abcdef"):
        raise UsageError("bad_argument", f"{text!a} is no file id: it is the file's SHA-256, 64 hexadecimal digits.")
    return FileId(lowered)
