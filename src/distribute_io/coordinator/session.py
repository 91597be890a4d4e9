"""One peer's connection to the coordinator: its state, its bounded queue of what is to be sent, its figures.

Knows nothing of WebSockets: `SessionSocket` is the small interface behind which they are.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Final, Protocol

from distribute_io.coordinator.country_credits import CountryCredits
from distribute_io.core.reach import Reach
from distribute_io.core.round_trips import Pair
from distribute_io.core.session import START, SessionState
from distribute_io.core.token_bucket import TokenBucket
from distribute_io.errors import DistributeError, RemoteProtocolError
from distribute_io.ids import FileId, MatchId, SessionId
from distribute_io.wire import limits
from distribute_io.wire.codec import encode_message
from distribute_io.wire.session import CoordinatorMessage, ErrorMessage, NatClass, Offer, Usage

CLOSE_NORMAL: Final = 1000
CLOSE_GOING_AWAY: Final = 1001
CLOSE_PROTOCOL: Final = 4400
_CLOSE_CODES: Final = {
    "shutting_down": CLOSE_GOING_AWAY,
    "hello_timeout": 4408,
    "idle_timeout": 4408,
    "slow_reader": 4413,
    "flood": 4429,
    "rate_limited": 4429,
    "kept_out": 4429,
    "full": 4429,
}

FILES_COUNTED_MAX: Final = 4_096
"""Files of which one session's figures are kept; a downloader has a few, a donor some hundred."""

AVOIDED_MAX: Final = 1_024
"""Donors that a downloader is not introduced to again, because it did not work or they lied."""


SEND_TIMEOUT_S: Final = 20.0
"""How long one message may wait for room in the connection: whoever reads nothing for this long is gone or stuck."""

CLOSING_TIMEOUT_S: Final = 1.0
"""The same once the session is being closed."""


class SessionSocket(Protocol):
    """What carries a session's messages."""

    async def send(self, text: bytes) -> None:
        """Send one message; returns when there is room for more.

        Raises:
            ConnectionError: when the other end is gone.
        """

    async def close(self, code: int, reason: str) -> None:
        """Close in order, within a moment."""


class Outbox:
    """What waits to be sent to one session, bounded. Full is `slow_reader`, never growth."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._patience: asyncio.Timeout | None = None

    @property
    def is_closing(self) -> bool:
        """Whether nothing more is taken."""
        return self._closing is not None

    def put(self, message: CoordinatorMessage) -> None:
        """Queue a message."""
        if self._closing is not None:
            return
        text = encode_message(message)
        if self._waiting_bytes + len(text) > limits.OUTBOUND_BYTES_MAX:
            self._waiting.clear()  # it does not read them anyway
            self.close(_CLOSE_CODES["slow_reader"], "slow_reader")
            return
        self._waiting.append(text)
        self._waiting_bytes += len(text)
        self._changed.set()

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then close. The first call counts."""
        if self._closing is not None:
            return
        self._closing = (code, reason)
        self._changed.set()
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time() + CLOSING_TIMEOUT_S)

    async def run(self, socket: SessionSocket) -> None:
        """Send until closed."""
        try:
            await self._send_all(socket)
        except ConnectionError:
            self.close(CLOSE_NORMAL, "")  # nobody is there any more: take nothing more in
        except TimeoutError:
            self.close(_CLOSE_CODES["slow_reader"], "slow_reader")
        assert self._closing is not None
        await socket.close(*self._closing)

    async def _send_all(self, socket: SessionSocket) -> None:
        while True:
            while self._waiting:
                text = self._waiting.popleft()
                patience_s = SEND_TIMEOUT_S if self._closing is None else CLOSING_TIMEOUT_S
                try:
                    async with asyncio.timeout(patience_s) as self._patience:
                        await socket.send(text)
                finally:
                    self._patience = None
                self._waiting_bytes -= len(text)
            if self._closing is not None:
                return
            self._changed.clear()
            await self._changed.wait()


class Session:
    """One peer's connection. Mutable; owned by `sessions.Sessions`, used in the event loop only."""

    def __init__(self, session_id: SessionId, *, network: str, region: str, now_us: int) -> None:
        """A fresh connection.

        Args:
            session_id: random, never shown to other peers.
            network: the caller's group of addresses, kept in memory only, to tell accusers apart.
            region: where it is, from coarse to fine (`regions.py`); holds no address.
            now_us: the present.
        """
        self.session_id = session_id
        self.network = network
        self.region = region
        self.state: SessionState = START
        self.outbox = Outbox()
        self.connected_at_us = now_us
        self.heard_at_us = now_us
        self.native = False
        self.nat_stated: NatClass = "unknown"
        self.reach = Reach()
        self.page: str | None = None
        self.bucket = TokenBucket(
            rate_bytes_per_s=limits.MESSAGES_PER_S, burst_bytes=limits.MESSAGES_BURST, now_us=now_us
        )
        # As a downloader.
        self.offers: dict[FileId, deque[Offer]] = {}
        self.used: dict[FileId, Usage] = {}
        self.avoided: dict[SessionId, None] = {}
        self.accused: dict[MatchId, None] = {}
        self.asked: dict[FileId, int] = {}
        """Files that it wanted, and since when (microseconds since 1970)."""
        self.rate_counted = False
        self.asked_unknown = 0
        """Of these, how many before its NAT class was known."""
        self.measured: set[Pair] = set()
        """Pairs of places that its round trips were counted for."""
        # As a donor.
        self.named: set[FileId] = set()
        self.runs_told: Counter[FileId] = Counter()
        self.filled: dict[FileId, tuple[int, int]] = {}
        self.assignment = 0
        self.planned_at_us = 0
        self.stay_counted = False
        self.storage_bytes = 0
        self.credited_bytes = 0
        self.credited_downloaders: set[SessionId] = set()
        self.credited_countries = CountryCredits()
        self.credit_is_news = False
        self.tally = ""
        """Hash of the secret under which its credit is added up; empty: none."""
        self.tallies_named = 0
        self.tally_is_news = False
        self.tally_is_known = False
        self.tally_crumbs: Counter[str] = Counter()
        self.tallied_at_us = 0
        self.unanswered_us = 0
        """When this donor was last called in a match that failed."""
        self.called: dict[MatchId, int] = {}
        """When it was first called (an offer, or a signal) in each match that is not over."""
        # As either.
        self.signals: Counter[MatchId] = Counter()

    @property
    def nat(self) -> NatClass:
        """What it said of its NAT, unless its introductions showed otherwise."""
        return self.reach.nat_class(self.nat_stated)

    def send(self, message: CoordinatorMessage) -> None:
        """Queue a message."""
        self.outbox.put(message)

    def refuse(self, error: DistributeError, *, match_id: MatchId | None = None, file_id: FileId | None = None) -> None:
        """Tell of something that was refused; the session goes on."""
        self.send(ErrorMessage(code=error.code, message=error.message, fatal=False, match_id=match_id, file_id=file_id))

    def end(self, error: DistributeError) -> None:
        """Tell of an error and close."""
        self.send(ErrorMessage(code=error.code, message=error.message, fatal=True))
        self.outbox.close(_CLOSE_CODES.get(error.code, CLOSE_PROTOCOL), error.code)

    def count_message(self, now_us: int) -> None:
        """Count one message that came in.

        Raises:
            RemoteProtocolError: `flood`.
        """
        self.heard_at_us = now_us
        if self.bucket.available_bytes(now_us) < 1:
            raise RemoteProtocolError("flood", f"More than {limits.MESSAGES_PER_S} messages a second came in.")
        self.bucket.reserve(1, now_us)

    def overdue(self, now_us: int) -> RemoteProtocolError | None:
        """Why the session is to be closed now, if it is."""
        if self.state == START:
            if now_us - self.connected_at_us > limits.HELLO_TIMEOUT_MS * 1_000:
                return RemoteProtocolError("hello_timeout", "No hello came in time.")
        elif now_us - self.heard_at_us > limits.IDLE_TIMEOUT_MS * 1_000:
            return RemoteProtocolError("idle_timeout", "Nothing was heard for too long.")
        return None

    @property
    def is_silent(self) -> bool:
        """Whether nothing was heard since a call that came to nothing: perhaps it is gone, and nobody knows yet."""
        return self.heard_at_us < self.unanswered_us

    def accuse(self, match_id: MatchId) -> bool:
        """Wrong bytes came over this match; False when that was said before. Of many the oldest is forgotten."""
        if match_id in self.accused:
            return False
        self.accused[match_id] = None
        if len(self.accused) > AVOIDED_MAX:
            del self.accused[next(iter(self.accused))]
        return True

    def avoid(self, donor: SessionId) -> None:
        """Do not introduce this donor again; the oldest is forgotten when there are many."""
        self.avoided[donor] = None
        if len(self.avoided) > AVOIDED_MAX:
            del self.avoided[next(iter(self.avoided))]
