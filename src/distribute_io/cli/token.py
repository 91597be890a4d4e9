"""`dio token`: the operator gives publishers the right to publish, and takes it away.

It works on the coordinator's catalogue directly, whether the coordinator runs or not: who may read that file needs no
other proof. A token's text is shown once, when it is made; the catalogue keeps only its hash.
"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from distribute_io.cli.local_catalogue import ACTOR, ConfigFile, DataDir, coordinator_config, with_catalogue
from distribute_io.coordinator import links
from distribute_io.coordinator.bearer import ANY, new_token
from distribute_io.errors import RefusedError, UsageError
from distribute_io.manifest.names import check_cause
from distribute_io.manifest.timestamps import format_timestamp

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke the tokens of publishers.")


@app.command()
def create(
    causes: Annotated[list[str], typer.Option("--cause", help="Cause it may publish in; * means all. Repeatable.")],
    origins: Annotated[
        list[str] | None,
        typer.Option(
            "--origin",
            metavar="ORIGIN",
            help="Site whose links it may claim without proof, https://host[:port]; * means all. Repeatable.",
        ),
    ] = None,
    label: Annotated[str, typer.Option(help="Whose it is, for the list.")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Make a token and print it, once.

    A claim on a link outside of its origins still stands when the bytes there are the file's.
    """
    told, record = new_token(
        label=label,
        causes=[cause if cause == ANY else check_cause(cause) for cause in causes],
        origins=[origin if origin == ANY else _checked_origin(origin) for origin in origins or []],
        now_s=int(time.time()),
    )
    with_catalogue(coordinator_config(data_dir, config), lambda catalogue: catalogue.put_token(record, actor=ACTOR))
    typer.echo(f"Token {record.token_id}; it is shown only now:", err=True)
    typer.echo(told)


@app.command("list")
def list_tokens(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """List all tokens with their scopes."""
    # One line each and never folded, so that other programs can read it.
    for token in with_catalogue(coordinator_config(data_dir, config), lambda catalogue: catalogue.tokens()):
        state = "valid" if token.revoked_at_s is None else f"revoked {format_timestamp(token.revoked_at_s)}"
        scope = f"causes {','.join(token.causes)}  origins {','.join(token.origins) or 'none'}"
        typer.echo(
            f"{token.token_id}  {format_timestamp(token.created_at_s)}  {state}  {scope}  {token.label}".rstrip()
        )


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="TOKEN_ID", help="As `dio token list` shows it.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Revoke a token; what was published with it stays."""
    now_s = int(time.time())
    if not with_catalogue(
        coordinator_config(data_dir, config),
        lambda catalogue: catalogue.revoke_token(token_id, actor=ACTOR, at_s=now_s),
    ):
        raise RefusedError("token_invalid", f"There is no valid token {token_id}: `dio token list` shows all.")
    typer.echo(f"revoked {token_id}", err=True)


def _checked_origin(text: str) -> str:
    try:
        return links.origin(text)
    except RefusedError as error:
        raise UsageError("bad_argument", f"{text!a} is no origin; write it as https://host[:port]") from error
