"""`dio get`: download files, verified, from mirrors and donors at once.

Progress and warnings go to stderr. stdout gets one line for each file, or with `--json` one object, also for a file
that failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from distribute_io import __version__
from distribute_io.cli.get_progress import show_progress
from distribute_io.cli.get_report import failure_report, report, summary
from distribute_io.core.scheduler.messages import Policy as MirrorUse
from distribute_io.download.existing import is_there_already
from distribute_io.download.fetch import FetchOptions, FetchResult, Peers, Snapshot, fetch
from distribute_io.download.plan import DownloadPlan, PlanOptions, make_plan
from distribute_io.download.rate_limit import RateLimit
from distribute_io.download.stream import stream
from distribute_io.download.version_memory import VersionMemory, default_path
from distribute_io.errors import DistributeError, UsageError
from distribute_io.manifest.keys import parse_public_key
from distribute_io.runtime.disk import stored
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.webrtc_engines import EngineName, choose_engine, open_engine
from distribute_io.units import parse_rate

app = typer.Typer()

_STDOUT: Final = Path("-")


@app.command()
def get(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="URL_OR_MANIFEST…",
            help="A manifest file or its address, COORDINATOR/files/NAME, or any mirror address with --coordinator.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="File to write, a named pipe, the folder for files under their own names, or - for stdout. Folders "
            "that are not there are made.",
        ),
    ] = None,
    coordinator: Annotated[
        str | None, typer.Option(help="Address of the coordinator that knows the file and its donors.")
    ] = None,
    pin: Annotated[
        list[str] | None,
        typer.Option(help="Publisher's key, ed25519:…; what none of the pinned keys signed is refused. Repeatable."),
    ] = None,
    mirrors_only: Annotated[
        bool, typer.Option("--mirrors-only", help="Use no donors, so that none of them sees your address.")
    ] = False,
    mirror_use: Annotated[
        MirrorUse,
        typer.Option(
            "--policy",
            help="How much to spare the mirrors: fast asks everybody for anything, spare-mirrors leaves to donors what "
            "they hold, balanced does so as far as it costs little time.",
        ),
    ] = "balanced",
    limit_rate: Annotated[str | None, typer.Option(help="Most that is downloaded per second, as 1.5MB/s.")] = None,
    webrtc: Annotated[
        EngineName | None,
        typer.Option(
            metavar="ENGINE",
            help="For donors: reactor-webrtc or aiortc. Default: the first that is installed.",
        ),
    ] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Ask mirrors on private and loopback addresses too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each file.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress; errors and results stay.")] = False,
) -> None:
    """Download files, verified, from mirrors and donors at once.

    Run the same command again to resume. With --pin the file is verified against the publisher's key; without it the
    result says whose list it matches, which is no more than that.
    """
    if webrtc is not None:
        choose_engine(webrtc)  # who asks for one hears at once that it is not there
    gc.freeze()  # what is loaded by now stays to the end: the collector need not look through it again and again
    folder, file = _targets(output, len(what))
    if file == _STDOUT:
        _check_stdout(as_json=as_json)
    pins = tuple(parse_public_key(key) for key in pin or [])
    policy = HttpPolicy(allow_private=allow_private)
    limit = RateLimit(parse_rate(limit_rate)) if limit_rate is not None else None
    failures: list[DistributeError] = []
    for typed in what:
        progress = _Progress()
        try:
            _get_one(
                typed,
                progress,
                folder=folder,
                file=file,
                options=PlanOptions(coordinator=coordinator, pins=pins),
                policy=policy,
                limit=limit,
                mirror_use=mirror_use,
                mirrors_only=mirrors_only,
                webrtc=webrtc,
                as_json=as_json,
                quiet=quiet,
            )
        except DistributeError as error:
            if as_json:
                typer.echo(msgspec.json.encode(failure_report(typed, error, progress.latest)).decode())
            if len(what) == 1:
                raise
            typer.echo(f"dio: {error.message} [{error.code}]", err=True)
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(what)} files failed", failures)


class _Progress:
    """How far one download is."""

    def __init__(self) -> None:
        self.latest: Snapshot | None = None


def _check_stdout(*, as_json: bool) -> None:
    if as_json:
        raise UsageError("bad_argument", "with -o - stdout is for the file, so there is no room for --json")
    if sys.stdout.isatty():
        raise UsageError("bad_argument", "-o - writes the file's bytes, and stdout is a terminal: pipe it somewhere")


def _targets(output: str | None, count: int) -> tuple[Path, Path | None]:
    """The folder for files under their own names, and the one file to write if the user named it.

    A folder is what is one, what ends in a slash, and what several files go to; it is made when it is not there.
    """
    if output is None:
        return Path(), None
    path = _STDOUT if output == "/dev/stdout" else Path(output)
    if path == _STDOUT:
        if count > 1:
            raise UsageError("bad_argument", "-o - takes one file, as nobody could tell where the next one begins")
        return Path(), path
    if path.is_dir() or output.endswith("/"):
        return path, None
    if count == 1:
        return path.parent, path
    if path.exists():
        raise UsageError("bad_argument", f"{output} is no folder, and several files cannot become one")
    return path, None


def _get_one(
    typed: str,
    progress: _Progress,
    *,
    folder: Path,
    file: Path | None,
    options: PlanOptions,
    policy: HttpPolicy,
    limit: RateLimit | None,
    mirror_use: MirrorUse,
    mirrors_only: bool,
    webrtc: EngineName | None,
    as_json: bool,
    quiet: bool,
) -> None:
    plan = make_plan(typed, options, policy=policy, warn=_warn)
    VersionMemory(default_path(), warn=_warn).check(plan.verified)
    # A manifest's name may have folders; what arrives is one file, under its last part.
    target = file or folder / Path(plan.manifest.name).name
    if target.exists() and not _is_pipe(target):
        result = is_there_already(target, plan)
    else:
        if not target.parent.exists() and not quiet:
            typer.echo(f"dio: making the folder {target.parent}", err=True)  # it may be a slip of the pen
        fetching = FetchOptions(target=target, policy=policy, limit=limit, mirror_use=mirror_use)
        result = _download(plan, fetching, progress, mirrors_only=mirrors_only, webrtc=webrtc, quiet=quiet)
    if as_json:
        typer.echo(msgspec.json.encode(report(plan, result)).decode())
    else:
        typer.echo(summary(plan, result), err=target == _STDOUT)


def _download(
    plan: DownloadPlan,
    fetching: FetchOptions,
    progress: _Progress,
    *,
    mirrors_only: bool,
    webrtc: EngineName | None,
    quiet: bool,
) -> FetchResult:
    target = fetching.target
    with _opened(target) as pipe, show_progress(plan.manifest.name, quiet=quiet) as view:

        def show(snapshot: Snapshot) -> None:
            progress.latest = snapshot
            view.show(snapshot)

        options = msgspec.structs.replace(fetching, on_snapshot=show)
        try:
            return asyncio.run(_until_done(plan, options, mirrors_only=mirrors_only, webrtc=webrtc, pipe=pipe))
        except (KeyboardInterrupt, asyncio.CancelledError) as stopped:
            if pipe is not None:
                where = "stdout" if target == _STDOUT else target
                view.say(f"stopped; what went to {where} is right, but not all of the file")
            else:
                view.say(f"stopped; the same command goes on from here ({target.name}.part is kept)")
            raise KeyboardInterrupt from stopped


def _is_pipe(target: Path) -> bool:
    """Whether bytes can only be written to it in order: stdout, a named pipe, a device as /dev/null."""
    return target == _STDOUT or target.is_fifo() or target.is_char_device()


@contextlib.contextmanager
def _opened(target: Path) -> Iterator[int | None]:
    """The descriptor of a pipe; None for what is a file. Waits for a named pipe's reader."""
    if target == _STDOUT:
        yield sys.stdout.fileno()
    elif _is_pipe(target):
        with stored(target):
            descriptor = os.open(target, os.O_WRONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    else:
        yield None


async def _until_done(
    plan: DownloadPlan, options: FetchOptions, *, mirrors_only: bool, webrtc: EngineName | None, pipe: int | None
) -> FetchResult:
    # As Ctrl-C: what was written becomes durable, and the exit code is 130. Not by raising SIGINT: what shells start in
    # the background ignores that.
    running = asyncio.current_task()
    if running is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    if mirrors_only:
        return await _fetch(plan, options, None, pipe)
    return await fetch_from_all(plan, options, webrtc=webrtc, pipe=pipe)


async def fetch_from_all(
    plan: DownloadPlan, options: FetchOptions, *, webrtc: EngineName | None = None, pipe: int | None = None
) -> FetchResult:
    """Fetch from mirrors and from the donors of the plan's coordinator.

    Args:
        plan: what.
        options: how.
        webrtc: the engine for donors; None takes the first that is installed.
        pipe: the descriptor of what the bytes go into, in order; None writes the file that the options name.
    """
    async with _donors_of(plan, options, webrtc) as donors:
        return await _fetch(plan, options, donors, pipe)


async def _fetch(plan: DownloadPlan, options: FetchOptions, donors: Peers | None, pipe: int | None) -> FetchResult:
    if pipe is not None:
        return await stream(plan, options, peers=donors, fd=pipe)
    return await fetch(plan, options, peers=donors)


@contextlib.asynccontextmanager
async def _donors_of(
    plan: DownloadPlan, options: FetchOptions, webrtc: EngineName | None
) -> AsyncIterator[Peers | None]:
    # Without a coordinator, and with mirrors only, no WebRTC code is even loaded.
    if plan.session_url is None:
        yield None
        return
    from distribute_io.download.peer_pool import PeerPool

    try:
        engine = open_engine(webrtc)
    except UsageError as error:
        _warn(f"{error.message} Going on with mirrors only. [{error.code}]")
        yield None
        return
    try:
        yield PeerPool(
            engine,
            session_url=plan.session_url,
            agent=f"dio/{__version__}",
            file_id=plan.manifest.sha256,
            segments=len(plan.segment_list),
            limit=options.limit,
            rng=random.Random(),
        )
    finally:
        await engine.close()


def _warn(text: str) -> None:
    typer.echo(f"dio: {text}", err=True)
