"""`dio unpublish`: take files down. Who holds them erases them within a minute, or when they come back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from distribute_io.cli.coordinator_client import request
from distribute_io.cli.local_catalogue import (
    ACTOR,
    ConfigFile,
    DataDir,
    ToCoordinator,
    Token,
    checked_file_id,
    coordinator_config,
    with_catalogue,
)
from distribute_io.ids import FileId
from distribute_io.stores.catalogue import Catalogue

app = typer.Typer()


@app.command()
def unpublish(
    file_ids: Annotated[list[str], typer.Argument(metavar="FILE_ID...", help="The files' SHA-256, in hexadecimal.")],
    to: ToCoordinator = None,
    token: Token = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    undo: Annotated[bool, typer.Option("--undo", help="Accept files again that were withdrawn (local only).")] = False,
) -> None:
    """Take files down: no link to them resolves any more, and donors erase them.

    Files that are withdrawn cannot be published again by accident, also not from the served folder.
    """
    wanted = [checked_file_id(text) for text in file_ids]
    if undo:
        _undo(wanted, data_dir, config)
        return
    if to is not None:
        for file_id in wanted:
            request("DELETE", to, f"/api/v1/files/{file_id}", token=token)
            typer.echo(f"withdrawn {file_id}", err=True)
        return

    async def withdraw(catalogue: Catalogue) -> list[FileId]:
        now_s = int(time.time())
        return [file_id for file_id in wanted if await catalogue.withdraw(file_id, actor=ACTOR, at_s=now_s)]

    known = with_catalogue(coordinator_config(data_dir, config), withdraw)
    for file_id in wanted:
        note = "" if file_id in known else " (it was not in the catalogue; it will be refused from now on)"
        typer.echo(f"withdrawn {file_id}{note}", err=True)


def _undo(wanted: list[FileId], data_dir: Path | None, config: Path | None) -> None:
    async def restore(catalogue: Catalogue) -> None:
        for file_id in wanted:
            was_withdrawn = await catalogue.restore(file_id, actor=ACTOR, at_s=int(time.time()))
            typer.echo(f"{'accepted again' if was_withdrawn else 'was not withdrawn:'} {file_id}", err=True)

    with_catalogue(coordinator_config(data_dir, config), restore)
