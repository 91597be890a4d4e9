"""`dio serve [DIR]`: publish a folder and serve everything."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from distribute_io.cli.serve_log import log_to_stderr
from distribute_io.cli.serve_screen import Screen
from distribute_io.coordinator.config_sources import LoadedConfig, load, render

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Folder to publish. Without it only what is published by API."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes any free one.", show_default="8080")] = None,
    public_url: Annotated[
        str | None, typer.Option(help="How browsers reach this server.", show_default="http://HOST:PORT")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where key and catalogue are kept.", show_default="~/.local/share/distribute-io/serve"),
    ] = None,
    catalogue: Annotated[
        str | None, typer.Option(help="Durable store.", show_default="sqlite:///DATA_DIR/catalogue.sqlite")
    ] = None,
    state: Annotated[str | None, typer.Option(help="Soft state.", show_default="memory://")] = None,
    cause: Annotated[str | None, typer.Option(help="Cause of the folder's files.", show_default="main")] = None,
    stun_port: Annotated[
        int | None,
        typer.Option(help="UDP port of the STUN responder, and the next; 0 takes free ones.", show_default="3478"),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Network of a proxy whose X-Forwarded-For is believed. Repeatable."),
    ] = None,
    region_table: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV of NETWORK,REGION lines: where peers are, before all else."),
    ] = None,
    mmdb: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="MMDB file with countries or autonomous systems. Repeatable."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file with the certificate chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file with the certificate's key.")] = None,
    allow_private_mirrors: Annotated[
        bool | None,
        typer.Option("--allow-private-mirrors", help="Accept mirrors on private addresses (tests, intranets)."),
    ] = None,
    watch_mirrors: Annotated[
        bool | None,
        typer.Option(
            "--watch-mirrors/--no-watch-mirrors",
            help="Check mirrors now and then, and leave out those that fail.",
            show_default="--watch-mirrors",
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Configuration file (TOML).")] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print all settings, commented, and exit.")
    ] = False,
) -> None:
    """Publish the files under DIR and serve all of it: mirror, coordinator, snippet, donor page, STUN.

    Serves at once; files are hashed and signed in the background. The key is made at the first start.
    """
    flags: dict[str, object] = {
        "folder": _text(directory),
        "host": host,
        "port": port,
        "public_url": public_url,
        "data_dir": _text(data_dir),
        "catalogue": catalogue,
        "state": state,
        "cause": cause,
        "stun_port": stun_port,
        "trusted_proxies": tuple(trusted_proxy) if trusted_proxy else None,
        "region_table": _text(region_table),
        "mmdb": tuple(map(str, mmdb)) if mmdb else None,
        "tls_cert": _text(tls_cert),
        "tls_key": _text(tls_key),
        "allow_private_mirrors": allow_private_mirrors,
        "watch_mirrors": watch_mirrors,
    }
    loaded = load(flags=flags, environment=os.environ, file=config)
    if print_config:
        sys.stdout.write(render(loaded))
        return
    log_to_stderr()
    gc.freeze()  # what is loaded by now stays to the end: the collector need not look through it again and again
    raise typer.Exit(asyncio.run(_run(loaded)))


def _text(path: Path | None) -> str | None:
    return str(path) if path is not None else None


async def _run(loaded: LoadedConfig) -> int:
    """Serve until a signal; SIGTERM is a wish (0), SIGINT an interrupt (130)."""
    # Imported here: `--print-config` and a wrong flag need no web server.
    from distribute_io.coordinator.app import serve as serve_until_cancelled

    screen = Screen(Console(stderr=True, soft_wrap=True))
    received: list[signal.Signals] = []
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve_until_cancelled(loaded.config, screen.started))
        watching = tasks.create_task(screen.follow())

        def stop(number: signal.Signals) -> None:
            received.append(number)
            serving.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        serving.add_done_callback(lambda _task: watching.cancel())
    return 130 if received[:1] == [signal.SIGINT] else 0
