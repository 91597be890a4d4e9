"""Introductions: wants of downloaders, matches with donors, signals between the two, and what became of them.

Rules:

1. Peers speak to each other only inside a match that the coordinator made, and never learn each other's session id.
2. A payload is relayed unchanged; nothing of it is read, kept or logged.
3. The downloader's side offers, with an offer that it deposited where there is one; only when the downloader is native
   and the donor is a browser the donor offers, as a native peer cannot negotiate channel ids.
4. Whoever did not work for a downloader, refused it in any word but `busy`, or lied to it, is not introduced to it
   again in this session; nor are two of whom one broke the protocol, by the other's word. A donor that is accused of a
   lie is introduced to nobody for a time (`core/standing.py`), also when it ended the match first. Nor is a downloader
   that donors of several networks complain of.
5. A donor that did not say a word in `SILENCE_US` after it was called (an offer, or a signal) in a match that failed is
   introduced to nobody until it is heard again: a machine that lost its power stays a session for a minute.
6. A downloader tells the round trip of each connection that came about. It counts once for a session and a pair of
   places (`core/round_trips.py`), and orders the donors of later introductions.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from distribute_io.coordinator.candidates import Candidates
from distribute_io.coordinator.country_credits import country_of
from distribute_io.coordinator.demand_desk import DemandDesk
from distribute_io.coordinator.session import Session
from distribute_io.coordinator.shapes import Shapes
from distribute_io.core import runs as sets
from distribute_io.core.demand.regions import coarse
from distribute_io.core.placement.model import Rng
from distribute_io.core.reach import NETWORK_CODES
from distribute_io.core.round_trips import RoundTrips, pair_of
from distribute_io.core.standing import Standing
from distribute_io.errors import RefusedError, RemoteProtocolError
from distribute_io.ids import FileId, MatchId, SessionId
from distribute_io.manifest.mirrors import is_public_address
from distribute_io.stores.state import FileShape, Holder, MatchRecord, State, Want
from distribute_io.wire import limits
from distribute_io.wire.session import (
    Match,
    MatchEnded,
    MatchReport,
    Offer,
    SignalDown,
    SignalUp,
    Ticket,
    Unmatched,
)
from distribute_io.wire.session import Want as WantMessage

RETRY_AFTER_MS: Final = 15_000
"""When a downloader that found no donor may ask again; a donor who appears earlier is offered by itself."""

SECRET_BYTES: Final = 32

TAKER_FAULTS: Final = frozenset(
    ("flood", "frame_malformed", "frame_too_large", "frame_unexpected", "frame_unknown", "receipt_invalid")
)
"""With these codes a donor complains of the downloader (K6)."""

BREACHES: Final = TAKER_FAULTS | {"grant_exceeded", "request_limit", "ticket_stolen", "unrequested_data"}
"""What ends a match because one end broke the protocol. Late words, slow readers and other versions are chance."""

PAIRS_PER_SESSION_MAX: Final = 64
"""Pairs of places that one session's round trips count for."""

SILENCE_US: Final = 5_000_000
"""How long a donor may take for its first word to a match; clients give a connection twice as long."""


class MatchDesk:
    """Caller's duties: hand it each session's messages in order."""

    def __init__(
        self,
        *,
        state: State,
        shapes: Shapes,
        demand: DemandDesk,
        rng: Rng,
        sessions: Mapping[SessionId, Session],
        standing: Standing,
        random_bytes: Callable[[int], bytes],
        clock_us: Callable[[], int],
        nat_changed: Callable[[Session], Awaitable[None]],
    ) -> None:
        """Keep the parts.

        Args:
            nat_changed: awaited when introductions showed a session to be of another NAT class.
            rng: for the choice among equals.
            random_bytes: for secrets and ids; must be unguessable.
        """
        self._state = state
        self._shapes = shapes
        self._demand = demand
        self._sessions = sessions
        self._standing = standing
        self._random_bytes = random_bytes
        self._clock_us = clock_us
        self._nat_changed = nat_changed
        self._round_trips = RoundTrips()
        self.candidates = Candidates(
            state=state, rng=rng, sessions=sessions, standing=standing, round_trips=self._round_trips, clock_us=clock_us
        )

    # --- wants ---

    async def want(self, session: Session, message: WantMessage) -> None:
        """A downloader would like more donors of a file."""
        file_id = FileId(message.file_id)
        shape = self._shapes.get(file_id)
        if shape is None:
            session.send(Unmatched(file_id=file_id, code="unknown_file", retry_after_ms=RETRY_AFTER_MS))
            return
        missing = sets.from_wire(message.missing, shape.segments)
        known = await self._state.wants_of(session.session_id)
        if len(known) >= limits.WANTS_PER_SESSION_MAX and file_id not in {want.file_id for want in known}:
            raise RefusedError("full", f"A session may want {limits.WANTS_PER_SESSION_MAX} files at a time.")
        if not message.fill:
            self._demand.asked(session, file_id)
        self._deposit(session, file_id, message.offers)
        want = Want(session.session_id, file_id, missing, message.peers_max, self._clock_us(), message.fill)
        await self._serve(session, want, shape, is_new=True)

    async def unwant(self, session: Session, file_id: FileId) -> None:
        """Nothing more is wanted of a file."""
        session.offers.pop(file_id, None)
        await self._state.drop_want(session.session_id, file_id)

    async def serve_waiting(self, file_id: FileId) -> None:
        """Somebody holds more of a file: introduce those who wait for it.

        The others have their turn in between: a choice takes up to some milliseconds, and thousands may wait.
        """
        for session_id in [want.session_id for want in await self._state.wants(file_id)]:
            await asyncio.sleep(0)
            shape, session = self._shapes.get(file_id), self._sessions.get(session_id)
            if shape is None or session is None:
                continue
            # As it is now: meanwhile it may have been said anew, or taken back.
            for want in await self._state.wants_of(session_id):
                if want.file_id == file_id:
                    await self._serve(session, want, shape, is_new=False)

    def _deposit(self, session: Session, file_id: FileId, offers: list[Offer]) -> None:
        """Keep a downloader's gathered offers; the oldest make room, as their candidates grow stale."""
        stock = session.offers.setdefault(file_id, deque(maxlen=limits.OFFERS_MAX))
        if len(session.offers) > limits.WANTS_PER_SESSION_MAX:
            del session.offers[next(iter(session.offers))]
        known = {offer.offer_id for offer in stock}
        stock.extend(offer for offer in offers if offer.offer_id not in known)
        if not stock:
            del session.offers[file_id]

    async def _serve(self, session: Session, want: Want, shape: FileShape, *, is_new: bool) -> None:
        """Introduce as many donors as the want has room for; what is left of it waits."""
        if session.session_id in self._sessions:  # it may have left since it was looked up
            self._standing.takes(session.session_id, session.network)
        choice, holders = await self.candidates.choose(session, want)
        made = 0
        for candidate in choice.chosen:
            made += await self._introduce(session, holders[candidate.session_id], want, shape)
        left = want.peers_max - made
        if left > 0 and want.missing and not want.fill:  # a fill does not wait: what nobody gives now mirrors do
            await self._state.put_want(msgspec.structs.replace(want, peers_max=left))
        else:
            await self._state.drop_want(want.session_id, want.file_id)
        if is_new and not made and want.peers_max:
            reasons = {exclusion.reason for exclusion in choice.excluded}
            session.send(
                Unmatched(
                    file_id=want.file_id,
                    code="full" if "full" in reasons else "no_donor",
                    retry_after_ms=RETRY_AFTER_MS,
                )
            )

    # --- introductions ---

    async def _introduce(self, session: Session, holder: Holder, want: Want, shape: FileShape) -> bool:
        """Make one match; False when it cannot be made after all."""
        other = self._sessions.get(holder.donor.session_id)
        if other is None:
            return False
        bytes_max = shape.bytes_of(sets.intersection(want.missing, holder.runs))
        match = MatchRecord(
            match_id=MatchId(self._random_bytes(16).hex()),
            shape=shape,
            downloader=session.session_id,
            donor=other.session_id,
            receipt_secret=self._random_bytes(SECRET_BYTES),
            lacked=want.missing,
            lacked_bytes=shape.bytes_of(want.missing),
            made_at_us=self._clock_us(),
            country=country_of(session.region),
            region=coarse(session.region),
            fill=want.fill,
            up_bytes_per_s=holder.donor.up_bytes_per_s,
            neighbours=session.network == other.network and is_public_address(session.network.partition("/")[0]),
            donor_network=other.network,
            downloader_network=session.network,
        )
        if not await self._state.add_match(match):
            return False
        secret = base64.b64encode(self._random_bytes(SECRET_BYTES)).decode()
        ticket = Ticket(secret=secret, valid_ms=limits.TICKET_VALID_MS)
        donor_offers = session.native and not other.native
        offer = None if donor_offers else self._take_offer(session, want.file_id)
        session.send(
            Match(
                match_id=match.match_id,
                file_id=match.file_id,
                role="downloader",
                peer_native=other.native,
                ticket=ticket,
                bytes_max=bytes_max,
                make_offer=not donor_offers and offer is None,
                offer_id=offer.offer_id if offer is not None else None,
                runs=sets.to_wire(holder.runs)[: 2 * limits.RUNS_MAX],
                receipt_secret=base64.b64encode(match.receipt_secret).decode(),
            )
        )
        other.send(
            Match(
                match_id=match.match_id,
                file_id=match.file_id,
                role="donor",
                peer_native=session.native,
                ticket=ticket,
                bytes_max=bytes_max,
                make_offer=donor_offers,
                offer=offer.sdp if offer is not None else None,
                fill=match.fill,
            )
        )
        if donor_offers or offer is not None:
            other.called[match.match_id] = match.made_at_us
        return True

    def _take_offer(self, session: Session, file_id: FileId) -> Offer | None:
        stock = session.offers.get(file_id)
        if not stock:
            return None
        offer = stock.popleft()
        if not stock:
            del session.offers[file_id]
        return offer

    # --- inside a match ---

    async def signal(self, session: Session, message: SignalUp) -> None:
        """Relay a signalling payload to the other end.

        Raises:
            RemoteProtocolError: `match_unknown`, `message_too_large` or `flood`.
        """
        match = await self._match_of(session, MatchId(message.match_id))
        if len(bytes(message.payload)) > limits.SIGNAL_BYTES_MAX:
            raise RemoteProtocolError("message_too_large", f"A signal has at most {limits.SIGNAL_BYTES_MAX} bytes.")
        if session.signals[match.match_id] >= limits.SIGNALS_PER_MATCH_MAX:
            raise RemoteProtocolError("flood", f"A match has at most {limits.SIGNALS_PER_MATCH_MAX} signals a side.")
        session.signals[match.match_id] += 1
        other = self._sessions.get(_other_end(match, session.session_id))
        if other is not None:
            other.send(SignalDown(match_id=match.match_id, payload=message.payload))
            if other.session_id == match.donor:
                other.called.setdefault(match.match_id, self._clock_us())

    async def report(self, session: Session, message: MatchReport, now_us: int) -> None:
        """What became of a match.

        Raises:
            RemoteProtocolError: `match_unknown`.
        """
        if message.outcome == "lied":
            await self._accused(session, MatchId(message.match_id), message.code, now_us)
            return
        if message.outcome == "open":
            await self._opened(session, MatchId(message.match_id), message.round_trip_ms)
            return
        code = message.code
        if code in BREACHES and await self._broken(session, MatchId(message.match_id), code, now_us):
            return
        match = await self._match_of(session, MatchId(message.match_id))
        if message.outcome == "failed" and match.phase == "pending" and message.code in NETWORK_CODES:
            donor = self._sessions.get(match.donor)
            if donor is session or (donor is not None and donor.signals[match.match_id]):
                await self._learn(match, met=False)
        if message.outcome == "failed" and code != "busy":  # who is busy for a moment has room in the next
            downloader = self._sessions.get(match.downloader)
            if downloader is not None:
                downloader.avoid(match.donor)
            if downloader is session:
                self._note_silence(match, now_us)
        await self._end(match, now_us, code=message.code or "peer_closed", told_by=session.session_id)

    async def _learn(self, match: MatchRecord, *, met: bool) -> None:
        """What a match came to says of the network of both ends (`core/reach.py`)."""
        downloader, donor = self._sessions.get(match.downloader), self._sessions.get(match.donor)
        if downloader is None or donor is None:
            return
        are_neighbours = downloader.network == donor.network
        for session, other in ((downloader, donor.nat_stated), (donor, downloader.nat_stated)):
            before = session.nat
            if met:
                session.reach.opened(other, are_neighbours=are_neighbours)
            else:
                session.reach.missed()
            if session.nat != before:
                await self._nat_changed(session)

    def _learn_round_trip(self, session: Session, match: MatchRecord, round_trip_ms: int) -> None:
        donor = self._sessions.get(match.donor)
        pair = pair_of(session.region, donor.region) if donor is not None else None
        if pair is not None and pair not in session.measured and len(session.measured) < PAIRS_PER_SESSION_MAX:
            session.measured.add(pair)
            self._round_trips.measured(pair, round_trip_ms)

    async def _opened(self, session: Session, match_id: MatchId, round_trip_ms: int | None) -> None:
        match = await self._state.match(match_id)
        if match is None or session.session_id not in (match.downloader, match.donor):
            raise _match_unknown()
        if session.session_id == match.downloader and round_trip_ms is not None:
            self._learn_round_trip(session, match, round_trip_ms)
        if match.phase == "pending":
            await self._learn(match, met=True)
        # Of a match that the donor has ended already it is only remembered: what came over it may prove wrong.
        if match.phase != "ended" or session.session_id == match.downloader:
            await self._state.open_match(match_id)

    async def _accused(self, session: Session, match_id: MatchId, code: str | None, now_us: int) -> None:
        """A downloader had wrong bytes (rule 4). A liar that ended the match first, or left, is accused all the same.

        Raises:
            RemoteProtocolError: `match_unknown`.
        """
        match = await self._state.match(match_id)
        if match is None or match.downloader != session.session_id:
            raise _match_unknown()
        # Who never had a byte cannot have had a wrong one, and what was said once is not said again.
        if match.was_open and session.accuse(match_id):
            self._standing.accuse(match.donor, network=match.donor_network, accuser=session.network, now_us=now_us)
        session.avoid(match.donor)
        await self._end(match, now_us, code=code or "segment_mismatch", told_by=session.session_id)

    async def _broken(self, session: Session, match_id: MatchId, code: str, now_us: int) -> bool:
        """One end says that the other broke the protocol (rule 4); whether that one had ended the match before."""
        match = await self._state.match(match_id)
        if match is None or session.session_id not in (match.downloader, match.donor):
            return False
        downloader = self._sessions.get(match.downloader)
        if downloader is not None:
            downloader.avoid(match.donor)
        is_complaint = session.session_id == match.donor and code in TAKER_FAULTS
        if is_complaint and match.was_open and session.accuse(match_id):
            taker, network = match.downloader, match.downloader_network
            self._standing.complain(taker, network=network, donor_network=session.network, now_us=now_us)
        return match.phase == "ended"

    def _note_silence(self, match: MatchRecord, now_us: int) -> None:
        """A donor that said nothing to a match waits until it is heard (rule 5)."""
        donor = self._sessions.get(match.donor)
        called_us = None if donor is None else donor.called.get(match.match_id)
        if donor is not None and called_us is not None and now_us - called_us >= SILENCE_US:
            donor.unanswered_us = max(donor.unanswered_us, called_us)

    async def session_left(self, session: Session, ended: tuple[MatchRecord, ...]) -> None:
        """A session ended, and its matches with it: tell the other ends of those that were not open."""
        for match in ended:
            self._forget_signals(match)
            if match.phase == "pending":
                self._tell_end(match, _other_end(match, session.session_id), "peer_closed")

    async def expire(self, now_us: int) -> None:
        """End the matches that did not open in time."""
        since_us = now_us - limits.TICKET_VALID_MS * 1_000
        for match in await self._state.expire_matches(now_us, pending_since_us=since_us):
            self._forget_signals(match)
            for session_id in (match.downloader, match.donor):
                self._tell_end(match, session_id, "ticket_expired")

    async def _end(self, match: MatchRecord, now_us: int, *, code: str, told_by: SessionId) -> None:
        ended = await self._state.end_match(match.match_id, now_us)
        if ended is None:
            return
        self._forget_signals(ended)
        if ended.phase == "pending":
            self._tell_end(ended, _other_end(ended, told_by), code)

    def _tell_end(self, match: MatchRecord, session_id: SessionId, code: str) -> None:
        session = self._sessions.get(session_id)
        if session is not None:
            session.send(MatchEnded(match_id=match.match_id, code=code))

    def _forget_signals(self, match: MatchRecord) -> None:
        for session_id in (match.downloader, match.donor):
            session = self._sessions.get(session_id)
            if session is not None:
                session.signals.pop(match.match_id, None)
                session.called.pop(match.match_id, None)

    async def _match_of(self, session: Session, match_id: MatchId) -> MatchRecord:
        match = await self._state.match(match_id)
        if match is None or match.phase == "ended" or session.session_id not in (match.downloader, match.donor):
            raise _match_unknown()
        return match


def _match_unknown() -> RemoteProtocolError:
    return RemoteProtocolError("match_unknown", "The message names a match that this session is not part of.")


def _other_end(match: MatchRecord, session_id: SessionId) -> SessionId:
    return match.donor if session_id == match.downloader else match.downloader
