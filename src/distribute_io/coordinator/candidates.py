"""Whom a downloader may be introduced to: what the choice of `core.matching` is given, and what it came to, in a word.

`Verdicts` are for the operator: whom a downloader would meet now, and of each other holder why not. Nothing is kept for
that: it is the same choice, made again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final

from msgspec import Struct

from distribute_io.coordinator.session import Session
from distribute_io.core import runs as sets
from distribute_io.core.matching import Candidate, Choice, Demand, choose_donors
from distribute_io.core.placement.model import Rng
from distribute_io.core.round_trips import RoundTrips
from distribute_io.core.standing import Standing
from distribute_io.errors import RefusedError
from distribute_io.ids import SessionId
from distribute_io.stores.state import FileShape, Holder, State, Want
from distribute_io.wire import limits
from distribute_io.wire.session import NatClass

CANDIDATES_MAX: Final = 256
"""Donors of a file that are looked at for one want; each want begins at another place, so all have their turn."""

VERDICTS_MAX: Final = 1_024
"""Holders of a file that an operator is told of at a time."""


class Verdict(Struct, frozen=True):
    """A holder of a file, and whether it would be introduced."""

    session_id: SessionId
    reason: str
    """`chosen`; `not_needed`, `not_asked` (nobody more is asked for), `kept_out`, `downloader_kept_out`, `avoided` (it
    did not work for this downloader, or lied to it), or why not, as `core.matching` has it."""


class Verdicts(Struct, frozen=True):
    """What became of all holders."""

    peers: tuple[Verdict, ...]
    more: bool
    """Whether there are more than are told of."""


class Candidates:
    """Caller's duties: none; nothing is changed here."""

    def __init__(
        self,
        *,
        state: State,
        rng: Rng,
        sessions: Mapping[SessionId, Session],
        standing: Standing,
        round_trips: RoundTrips,
        clock_us: Callable[[], int],
    ) -> None:
        self._state = state
        self._rng = rng
        self._sessions = sessions
        self._standing = standing
        self._round_trips = round_trips
        self._clock_us = clock_us

    async def choose(self, session: Session, want: Want) -> tuple[Choice, dict[SessionId, Holder]]:
        """Whom to introduce to a downloader; with the holders that were looked at."""
        holders = await self._state.holders(want.file_id, limit=CANDIDATES_MAX, skip=self._rng.getrandbits(32))
        return await self._choose(session, want, holders)

    async def _choose(
        self, session: Session, want: Want, holders: tuple[Holder, ...]
    ) -> tuple[Choice, dict[SessionId, Holder]]:
        standing = await self._state.standing(session.session_id)
        matched = {match.donor for match in standing if match.file_id == want.file_id}
        room = limits.MATCHES_PER_SESSION_MAX - len(standing)
        may_take = self._may_take(session)
        usable = {
            holder.donor.session_id: holder
            for holder in holders
            if may_take and self._is_usable(holder.donor.session_id, session)
        }
        demand = Demand(
            session_id=session.session_id,
            missing=want.missing,
            nat=session.nat,
            region=session.region,
            donors_max=max(0, min(want.peers_max, room)),
            fill=want.fill,
        )
        candidates = [self._candidate(usable[session_id], session.region) for session_id in sorted(usable)]
        return choose_donors(demand, candidates, frozenset(matched | set(session.avoided)), self._rng), usable

    def _candidate(self, holder: Holder, region: str) -> Candidate:
        """A holder as a downloader in this region sees it."""
        return Candidate(
            session_id=holder.donor.session_id,
            runs=holder.runs,
            nat=holder.donor.nat,
            region=holder.donor.region,
            round_trip_ms=self._round_trips.between_ms(region, holder.donor.region),
            takers=holder.takers,
            takers_max=holder.donor.takers_max,
            fills=holder.fills,
        )

    def _may_take(self, downloader: Session) -> bool:
        return self._standing.may_take(downloader.session_id, downloader.network, self._clock_us())

    def _is_usable(self, donor: SessionId, downloader: Session) -> bool:
        session = self._sessions.get(donor)
        if session is None or session.outbox.is_closing or session.is_silent:
            return False
        if not self._standing.may_give(donor, session.network, self._clock_us()):
            return False
        # What a page shares is what it has: it has nothing for itself, whatever an older want of it says.
        return session.page is None or session.page != downloader.page

    # --- for the operator ---

    def downloaders(self, limit: int) -> list[Session]:
        """Sessions that asked for files, at most so many."""
        return list(islice((session for session in self._sessions.values() if session.asked), limit))

    async def verdicts_of(self, session_id: SessionId, shape: FileShape) -> Verdicts:
        """Which holders of a file a downloader that is here would be introduced to now, and why not to the others.

        Where it waits for nobody, what it lacked when it was introduced last is what it misses; before that all.

        Raises:
            RefusedError: `unknown_session`.
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise RefusedError("unknown_session", "Nobody is here who has this session.")
        for want in await self._state.wants_of(session_id):
            if want.file_id == shape.file_id:
                return await self._verdicts(session, want)
        missing = sets.whole(shape.segments)
        for match in await self._state.standing(session_id):
            if match.file_id == shape.file_id and match.downloader == session_id:
                missing = sets.intersection(missing, match.lacked)
        return await self._verdicts(session, Want(session_id, shape.file_id, missing, 0, self._clock_us(), False))

    async def verdicts_there(self, shape: FileShape, *, nat: NatClass, region: str) -> Verdicts:
        """The same of a downloader of this class, in this region, that misses all of the file."""
        session = Session(SessionId(""), network="", region=region, now_us=self._clock_us())
        session.nat_stated = nat
        missing, most = sets.whole(shape.segments), limits.MATCHES_PER_SESSION_MAX
        return await self._verdicts(
            session, Want(session.session_id, shape.file_id, missing, most, self._clock_us(), False)
        )

    async def _verdicts(self, session: Session, want: Want) -> Verdicts:
        holders = await self._state.holders(want.file_id, limit=VERDICTS_MAX + 1)
        told = holders[:VERDICTS_MAX]
        choice, usable = await self._choose(session, want, told)
        kept_out = "kept_out" if self._may_take(session) else "downloader_kept_out"
        verdicts = {holder.donor.session_id: kept_out for holder in told}
        verdicts |= dict.fromkeys(usable, "not_needed" if want.peers_max else "not_asked")
        verdicts |= {exclusion.session_id: exclusion.reason for exclusion in choice.excluded}
        verdicts |= {candidate.session_id: "chosen" for candidate in choice.chosen}
        met = {match.donor for match in await self._state.standing(session.session_id)}
        verdicts |= {avoided: "avoided" for avoided in session.avoided if avoided in verdicts and avoided not in met}
        peers = tuple(Verdict(session_id, reason) for session_id, reason in sorted(verdicts.items()))
        return Verdicts(peers, len(holders) > VERDICTS_MAX)
