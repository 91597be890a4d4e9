"""`dio donate`: give storage and bandwidth to causes, without a browser.

On a terminal it says in words what happens, line by line; with `--json` each event is one JSON object on stdout.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
import typer

from distribute_io import __version__
from distribute_io.core.allowance import AllowanceLimits, DeviceState, Pause
from distribute_io.core.tally_code import SECRET_BYTES, read_tally_code, write_tally_code
from distribute_io.donor import events as e
from distribute_io.donor.agent import DonorAgent, DonorConfig
from distribute_io.donor.filling import Filler
from distribute_io.donor.kept_allowance import KeptAllowance
from distribute_io.donor.store import SegmentStore
from distribute_io.errors import RefusedError, UsageError
from distribute_io.runtime.device import read_device
from distribute_io.runtime.disk import write_durably
from distribute_io.transport.coordinator_api import CoordinatorApi
from distribute_io.transport.dial import HttpPolicy, is_private_server
from distribute_io.transport.webrtc_child import ChildEngine
from distribute_io.transport.webrtc_engines import EngineName, choose_engine
from distribute_io.units import format_count, format_rate, format_size, parse_rate, parse_size

app = typer.Typer()

_STORAGE_BYTES_MIN: Final = 1_000_000
_UP_BYTES_PER_S_MIN: Final = 16_000
_TAKERS_MAX: Final = 1024
_DAY_MINUTES: Final = 24 * 60
_GIVEN: Final = "given.json"
_CODE: Final = "code.txt"
_LOOK_EVERY_S: Final = 10.0
"""Power and network are looked at this often: a laptop that is unplugged rests within it."""


@app.command()
def donate(
    coordinator: Annotated[str, typer.Argument(metavar="COORDINATOR", help="Address of the coordinator.")],
    cause: Annotated[list[str] | None, typer.Option(help="What to give to. Repeatable; without it all causes.")] = None,
    storage: Annotated[str, typer.Option(help="Most that is ever on disk, all files counted.")] = "16MB",
    up: Annotated[str, typer.Option(help="Most that is sent per second.")] = "1MB/s",
    daily: Annotated[str | None, typer.Option(help="Most that is sent per day (from midnight), as 5GB.")] = None,
    monthly: Annotated[str | None, typer.Option(help="Most that is sent per month (from the first), as 100GB.")] = None,
    hours: Annotated[
        str | None, typer.Option(metavar="FROM-TO", help="Only in these hours of the day, as 22:00-06:30.")
    ] = None,
    while_charging: Annotated[
        bool, typer.Option("--while-charging", help="Only while the machine is on mains, not on its battery.")
    ] = False,
    unmetered: Annotated[
        bool, typer.Option("--unmetered", help="Not over connections that are paid by volume (NetworkManager knows).")
    ] = False,
    takers: Annotated[int, typer.Option(min=1, max=_TAKERS_MAX, help="Most downloaders at once.")] = 8,
    data_dir: Annotated[Path | None, typer.Option(help="Where segments are kept.")] = None,
    code: Annotated[
        str | None,
        typer.Option(
            envvar="DIO_CODE",
            help="Code of your other donors: what they are thanked for is added up. Better given by the environment.",
        ),
    ] = None,
    webrtc: Annotated[
        EngineName | None,
        typer.Option(metavar="ENGINE", help="reactor-webrtc or aiortc. Default: the first that is installed."),
    ] = None,
    erase: Annotated[bool, typer.Option("--erase", help="Erase all that is kept, the code too, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each event.")] = False,
) -> None:
    """Give storage and bandwidth to causes, without a browser.

    Downloaders that you serve see this machine's address, and you see theirs; nothing of it is written down. Ctrl-C
    stops at once; what is held stays for the next time, unless you --erase it.
    """
    url = _coordinator_url(coordinator)
    storage_bytes, up_bytes_per_s = parse_size(storage), parse_rate(up)
    limits = AllowanceLimits(
        daily_bytes=None if daily is None else parse_size(daily),
        monthly_bytes=None if monthly is None else parse_size(monthly),
        hours=None if hours is None else parse_hours(hours),
        while_charging=while_charging,
        unmetered=unmetered,
    )
    _warn_of_the_unknown(limits)
    if storage_bytes < _STORAGE_BYTES_MIN:
        raise UsageError(
            "bad_argument",
            f"--storage {storage} is too little to help anybody: give at least {format_size(_STORAGE_BYTES_MIN)}",
        )
    if up_bytes_per_s < _UP_BYTES_PER_S_MIN:
        raise UsageError(
            "bad_argument", f"--up {up} is too little to help anybody; give at least {format_rate(_UP_BYTES_PER_S_MIN)}"
        )
    folder = data_dir or _default_folder(url)
    store = SegmentStore(folder, limit_bytes=storage_bytes)
    store.open()
    try:
        if erase:
            store.erase_all(and_files=(_GIVEN, _CODE))
            typer.echo(f"{folder}: erased")
            return
        engine_name = choose_engine(webrtc)
        policy = HttpPolicy(allow_private=is_private_server(urlsplit(url).hostname or ""))
        api = CoordinatorApi(url, policy)
        session_url = _ask_coordinator(api, cause or [])
        tally_secret = _tally_secret(folder / _CODE, code)
        tell = _tell_json if as_json else _tell_words()
        tell(
            e.Started(
                held_bytes=store.held_bytes,
                storage_bytes=storage_bytes,
                up_bytes_per_s=up_bytes_per_s,
                daily_bytes=limits.daily_bytes,
                monthly_bytes=limits.monthly_bytes,
                hours=limits.hours,
            )
        )
        config = DonorConfig(
            session_url=session_url,
            agent=f"dio/{__version__}",
            causes=tuple(cause or ()),
            storage_bytes=storage_bytes,
            up_bytes_per_s=up_bytes_per_s,
            takers_max=takers,
            tally_secret=tally_secret,
        )
        filler = Filler(api, store, policy=policy)
        asyncio.run(_donate(config, folder, store, filler, ChildEngine(engine_name), limits, tell))
    finally:
        store.close()


async def _donate(
    config: DonorConfig,
    folder: Path,
    store: SegmentStore,
    filler: Filler,
    engine: ChildEngine,
    limits: AllowanceLimits,
    tell: Callable[[e.DonorEvent], None],
) -> None:
    device = _Device(limits)
    agent = DonorAgent(
        config,
        store=store,
        allowance=KeptAllowance(folder / _GIVEN, limits, device=device.state),
        filler=filler,
        engine=engine,
        rng=random.Random(),
        tell=tell,
    )
    await device.look()
    looking = asyncio.ensure_future(device.watch())
    running = asyncio.ensure_future(agent.run())
    terminated = asyncio.Event()

    def terminate() -> None:
        terminated.set()
        running.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        await running
    except asyncio.CancelledError:
        # A service manager's way to stop a donor is no failure; Ctrl-C is an interruption (exit code 130).
        if not terminated.is_set():
            raise
    finally:
        looking.cancel()
        await engine.close()


class _Device:
    """What the machine says of power and network, where a limit is about it."""

    def __init__(self, limits: AllowanceLimits) -> None:
        self._is_asked = limits.while_charging or limits.unmetered
        self._state = DeviceState()

    def state(self) -> DeviceState:
        return self._state

    async def look(self) -> None:
        if self._is_asked:
            self._state = await asyncio.to_thread(read_device)

    async def watch(self) -> None:
        while self._is_asked:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self.look()


def _warn_of_the_unknown(limits: AllowanceLimits) -> None:
    """Say which limits cannot be kept, as the machine does not tell (spec/allowance.md A6)."""
    if not (limits.while_charging or limits.unmetered):
        return
    device = read_device()
    if limits.while_charging and device.charging is None:
        _warn("this machine does not tell whether it is charging, so --while-charging changes nothing")
    if limits.unmetered and device.metered is None:
        _warn("NetworkManager does not tell whether the connection is metered, so --unmetered changes nothing")


def _warn(text: str) -> None:
    typer.echo(f"dio: warning: {text}", err=True)


def parse_hours(text: str) -> tuple[int, int]:
    """Minutes since midnight of `FROM-TO`.

    Raises:
        UsageError: `bad_argument`.

    >>> parse_hours("22:00-06:30")
    (1320, 390)
    """
    found = re.fullmatch(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})", text)
    if found is not None:
        from_hour, from_minute, to_hour, to_minute = (int(part) for part in found.groups())
        start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
        if from_minute < 60 and to_minute < 60 and start < _DAY_MINUTES and end <= _DAY_MINUTES and start != end:
            return start, end
    raise UsageError("bad_argument", f"--hours {text} is no part of a day: write it as 22:00-06:30")


def _tally_secret(path: Path, typed: str | None) -> bytes:
    """The secret under which credit is added up: as typed, as it was before, or a new one, which is written down.

    A new one is said once; on a terminal it is always.

    Raises:
        UsageError: `bad_argument` for a code that is none.
    """
    if typed is None and path.exists():
        typed = path.read_text("utf-8")
    is_new = typed is None
    secret = secrets.token_bytes(SECRET_BYTES) if typed is None else read_tally_code(typed)
    text = write_tally_code(secret)
    if typed is None or not path.exists() or path.read_text("utf-8") != text:
        write_durably(path, text.encode())
        path.chmod(0o600)
    if is_new or sys.stderr.isatty():  # it is a secret: not in the log of a service at every start
        typer.echo(f"your code, for your other devices (--code): {text}", err=True)
    return secret


def _coordinator_url(text: str) -> str:
    url = text if "://" in text else f"https://{text}"
    try:
        split = urlsplit(url)
        if split.scheme in ("http", "https") and split.hostname and split.port != 0:
            return f"{split.scheme}://{split.netloc}"
    except ValueError as error:  # a port or an IPv6 address that is none
        raise _no_address(text) from error
    raise _no_address(text)


def _no_address(text: str) -> UsageError:
    return UsageError("bad_argument", f"{text} is not the address of a coordinator, as https://example.org")


def _ask_coordinator(api: CoordinatorApi, wanted: Sequence[str]) -> str:
    """Where the session is, which the coordinator tells. Warns of causes that are not there.

    A donor that is started before its coordinator goes on trying at the usual address.
    """
    try:
        told = api.causes()
    except RefusedError as error:
        typer.echo(f"dio: {error.message} [{error.code}]; trying again and again", err=True)
        return api.base_url.replace("http", "ws", 1) + "/api/v1/ws"
    there = [cause.cause for cause in told.causes]
    for name in wanted:
        if name not in there:
            known = ", ".join(there) or "none"
            _warn(f"the coordinator has no cause {name!r}; it has: {known} [unknown_cause]")
    return told.session_url


def _default_folder(url: str) -> Path:
    """One store for each coordinator: each has its own causes, and its own idea of what is held."""
    base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "distribute-io" / "donor" / urlsplit(url).netloc.replace(":", "_")


def _tell_json(event: e.DonorEvent) -> None:
    sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
    sys.stdout.flush()


def _tell_words() -> Callable[[e.DonorEvent], None]:
    """Writes a line for what is worth one, with the time before it."""
    from rich.console import Console  # 8 MB that a donor with --json need not have
    from rich.text import Text

    console = Console(soft_wrap=True)  # a line is a line, also in the log of a service
    last = _LastFigures()

    def tell(event: e.DonorEvent) -> None:
        line = in_words(event, last)
        if line is not None:
            console.print(Text.assemble((time.strftime("%H:%M:%S"), "dim"), " ", line), highlight=False)

    return tell


class _LastFigures:
    """What was said last, so that figures come only when they changed, and not every second."""

    def __init__(self) -> None:
        self.said_at_bytes = 0


_SAY_SERVED_EVERY_BYTES: Final = 10_000_000
_PAUSES: Final[dict[Pause, str]] = {
    "day_used": "today's limit is used up; going on after midnight",
    "month_used": "this month's limit is used up; going on on the first",
    "hours": "resting until its hours begin",
    "battery": "resting until it is charging",
    "metered": "resting while the connection is metered",
}


def in_words(event: e.DonorEvent, last: _LastFigures) -> str | None:
    """The line for one event; None when it is not worth one."""
    match event:
        case e.Started():
            limits = f"{format_size(event.storage_bytes)} on disk, {format_rate(event.up_bytes_per_s)}"
            limits += f", {format_size(event.daily_bytes)} a day" if event.daily_bytes is not None else ""
            limits += f", {format_size(event.monthly_bytes)} a month" if event.monthly_bytes is not None else ""
            return f"giving up to {limits}; {format_size(event.held_bytes)} held from before"
        case e.Connected():
            return "connected to the coordinator"
        case e.Disconnected():
            return f"not connected: {event.reason}; trying again, downloads in progress go on"
        case e.Assigned():
            return f"to hold: {format_count(event.segments, 'segment')} of {format_count(event.files, 'file')}"
        case e.Holding():
            return f"holding {format_size(event.bytes)} of {format_count(event.files, 'file')}"
        case e.TakerCame():
            return f"serving {format_count(event.takers, 'person', 'people')} now"
        case e.TakerLeft():
            now = f"serving {format_count(event.takers, 'person', 'people')} now" if event.takers else "nobody else now"
            return f"one was served {format_size(event.bytes)}; {now}"
        case e.Served():
            if event.bytes - last.said_at_bytes < _SAY_SERVED_EVERY_BYTES:
                return None
            last.said_at_bytes = event.bytes
            people = f"{format_count(event.people_today, 'person', 'people')} today, {event.people_ever:,} ever"
            return f"served {format_size(event.bytes)}, today {format_size(event.bytes_today)} with overhead; {people}"
        case e.Credited():
            return f"thanked for {format_size(event.bytes)} by {format_count(event.downloaders, 'person', 'people')}"
        case e.Paused():
            return f"{_PAUSES[event.reason]}; what is held stays"
        case e.Resumed():
            return "giving again"
        case e.Tallied():
            today = format_size(event.bytes_today)
            return f"all donors with your code: thanked for {format_size(event.bytes)}, today {today}"
        case e.Erased():
            return "a file was withdrawn and is erased"
        case e.Trouble():
            return f"{event.message} [{event.code}]; going on"
        case e.Stopped():
            return f"stopped; served {format_size(event.bytes)}"
        case _:
            return None
