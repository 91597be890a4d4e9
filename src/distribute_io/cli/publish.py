"""`dio publish`: the options, and the order of work. What is made of each file is `publication.py`."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from distribute_io.cli.hashing_ahead import HashingAhead

app = typer.Typer()


@app.command()
def publish(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Regular files; each is read once.")],
    mirrors: Annotated[
        list[str] | None,
        typer.Option("--mirror", metavar="URL", help="Where the file can be fetched; ending in /: a base. Repeatable."),
    ] = None,
    cause: Annotated[str, typer.Option(help="What donors give to: 1 to 64 of a-z, 0-9 and -.")] = "main",
    keys: Annotated[
        list[Path] | None,
        typer.Option(
            "--key", metavar="FILE", help="Secret key; repeatable. Without it your own, which is made at first use."
        ),
    ] = None,
    release_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When you expect the rush, e.g. 2026-11-22T10:00Z.")
    ] = None,
    release_downloads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many downloads you expect after --release-at.")
    ] = None,
    release_regions: Annotated[
        list[str] | None,
        typer.Option(
            "--release-region", metavar="REGION", help="Where, such as EU or DE; repeatable. Without it as usual."
        ),
    ] = None,
    expires_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="From when on the manifest is refused; without it never.")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="COORDINATOR", help="Publish at this coordinator, too.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="DIO_TOKEN", help="Bearer token for --to; better given by the environment.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Where the manifests go; by default here, unless --to."),
    ] = None,
) -> None:
    """Make and sign the manifests of files.

    Writes NAME.manifest.json and NAME.meta4 for each file, and prints its SHA-256 as `sha256sum` does.
    """
    with ExitStack() as exits:
        hashing = context.obj
        if not isinstance(hashing, HashingAhead) or not hashing.follow(files):
            hashing = exits.enter_context(HashingAhead(files))
        # Only now, while the first file is being read: this loads the cryptography.
        from distribute_io.cli.publication import Publication, parse_time

        publication = Publication(
            files,
            mirrors=mirrors or [],
            cause=cause,
            key_paths=keys or [],
            release_at_s=None if release_at is None else parse_time(release_at),
            release_downloads=release_downloads,
            release_regions=release_regions or [],
            expires_at_s=None if expires_at is None else parse_time(expires_at),
            coordinator=to,
            token=token,
            folder=output if output is not None or to is not None else Path(),
        )
        for file, digests in zip(files, hashing.results(), strict=True):
            typer.echo(publication.publish(file, digests, now_s=int(time.time())))
