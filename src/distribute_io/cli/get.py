"""`dio get`: download files, verified, from mirrors and donors at once.

Progress and warnings go to stderr. stdout gets one line for each file, or with `--json` one object.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from distribute_io import __version__
from distribute_io.cli.get_progress import show_progress
from distribute_io.core.scheduler.messages import Policy as MirrorUse
from distribute_io.download.existing import is_there_already
from distribute_io.download.fetch import FetchOptions, FetchResult, Peers, fetch
from distribute_io.download.plan import DownloadPlan, PlanOptions, make_plan
from distribute_io.download.rate_limit import RateLimit
from distribute_io.download.stream import stream
from distribute_io.download.version_memory import VersionMemory, default_path
from distribute_io.errors import DistributeError, UsageError
from distribute_io.manifest.keys import parse_public_key
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.webrtc_engines import EngineName, choose_engine, open_engine
from distribute_io.units import format_rate, format_size, parse_rate

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
            help="File to write, the folder for files under their own names, or - for stdout. Folders that are not "
            "there are made.",
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
        try:
            _get_one(
                typed,
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
            if len(what) == 1:
                raise
            typer.echo(f"dio: {error.message} [{error.code}]", err=True)
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(what)} files failed", failures)


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
    path = Path(output)
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
    if target != _STDOUT and target.exists():
        result = is_there_already(target, plan)
    else:
        if target != _STDOUT and not target.parent.exists() and not quiet:
            typer.echo(f"dio: making the folder {target.parent}", err=True)  # it may be a slip of the pen
        fetching = FetchOptions(target=target, policy=policy, limit=limit, mirror_use=mirror_use)
        result = _download(plan, fetching, mirrors_only=mirrors_only, webrtc=webrtc, quiet=quiet)
    if as_json:
        typer.echo(msgspec.json.encode(report(plan, result)).decode())
    else:
        typer.echo(summary(plan, result), err=target == _STDOUT)


def _download(
    plan: DownloadPlan, fetching: FetchOptions, *, mirrors_only: bool, webrtc: EngineName | None, quiet: bool
) -> FetchResult:
    target = fetching.target
    with show_progress(plan.manifest.name, quiet=quiet) as view:
        options = msgspec.structs.replace(fetching, on_snapshot=view.show)
        try:
            return asyncio.run(_until_done(plan, options, mirrors_only=mirrors_only, webrtc=webrtc))
        except (KeyboardInterrupt, asyncio.CancelledError) as stopped:
            if target == _STDOUT:
                view.say("stopped; what went to stdout is right, but not all of the file")
            else:
                view.say(f"stopped; the same command goes on from here ({target.name}.part is kept)")
            raise KeyboardInterrupt from stopped


async def _until_done(
    plan: DownloadPlan, options: FetchOptions, *, mirrors_only: bool, webrtc: EngineName | None
) -> FetchResult:
    # As Ctrl-C: what was written becomes durable, and the exit code is 130. Not by raising SIGINT: what shells start in
    # the background ignores that.
    running = asyncio.current_task()
    if running is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    if mirrors_only:
        return await _fetch(plan, options, None)
    return await fetch_from_all(plan, options, webrtc=webrtc)


async def fetch_from_all(plan: DownloadPlan, options: FetchOptions, *, webrtc: EngineName | None = None) -> FetchResult:
    """Fetch from mirrors and from the donors of the plan's coordinator."""
    async with _donors_of(plan, options, webrtc) as donors:
        return await _fetch(plan, options, donors)


async def _fetch(plan: DownloadPlan, options: FetchOptions, donors: Peers | None) -> FetchResult:
    if options.target == _STDOUT:
        return await stream(plan, options, peers=donors, fd=sys.stdout.fileno())
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


def trust_in_words(plan: DownloadPlan) -> str:
    """On whose word the file is right. Only a pinned key makes it "verified"."""
    if plan.verified.pinned:
        return f"verified, signed by {plan.verified.signed_by[0]}"
    return f"matches the list of {plan.coordinator or 'the manifest'}; --pin KEY would verify who made it"


def summary(plan: DownloadPlan, result: FetchResult) -> str:
    """The line that stdout gets for one file."""
    size = plan.manifest.size_bytes
    rate = f", {format_rate((size - result.resumed_bytes) / result.seconds)}" if result.seconds > 0 else ""
    donors = sum(figures.bytes for figures in result.sources if figures.kind == "peer")
    share = f", {donors * 100 // max(1, size)} % from donors" if donors else ""
    return f"{result.path}: {format_size(size)}{rate}{share}; {trust_in_words(plan)}; sha256 {result.sha256}"


def report(plan: DownloadPlan, result: FetchResult) -> dict[str, Any]:  # Any: a JSON object of mixed values
    """The object of `--json` (docs/reference/json.md)."""
    return {
        "file": str(result.path),
        "name": plan.manifest.name,
        "size_bytes": plan.manifest.size_bytes,
        "sha256": result.sha256,
        "verified": plan.verified.pinned,
        "signed_by": list(plan.verified.signed_by),
        "coordinator": plan.coordinator,
        "seconds": round(result.seconds, 3),
        "resumed_bytes": result.resumed_bytes,
        "bytes_by_source": [
            {"source": figures.source, "kind": figures.kind, "bytes": figures.bytes} for figures in result.sources
        ],
        "segments": result.segments,
        "segments_rejected": result.segments_rejected,
        "sources_banned": list(result.banned),
        "sources": [msgspec.to_builtins(figures) for figures in result.sources],
    }
