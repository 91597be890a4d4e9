"""`dio cause`: what donors can give to, in the words that they will read."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from distribute_io.cli.local_catalogue import ACTOR, ConfigFile, DataDir, coordinator_config, with_catalogue
from distribute_io.errors import RefusedError, UsageError
from distribute_io.ids import CauseId
from distribute_io.manifest.names import check_cause
from distribute_io.stores.catalogue import Catalogue, CauseRecord
from distribute_io.units import format_size

app = typer.Typer(no_args_is_help=True, help="Create, list and edit what donors give to.")

TITLE_CHARS_MAX = 80
TEXT_CHARS_MAX = 500
ICON_CHARS_MAX = 8
WEIGHT_MIN, WEIGHT_MAX = 0.01, 100.0

CauseArgument = Annotated[str, typer.Argument(metavar="CAUSE", help="Its name: 1 to 64 of a-z, 0-9 and -.")]
Title = Annotated[str | None, typer.Option(help="What donors see as its name.")]
Text = Annotated[str | None, typer.Option(help="A sentence or two about it.")]
Weight = Annotated[
    float | None,
    typer.Option(
        min=WEIGHT_MIN, max=WEIGHT_MAX, help="What a download of its files counts when donors are planned; usually 1."
    ),
]
Icon = Annotated[str | None, typer.Option(help="An emoji; nothing is fetched to show it.")]


@app.command()
def create(
    cause: CauseArgument,
    title: Title = None,
    text: Text = None,
    icon: Icon = None,
    weight: Weight = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Make a cause. A publisher needs a token that names it."""
    name = CauseId(check_cause(cause))
    record = CauseRecord(
        name, title or name.replace("-", " ").capitalize(), text or "", icon or "", 1.0 if weight is None else weight
    )
    _put(record, data_dir, config, must_exist=False)
    typer.echo(f"made {name}", err=True)


@app.command()
def edit(
    cause: CauseArgument,
    title: Title = None,
    text: Text = None,
    icon: Icon = None,
    weight: Weight = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Change the title, text, icon or weight of a cause; what is not given stays."""
    name = CauseId(check_cause(cause))
    given: dict[str, str | float | None] = {"title": title, "text": text, "icon": icon, "weight": weight}
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        raise UsageError("bad_argument", "Nothing to change: give --title, --text, --icon or --weight.")
    _put(CauseRecord(name, ""), data_dir, config, must_exist=True, changes=changes)
    typer.echo(f"changed {name}", err=True)


@app.command("list")
def list_causes(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """List all causes with the files that they have."""

    async def read(catalogue: Catalogue) -> list[tuple[str, ...]]:
        sizes = await catalogue.sizes()
        rows: list[tuple[str, ...]] = []
        for record in await catalogue.causes():
            size = sizes.get(record.cause)
            files, size_bytes = (size.files, size.size_bytes) if size is not None else (0, 0)
            title = f"{record.icon} {record.title}".strip()
            rows.append((record.cause, title, f"{record.weight:g}", str(files), format_size(size_bytes)))
        return rows

    table = Table("cause", "title", box=None, pad_edge=False)
    table.add_column("weight", justify="right")
    table.add_column("files", justify="right")
    table.add_column("size", justify="right")
    for row in with_catalogue(coordinator_config(data_dir, config), read):
        table.add_row(*row)
    Console(soft_wrap=True).print(table)


def _put(
    record: CauseRecord,
    data_dir: Path | None,
    config: Path | None,
    *,
    must_exist: bool,
    changes: Mapping[str, str | float] | None = None,
) -> None:
    async def write(catalogue: Catalogue) -> None:
        known = {known.cause: known for known in await catalogue.causes()}.get(record.cause)
        if must_exist and known is None:
            raise RefusedError("unknown_cause", f"There is no cause {record.cause}: `dio cause list` shows all.")
        if not must_exist and known is not None:
            raise UsageError("bad_argument", f"The cause {record.cause} is there already: `dio cause edit` changes it.")
        changed = msgspec.structs.replace(known or record, **(changes or {}))
        _check(changed)
        await catalogue.put_cause(changed, actor=ACTOR, at_s=int(time.time()))

    with_catalogue(coordinator_config(data_dir, config), write)


def _check(record: CauseRecord) -> None:
    if not math.isfinite(record.weight):  # which lies within every range, by the parser's comparison
        raise UsageError("bad_argument", "--weight is a number, as 2.5.")
    for word, value, most in (
        ("title", record.title, TITLE_CHARS_MAX),
        ("text", record.text, TEXT_CHARS_MAX),
        ("icon", record.icon, ICON_CHARS_MAX),
    ):
        if len(value) > most:
            raise UsageError("bad_argument", f"The {word} has {len(value)} characters; at most {most} are allowed.")
