"""`dio mirror`: where else a file can be fetched by HTTP."""

from __future__ import annotations

import base64
import random
import sys
import time
from typing import Annotated, Final
from urllib.parse import quote

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from distribute_io.cli.coordinator_client import request
from distribute_io.cli.local_catalogue import (
    ACTOR,
    ConfigFile,
    DataDir,
    FileIdArgument,
    ToCoordinator,
    Token,
    checked_file_id,
    coordinator_config,
    with_catalogue,
)
from distribute_io.coordinator import links
from distribute_io.coordinator.claims import Claims
from distribute_io.coordinator.listing import statuses
from distribute_io.coordinator.mirror_words import in_words
from distribute_io.coordinator.prober import HttpProber
from distribute_io.errors import RefusedError, UsageError
from distribute_io.ids import FileId
from distribute_io.stores.catalogue import Catalogue, MirrorRecord
from distribute_io.wire.http import FileEntry, ManifestDocument, Mirror

app = typer.Typer(no_args_is_help=True, help="Add, remove and list the mirrors of a file.")

_PIPED_CHARS: Final = 10_000

UrlArgument = Annotated[str, typer.Argument(metavar="URL", help="Address of the whole file; ending in /: a base.")]


@app.command()
def add(
    file_id: FileIdArgument,
    url: UrlArgument,
    priority: Annotated[int, typer.Option(min=1, max=999_999, help="Lower is asked first.")] = 100,
    location: Annotated[
        str | None, typer.Option(metavar="CC", help="Country of the mirror, two letters (ISO 3166-1).")
    ] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private-mirrors", help="Accept an address of a private network.")
    ] = False,
    to: ToCoordinator = None,
    token: Token = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Add a mirror, or change its priority and location."""
    wanted = checked_file_id(file_id)
    country = _checked_country(location)
    if to is not None:
        entry = _entry(to, wanted)
        mirror = Mirror(_file_url(url, entry.name), priority, country)
        _add_remotely(to, token, entry, mirror)
    else:
        settings = coordinator_config(data_dir, config)
        prober = HttpProber(allow_private=allow_private or settings.allow_private_mirrors)

        async def write(catalogue: Catalogue) -> Mirror:
            record = (await catalogue.manifests(wanted) or (None,))[0]
            if record is None:
                raise _unknown(wanted)
            mirror = Mirror(_file_url(url, record.name), priority, country)
            segments = await catalogue.segment_list(record.segments_sha256) or b""
            claims = Claims(catalogue, prober, random.Random())
            mirrors, may_replace = await claims.judge(record, segments, [mirror], None)
            await catalogue.put_mirrors(mirrors, replace=may_replace, actor=ACTOR, at_s=int(time.time()))
            return mirror

        mirror = with_catalogue(settings, write)
    typer.echo(f"added {mirror.url}", err=True)


@app.command()
def remove(
    file_id: FileIdArgument,
    url: UrlArgument,
    to: ToCoordinator = None,
    token: Token = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Forget a mirror."""
    wanted = checked_file_id(file_id)
    if to is not None:
        full = _file_url(url, _entry(to, wanted).name)
        request("DELETE", to, f"/api/v1/files/{wanted}/mirrors?url={quote(full, safe='')}", token=token)
    else:

        async def forget(catalogue: Catalogue) -> str:
            record = (await catalogue.manifests(wanted) or (None,))[0]
            full = _file_url(url, record.name if record is not None else "")
            if not await catalogue.remove_mirror(wanted, links.normalised(full), actor=ACTOR, at_s=int(time.time())):
                raise RefusedError("unknown_link", f"The file has no mirror {full}: `dio mirror list` shows all.")
            return full

        full = with_catalogue(coordinator_config(data_dir, config), forget)
    typer.echo(f"removed {full}", err=True)


@app.command("list")
def list_mirrors(
    file_id: FileIdArgument, to: ToCoordinator = None, data_dir: DataDir = None, config: ConfigFile = None
) -> None:
    """List the mirrors of a file, first asked first, and how each one does."""
    wanted = checked_file_id(file_id)
    if to is not None:
        entry = _entry(to, wanted)
        known = {mirror.url: mirror for mirror in entry.mirrors}
        states = {state.url: state for state in entry.mirror_states}
    else:
        settings = coordinator_config(data_dir, config)

        async def read(catalogue: Catalogue) -> tuple[MirrorRecord, ...]:
            if not await catalogue.manifests(wanted):
                raise _unknown(wanted)
            return await catalogue.mirrors(wanted)

        rows = with_catalogue(settings, read)
        known = {row.url: Mirror(row.url, row.priority, row.location) for row in rows}
        # A folder's own copy is not known here; it decides only whether what fails is listed for want of better.
        told = statuses(rows, has_own=False, watched=settings.watch_mirrors)
        states = {state.url: state for state in told}
    table = Table("mirror", box=None, pad_edge=False)
    table.add_column("priority", justify="right")
    table.add_column("location")
    table.add_column("how it does")
    for url in dict.fromkeys((*known, *states)):
        mirror, state = known.get(url), states.get(url)
        table.add_row(
            url,
            str(mirror.priority) if mirror is not None else "",
            (mirror.location or "") if mirror is not None else "",
            in_words(state) if state is not None else "served here",
        )
    # A program that reads this wants one mirror a line, a person no wider than the terminal.
    Console(soft_wrap=True, width=None if sys.stdout.isatty() else _PIPED_CHARS).print(table)


def _add_remotely(coordinator: str, token: str | None, entry: FileEntry, mirror: Mirror) -> None:
    """Publish the manifest that is there already once more, with one mirror beside it."""
    segments = request("GET", coordinator, f"/api/v1/files/{entry.file_id}.segments")
    document = ManifestDocument(entry.manifests[0], [mirror], segments=base64.b64encode(segments).decode())
    request("POST", coordinator, "/api/v1/files", token=token, body=msgspec.json.encode(document))


def _entry(coordinator: str, file_id: FileId) -> FileEntry:
    body = request("GET", coordinator, f"/api/v1/files/{file_id}")
    try:
        return msgspec.json.decode(body, type=FileEntry)
    except msgspec.MsgspecError as error:
        raise RefusedError("coordinator_malformed", f"{coordinator} answered what is no file: {error}") from error


def _file_url(url: str, name: str) -> str:
    """The address of the file under a base that ends in `/`; any other address is the file's own."""
    return url + quote(name) if url.endswith("/") else url


def _checked_country(text: str | None) -> str | None:
    if text is None:
        return None
    lowered = text.lower()
    if len(lowered) != 2 or not (lowered.isascii() and lowered.isalpha()):
        raise UsageError("bad_argument", f"{text!a} is no country: two letters, for example de.")
    return lowered


def _unknown(file_id: FileId) -> RefusedError:
    return RefusedError("unknown_file", f"The catalogue has no file {file_id}.")
