"""`dio keygen`: a publisher's signing key, and where it lies by default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


def default_key_path() -> Path:
    """Where `dio publish` looks for a key that was not named: in the user's configuration folder."""
    return Path(typer.get_app_dir("distribute-io")) / "publisher.pem"


@app.command()
def keygen(
    file: Annotated[
        Path | None,
        typer.Argument(help="Where to write the secret key; by default where `dio publish` looks for it."),
    ] = None,
) -> None:
    """Make a publisher's signing key.

    Writes the secret key (PEM, readable by you alone) and beside it the public key in a .pub file.
    Prints the public key: pin it in your pages with `data-key`. An existing key is never overwritten.
    """
    # After the options are parsed: `dio keygen --help` needs no cryptography.
    from distribute_io.manifest.keys import public_key_path, write_new_key

    path = default_key_path() if file is None else file
    key = write_new_key(path)
    typer.echo(f"Secret key: {path} (keep it, and keep it secret)\nPublic key: {public_key_path(path)}", err=True)
    typer.echo(key.public_key)
