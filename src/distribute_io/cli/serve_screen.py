"""What `dio serve` shows: addresses, key and tag at the start, then the progress of hashing. All on stderr."""

from __future__ import annotations

import asyncio
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from distribute_io.coordinator.app import Started
from distribute_io.coordinator.library import Library
from distribute_io.units import format_count, format_size

_LOOK_EVERY_S: Final = 0.25
_SKIPPED_SHOWN: Final = 5


class Screen:
    """Tells a person at a terminal what is going on."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._library: Library | None = None
        self._is_started = asyncio.Event()

    def started(self, started: Started) -> None:
        """Show the addresses. One fact a line, so that it can be read by a program as well."""
        console, url = self._console, started.public.url
        console.print(f"[bold]Distribute.io[/] serves at [bold cyan]{url}/[/]")
        console.print(f"  donor page   {url}/donate", highlight=False)
        console.print(f"  listening    {started.listening}", highlight=False)
        if started.stun_ports:
            ports = " and ".join(str(port) for port in started.stun_ports)
            console.print(f"  STUN         UDP {ports}", highlight=False)
        new = " [dim](new; back it up)[/]" if started.key_is_new else ""
        console.print(f"  key          {started.key}{new}", highlight=False)
        console.print(f"  data         {started.data_dir}", highlight=False)
        if started.tag:
            console.print("\nPut this into a page with download links:\n", highlight=False)
            console.print(started.tag + "\n", highlight=False, markup=False)
        else:
            console.print("[yellow]The browser client is not built (make client): links stay plain downloads.[/]")
        if not started.public.is_secure_context:
            console.print(
                "[yellow]Browsers give hashing and storage only to https and to localhost: over this address the "
                "page's links stay plain downloads. Use --tls-cert, or a proxy with https and --public-url.[/]"
            )
        self._library = started.library
        self._is_started.set()

    async def follow(self) -> None:
        """Show the hashing until cancelled."""
        await self._is_started.wait()
        if self._library is None:
            return
        told = -1
        while True:
            progress = self._library.progress()
            if progress.walked and progress.files_ready < progress.files:
                await self._bar(self._library)
                progress = self._library.progress()
            if progress.walked and progress.files_ready == progress.files != told:
                told = progress.files
                files = f"{format_count(progress.files, 'file')}, {format_size(progress.size_bytes)}"
                self._console.print(f"{files}, all hashed and signed.", highlight=False)
                for skipped in progress.skipped[:_SKIPPED_SHOWN]:
                    self._console.print(f"[yellow]left out:[/] {skipped.path!r}: {skipped.reason}", highlight=False)
                if len(progress.skipped) > _SKIPPED_SHOWN:
                    self._console.print(f"[yellow]left out:[/] {len(progress.skipped) - _SKIPPED_SHOWN} more")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _bar(self, library: Library) -> None:
        """A bar for as long as something is being hashed."""
        columns = (
            TextColumn("hashing {task.fields[ready]}/{task.fields[files]} files"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True, refresh_per_second=4) as bar:
            task = bar.add_task("", total=None, ready=0, files=0)
            while True:
                now = library.progress()
                bar.update(
                    task, completed=now.ready_bytes, total=now.size_bytes, ready=now.files_ready, files=now.files
                )
                if now.files_ready >= now.files:
                    return
                await asyncio.sleep(_LOOK_EVERY_S)
