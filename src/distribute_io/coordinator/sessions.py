"""All sessions of this process: who is here, and which desk each message goes to.

Rules:

1. A session's messages are handled one after another, in the order in which they came.
2. A message that breaks the protocol ends its session with a named error; one that asks for something that is not to be
   had is answered with an error, and the session goes on.
3. When a session ends, all that it was goes with it, and others are told where that matters to them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, assert_never

from distribute_io.coordinator.donor_desk import DonorDesk
from distribute_io.coordinator.ledger import Ledger
from distribute_io.coordinator.match_desk import MatchDesk
from distribute_io.coordinator.session import Session
from distribute_io.coordinator.tallies import Tallies
from distribute_io.core.session import next_state
from distribute_io.core.standing import Standing
from distribute_io.errors import DistributeError, RefusedError, RemoteProtocolError, StoreError
from distribute_io.ids import CauseId, FileId, MatchId, SessionId
from distribute_io.stores.state import State
from distribute_io.wire import limits
from distribute_io.wire.codec import decode_client_message
from distribute_io.wire.session import (
    ClientMessage,
    Donate,
    Filled,
    Hello,
    Holdings,
    MatchReport,
    MirrorReport,
    Nat,
    Ping,
    Pong,
    Receipt,
    SignalUp,
    StopDonating,
    Tally,
    Unwant,
    Usage,
    Want,
    Welcome,
    Withdrawn,
)

log = logging.getLogger(__name__)

TICK_S: Final = 1.0
LOOK_AT_ONCE: Final = 5_000
"""Sessions that are looked at in one go: a few milliseconds. Of 100,000 that took 70 ms of processor, each second."""

_FORGIVEN: Final = frozenset({"match_unknown", "receipt_invalid"})
"""Protocol errors after which the session goes on: a match may have ended while the message was under way."""


class Sessions:
    """Caller's duties: `open` a session, hand it each `message`, `leave` at its end; run `run` all the while."""

    def __init__(
        self,
        *,
        registry: dict[SessionId, Session],
        state: State,
        donors: DonorDesk,
        matches: MatchDesk,
        ledger: Ledger,
        tallies: Tallies,
        standing: Standing,
        news: Callable[[], tuple[FileId, ...]],
        accused: Callable[[FileId, str, str], Awaitable[None]],
        stun: tuple[str, ...],
        region_of: Callable[[str], str],
        sessions_max: int,
        sessions_per_network_max: int,
        random_bytes: Callable[[int], bytes],
        clock_us: Callable[[], int],
    ) -> None:
        """Keep the parts.

        Args:
            registry: the sessions, shared with the desks, which only read it.
            news: takes the files of which donors hold more since it was asked before.
            accused: told when a downloader complains of a mirror: file, link, and the downloader's network.
            stun: `stun:` URLs that peers are told.
            region_of: where a caller's network is (`regions.py`).
            clock_us: monotonic, microseconds.
        """
        self._sessions = registry
        self._state = state
        self._donors = donors
        self._matches = matches
        self._ledger = ledger
        self._tallies = tallies
        self._standing = standing
        self._news = news
        self._accused = accused
        self._stun = list(stun)
        self._region_of = region_of
        self._sessions_max = sessions_max
        self._per_network_max = sessions_per_network_max
        self._random_bytes = random_bytes
        self._clock_us = clock_us
        self._networks: Counter[str] = Counter()
        self._is_stopping = False

    # --- coming and going ---

    def check_room(self, network: str) -> None:
        """Whether one more session of a network may be opened.

        Raises:
            RefusedError: `shutting_down`, `full`, `kept_out` or `rate_limited`.
        """
        if self._is_stopping:
            raise RefusedError("shutting_down", "The coordinator is stopping: come back in a moment.")
        if len(self._sessions) >= self._sessions_max:
            raise RefusedError("full", "The coordinator has as many sessions as it takes: try again later.")
        if self._standing.kept_out_us(network, self._clock_us()):
            raise RefusedError("kept_out", "Too much went wrong with sessions from your network: come back later.")
        if self._networks[network] >= self._per_network_max:
            raise RefusedError("rate_limited", "Too many sessions are open from your network.")

    def open(self, network: str) -> Session:
        """A new session. Raises as `check_room`."""
        self.check_room(network)
        session_id = SessionId(self._random_bytes(16).hex())
        session = Session(session_id, network=network, region=self._region_of(network), now_us=self._clock_us())
        self._sessions[session_id] = session
        self._networks[network] += 1
        return session

    async def leave(self, session: Session) -> None:
        """The connection is gone."""
        if self._sessions.pop(session.session_id, None) is None:
            return
        self._networks[session.network] -= 1
        if not self._networks[session.network]:
            del self._networks[session.network]
        session.outbox.close(1000, "")
        self._standing.left(session.session_id, session.network)
        self._standing.took(session.session_id, session.network)
        await self._donors.stop(session, left=not self._is_stopping)
        ended = await self._state.leave(session.session_id, self._clock_us())
        await self._matches.session_left(session, ended)

    def stop(self) -> None:
        """Close all sessions; they come back after a random moment."""
        self._is_stopping = True
        for session in self._sessions.values():
            session.end(RefusedError("shutting_down", "The coordinator is stopping: come back in a moment."))

    # --- messages ---

    async def message(self, session: Session, text: bytes) -> None:
        """Handle one message. Whatever is wrong with it is told to the session; never raises an error of ours."""
        now_us = self._clock_us()
        match_id: MatchId | None = None
        file_id: FileId | None = None
        try:
            session.count_message(now_us)
            message = decode_client_message(text)
            following = next_state(session.state, message)
            match_id = getattr(message, "match_id", None)
            file_id = getattr(message, "file_id", None)
            before, session.state = session.state, following
            joins = before == "joining" and following == "donating"
            await self._handle(session, message, now_us, joins=joins)
        except RemoteProtocolError as error:
            if error.code != "match_unknown":  # a match may have ended while the message was under way
                self._standing.fault(session.network, now_us)
            if error.code in _FORGIVEN or (match_id is not None and error.code in ("flood", "message_too_large")):
                session.refuse(error, match_id=match_id)
            else:
                session.end(error)
        except RefusedError as error:
            session.refuse(error, match_id=match_id, file_id=file_id)
        except StoreError as error:
            log.error("A session's message could not be handled: %s", error.message)
            session.end(RefusedError("internal", "The coordinator failed; its log says why."))

    async def _handle(self, session: Session, message: ClientMessage, now_us: int, *, joins: bool) -> None:
        match message:
            case Hello():
                self._welcome(session, message)
            case Ping():
                session.send(Pong())
            case Nat():
                session.nat_stated = message.nat
                await self._donors.nat_found(session)
            case Donate():
                await self._donors.donate(session, message, now_us)
                self._standing.donates(session.session_id, session.network)
            case StopDonating():
                self._standing.left(session.session_id, session.network)
                await self._donors.stop(session)
            case Holdings():
                await self._donors.holdings(session, message, joins=joins)
            case Want():
                await self._matches.want(session, message)
            case Unwant():
                await self._matches.unwant(session, FileId(message.file_id))
            case SignalUp():
                await self._matches.signal(session, message)
            case MatchReport():
                await self._matches.report(session, message, now_us)
            case Receipt():
                await self._ledger.receipt(session, message, now_us)
            case Usage():
                self._ledger.usage(session, message)
            case Filled():
                self._ledger.filled(session, message)
            case Tally():
                await self._tallies.named(session, bytes.fromhex(message.secret), now_us)
            case MirrorReport():
                await self._accused(FileId(message.file_id), message.url, session.network)
            case _:
                assert_never(message)

    def _welcome(self, session: Session, hello: Hello) -> None:
        session.native = hello.native
        session.nat_stated = hello.nat
        session.page = hello.page
        session.send(
            Welcome(
                protocol=limits.PROTOCOL_VERSION,
                session_id=session.session_id,
                stun=self._stun,
                heartbeat_ms=limits.HEARTBEAT_MS,
            )
        )

    # --- what happens by itself ---

    def __len__(self) -> int:
        """Sessions of this process."""
        return len(self._sessions)

    async def run(self) -> None:
        """Watch over the sessions until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._donors.run(), name="donor-plans")
            tasks.create_task(self._tallies.run(), name="tallies")
            while True:
                await asyncio.sleep(TICK_S)
                try:
                    await self._tick()
                except DistributeError as error:
                    log.error("The sessions could not be looked after: %s", error.message)

    async def _tick(self) -> None:
        now_us = self._clock_us()
        grown: list[Session] = []
        for number, session in enumerate(list(self._sessions.values()), 1):
            if number % LOOK_AT_ONCE == 0:
                await asyncio.sleep(0)
            if session.session_id not in self._sessions:
                continue  # it left meanwhile
            if session.tally_is_news:
                grown.append(session)
            overdue = session.overdue(now_us)
            if overdue is not None:
                if overdue.code == "hello_timeout" and not session.outbox.is_closing:
                    self._standing.fault(session.network, now_us)
                session.end(overdue)
            self._ledger.tell_credit(session)
        self._donors.renew_leases(now_us)
        await self._state.expire_leases(now_us)
        await self._matches.expire(now_us)
        for file_id in self._news():
            await self._matches.serve_waiting(file_id)
        await self._tell_tallies(grown, now_us)

    async def _tell_tallies(self, grown: list[Session], now_us: int) -> None:
        """Tell sums that have grown: last, as each waits for the catalogue; where that fails, at another time."""
        untold = 0
        for session in grown:
            try:
                await self._tallies.tell_news(session, now_us)
            except DistributeError:
                session.tally_is_news = True
                untold += 1
        if untold:
            log.warning("%d sessions could not be told their sums: the catalogue failed.", untold)

    # --- what the catalogue tells ---

    async def file_published(self, cause: CauseId) -> None:
        """There is a new file to give to: donors with room may get some of it."""
        await self._donors.plan_all_soon(cause)

    async def file_gone(self, file_id: FileId, *, withdrawn: bool) -> None:
        """A file is no longer published; `withdrawn` when its holders must erase it."""
        for session_id in await self._state.drop_file(file_id):
            session = self._sessions.get(session_id)
            if session is None:
                continue
            if withdrawn:
                session.send(Withdrawn(file_id=file_id))
            self._donors.plan_soon(session_id)
