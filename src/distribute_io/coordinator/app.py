"""Wiring: configuration in, one task group out.

This is the only place of the coordinator that picks real stores, clocks and sockets. `serve` starts everything, tells
what it started, and returns when it is cancelled, after all that it started has ended.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from aiohttp import web
from msgspec import Struct

from distribute_io.coordinator.addresses import Callers, PublicAddress, parse_networks, public_address
from distribute_io.coordinator.books import Books
from distribute_io.coordinator.ceilings import Ceiling
from distribute_io.coordinator.changes import Changes
from distribute_io.coordinator.claims import Claims
from distribute_io.coordinator.client_parts import ClientParts
from distribute_io.coordinator.config import DEFAULT_CAUSE, CoordinatorConfig
from distribute_io.coordinator.doorway import HEAD_S, IDLE_S, Doorway
from distribute_io.coordinator.folder_mark import refuse_other_folder
from distribute_io.coordinator.front_page import contact_link
from distribute_io.coordinator.heap import Heap
from distribute_io.coordinator.library import Library
from distribute_io.coordinator.listing import Listing
from distribute_io.coordinator.middleware import add_headers, limited, preflight
from distribute_io.coordinator.mirror_checker import MirrorChecker
from distribute_io.coordinator.mirror_watch import MirrorWatch
from distribute_io.coordinator.pages import Pages
from distribute_io.coordinator.prober import HttpProber
from distribute_io.coordinator.problems import problems
from distribute_io.coordinator.routes_api import CatalogueApi
from distribute_io.coordinator.routes_files import EmbeddedMirror
from distribute_io.coordinator.routes_inspect import InspectApi
from distribute_io.coordinator.routes_publish import PublishApi
from distribute_io.coordinator.routes_session import SessionRoute
from distribute_io.coordinator.session_side import SessionSide, build_sessions, monotonic_us
from distribute_io.coordinator.stats import Statistics
from distribute_io.coordinator.upload_probe import UploadProbe
from distribute_io.core.mirror_health import Rhythm
from distribute_io.errors import StoreError, UsageError
from distribute_io.ids import CauseId, PublicKeyText
from distribute_io.manifest.keys import SigningKey, load_signing_key, write_new_key
from distribute_io.stores.catalogue import Catalogue, CauseRecord
from distribute_io.stores.sql_catalogue import open_sqlite
from distribute_io.transport.stun import StunServer

log = logging.getLogger(__name__)

REQUEST_BURST_S: Final = 5
"""Seconds' worth of requests that one address may make at once."""

REQUESTS_PER_ADDRESS_MAX: Final = 512
"""Connections of one address beside those of its sessions: six for each of some eighty browsers."""

STOP_TIMEOUT_S: Final = 3.0
"""How long open requests may go on after the stop: a download resumes elsewhere, so no longer than a person waits."""

KEY_NAME: Final = "publisher.pem"


class Started(Struct, frozen=True):
    """What is served where, for the start-up output."""

    public: PublicAddress
    listening: str
    """Address and port of the HTTP server."""
    key: PublicKeyText
    key_is_new: bool
    data_dir: Path
    tag: str
    """Empty when the browser client is not built."""
    library: Library | None
    stun_ports: tuple[int, ...]


def data_directory(config: CoordinatorConfig) -> Path:
    """Where key and catalogue are kept."""
    if config.data_dir:
        return Path(config.data_dir).expanduser()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "distribute-io" / "serve"


def open_catalogue(config: CoordinatorConfig) -> Catalogue:
    """The catalogue that the configuration names; made when it is not there. Blocks.

    Raises:
        StoreError: when it cannot be opened.
    """
    data_dir = data_directory(config)
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = config.catalogue.removeprefix("sqlite:///")
    return open_sqlite(Path(path) if path else data_dir / "catalogue.sqlite")


def publisher_key(data_dir: Path) -> tuple[SigningKey, bool]:
    """The publisher's key, and whether it was made just now."""
    path = data_dir / KEY_NAME
    if path.exists():
        return load_signing_key(path), False
    return write_new_key(path), True


async def serve(config: CoordinatorConfig, started: Callable[[Started], None]) -> None:
    """Serve until cancelled.

    Args:
        started: called once, when everything listens.

    Raises:
        UsageError: `port_in_use`, `file_not_found` for the folder, `bad_config`, also when the folder has our secrets.
        StoreError: `store_in_use` when another coordinator has the data directory; any of the catalogue's.
    """
    folder = await asyncio.to_thread(_folder, config)
    data_dir = data_directory(config)
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(data_dir.mkdir, parents=True, exist_ok=True, mode=0o700)
        stack.enter_context(_held_lock(data_dir / "lock"))
        key, key_is_new = publisher_key(data_dir)
        catalogue = await asyncio.to_thread(open_catalogue, config)
        stack.push_async_callback(catalogue.close)
        if folder is not None:
            await refuse_other_folder(catalogue, folder, data_dir)
        listener = stack.enter_context(_listener(config))
        stun = await _stun(config)
        stack.callback(stun.close)
        public = public_address(config, port=listener.getsockname()[1], stun_ports=stun.ports)
        await _ensure_cause(catalogue, config, public)
        books = Books(catalogue, time.time)
        await books.load()
        stack.push_async_callback(books.write)
        library = Library.of(config, folder=folder, data_dir=data_dir, key=key, catalogue=catalogue) if folder else None
        parts = await asyncio.to_thread(ClientParts.load)
        web_part = _Web(config, catalogue, library, public, parts, key.public_key)
        sessions = build_sessions(
            config, catalogue=catalogue, books=books, public=public, accused=web_part.watch.accused
        )
        stack.callback(sessions.office.close)
        await sessions.demand.load()
        stack.push_async_callback(sessions.demand.write)
        stack.push_async_callback(sessions.tallies.write)
        changes = Changes(catalogue, sessions.shapes, sessions.sessions, sessions.demand, library)
        await changes.begin()
        statistics = Statistics(
            catalogue,
            sessions.state,
            books,
            sessions.demand.regions,
            sessions.demand.hours,
            cause_of=lambda file_id: shape.cause if (shape := sessions.shapes.get(file_id)) is not None else None,
            session_url=public.session_url,
            contact=contact_link(config.contact),
            clock_us=monotonic_us,
        )
        app = web_part.application(sessions, changes, statistics)
        await stack.enter_async_context(_site(app, listener, config))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(books.run(), name="books")
            tasks.create_task(sessions.demand.run(), name="demand")
            tasks.create_task(sessions.sessions.run(), name="sessions")
            tasks.create_task(changes.run(), name="changes")
            tasks.create_task(Heap(lambda: len(sessions.sessions)).run(), name="heap")
            if config.watch_mirrors:
                tasks.create_task(web_part.watch.run(), name="mirror-watch")
            if library is not None:
                tasks.create_task(library.run(changes.look), name="library")
            started(
                Started(
                    public=public,
                    listening="{}:{}".format(*listener.getsockname()[:2]),
                    key=key.public_key,
                    key_is_new=key_is_new,
                    data_dir=data_dir,
                    tag=web_part.pages.tag(),
                    library=library,
                    stun_ports=stun.ports,
                )
            )


class _Web:
    """The HTTP side: routes, pages and what holds for every answer."""

    def __init__(
        self,
        config: CoordinatorConfig,
        catalogue: Catalogue,
        library: Library | None,
        public: PublicAddress,
        parts: ClientParts,
        key: PublicKeyText,
    ) -> None:
        self._config = config
        self._catalogue = catalogue
        self._library = library
        self._listing = Listing(catalogue, library, public, watched=config.watch_mirrors)
        self._parts = parts
        allow_private = config.allow_private_mirrors or public.is_private
        self._prober = HttpProber(allow_private=allow_private)
        checker = MirrorChecker(
            catalogue,
            allow_private=allow_private,
            pages_are_https=public.url.startswith("https:"),
            rng=random.SystemRandom(),
        )
        self.watch = MirrorWatch(
            catalogue,
            checker.check,
            rhythm=Rhythm(check_us=config.mirror_check_s * 1_000_000, retry_us=config.mirror_retry_s * 1_000_000),
            rng=random.SystemRandom(),
            clock_us=lambda: time.time_ns() // 1_000,
        )
        self.pages = Pages(
            catalogue=catalogue,
            listing=self._listing,
            library=library,
            parts=parts,
            public=public,
            key=key,
            contact=contact_link(config.contact),
            clock_us=monotonic_us,
        )

    def application(self, sessions: SessionSide, changes: Changes, statistics: Statistics) -> web.Application:
        """The aiohttp application with all routes."""
        callers = Callers(parse_networks(self._config.trusted_proxies))
        rate = self._config.requests_per_address_per_s
        ceiling = Ceiling(rate_per_s=rate, burst=rate * REQUEST_BURST_S)
        session_route = SessionRoute(sessions.sessions, callers)
        reading = CatalogueApi(
            catalogue=self._catalogue,
            listing=self._listing,
            library=self._library,
            statistics=statistics,
            planner=lambda: sessions.office.health,
        )
        claims = Claims(self._catalogue, self._prober, random.SystemRandom())
        publishing = PublishApi(
            catalogue=self._catalogue,
            claims=claims,
            listing=self._listing,
            announce=changes.look,
            expect=sessions.demand.announce,
            settle=self.watch.settle,
            region_named=sessions.region_named,
        )
        app = web.Application(middlewares=[preflight, problems, limited(ceiling, callers, monotonic_us)])
        app.on_response_prepare.append(add_headers)
        app.on_shutdown.append(session_route.close_all)
        for part in (
            self._parts,
            self.pages,
            EmbeddedMirror(self._library, self._listing),
            reading,
            publishing,
            InspectApi(self._catalogue, sessions.donors, sessions.matches.candidates, sessions.shapes),
            UploadProbe(callers),
            session_route,
        ):
            app.add_routes(part.routes())
        return app


async def _stun(config: CoordinatorConfig) -> StunServer:
    """The STUN responder. The usual port may be taken by another one: any other does as well, as clients are told."""
    try:
        return await StunServer.open(config.host, config.stun_port)
    except UsageError:
        log.warning("UDP port %d or the next is taken; STUN uses two other ones.", config.stun_port)
        return await StunServer.open(config.host, 0)


def _folder(config: CoordinatorConfig) -> Path | None:
    if not config.folder:
        return None
    folder = Path(config.folder).absolute()
    if not folder.is_dir():
        raise UsageError("file_not_found", f"The folder {config.folder} is not there.")
    _refuse_to_publish_secrets(config, folder)
    return folder


def _refuse_to_publish_secrets(config: CoordinatorConfig, folder: Path) -> None:
    """The folder is public: no secret key and no catalogue (it has the tokens' hashes) may lie in it.

    A data directory inside the folder is left out by the scan, and so are names that begin with a dot.
    """
    root, data_dir = folder.resolve(), data_directory(config).resolve()
    if data_dir == root:
        raise UsageError(
            "bad_config",
            f"The data directory is {folder} itself, so its secret key would be published: give another --data-dir.",
        )
    catalogue = config.catalogue.removeprefix("sqlite:///")
    for what, text in (("catalogue", catalogue), ("TLS key", config.tls_key)):
        path = Path(text).resolve()
        if not text or not path.is_relative_to(root):
            continue
        is_left_out = data_dir.is_relative_to(root) and path.is_relative_to(data_dir)
        if not is_left_out and not any(part.startswith(".") for part in path.relative_to(root).parts):
            raise UsageError("bad_config", f"The {what} lies in {folder} and would be published: move it elsewhere.")


@asynccontextmanager
async def _site(app: web.Application, listener: socket.socket, config: CoordinatorConfig) -> AsyncIterator[None]:
    """The HTTP server; at the end open requests get a moment, then their connections are closed."""
    # No access log: it would hold addresses and file names.
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=STOP_TIMEOUT_S, keepalive_timeout=IDLE_S
    )
    await runner.setup()
    handler = runner.server
    if handler is None:
        raise RuntimeError("a runner that is set up has a server")
    doorway = Doorway(
        handler,
        Callers(parse_networks(config.trusted_proxies)),
        open_per_caller_max=config.sessions_per_address_max + REQUESTS_PER_ADDRESS_MAX,
    )
    tls = _tls(config)
    server = await asyncio.get_running_loop().create_server(
        doorway.guard, sock=listener, ssl=tls, ssl_handshake_timeout=HEAD_S if tls else None, backlog=1024
    )
    try:
        yield
    finally:
        server.close()
        doorway.close()
        await runner.cleanup()


def _tls(config: CoordinatorConfig) -> ssl.SSLContext | None:
    if not config.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError("bad_config", f"The TLS certificate or its key cannot be used: {error}") from error
    return context


@contextmanager
def _listener(config: CoordinatorConfig) -> Iterator[socket.socket]:
    """The bound HTTP socket: bound before anything else, so that a taken port is told at once."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        # `::` means all networks, the older ones too, whatever the system's default is.
        both = config.host == "::" and socket.has_dualstack_ipv6()
        bound = socket.create_server((config.host, config.port), family=family, dualstack_ipv6=both)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                "port_in_use", f"Another program listens on port {config.port}: stop it, or choose another by --port."
            ) from error
        reason = error.strerror or str(error)
        raise UsageError("bad_argument", f"Cannot listen on {config.host}:{config.port}: {reason}.") from error
    with bound:
        yield bound


@contextmanager
def _held_lock(path: Path) -> Iterator[None]:
    """Keeps a second coordinator off the data directory. The system lets go of it when the process dies."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                "store_in_use", f"Another coordinator uses {path.parent}: stop it, or give another --data-dir."
            ) from error
        yield


async def _ensure_cause(catalogue: Catalogue, config: CoordinatorConfig, public: PublicAddress) -> None:
    """The folder's cause exists; a title from the configuration wins over the one that is there."""
    known = {cause.cause: cause for cause in await catalogue.causes()}
    present = known.get(CauseId(config.cause))
    usual = config.cause.replace("-", " ").capitalize()
    if config.cause == DEFAULT_CAUSE:
        usual = "Downloads" if public.is_private else f"Files of {public.host}"
    title = config.cause_title or (present.title if present is not None else usual)
    if present is None or present.title != title:
        text, icon = (present.text, present.icon) if present is not None else ("", "")
        record = CauseRecord(cause=CauseId(config.cause), title=title, text=text, icon=icon)
        await catalogue.put_cause(record, actor="cli", at_s=int(time.time()))
