"""The soft state in this process's memory (contract: `state.py`).

Every method ends without having waited, so each is one transaction of the event loop.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice

import msgspec

from distribute_io.core import runs
from distribute_io.core.credit import Bounds, credit_after
from distribute_io.core.runs import Runs
from distribute_io.errors import RemoteProtocolError
from distribute_io.ids import CauseId, FileId, MatchId, SessionId
from distribute_io.stores.state import (
    ENDED_PER_TAKER_MAX,
    RECEIPTS_TAKEN_US,
    Census,
    Donor,
    FileShape,
    Held,
    Holder,
    MatchRecord,
    Want,
)


class MemoryState:
    """Implements `State` for one process."""

    def __init__(self) -> None:
        self._donors: dict[SessionId, Donor] = {}
        self._holdings: dict[SessionId, dict[FileId, Runs]] = {}
        self._leases: dict[SessionId, dict[FileId, Runs]] = {}
        self._lease_ends: dict[SessionId, int] = {}
        self._holders: dict[FileId, dict[SessionId, None]] = {}  # an ordered set
        self._shapes: dict[FileId, FileShape] = {}
        self._copies: dict[FileId, array[int]] = {}
        self._segments_held: Counter[FileId] = Counter()
        self._bytes_held: Counter[FileId] = Counter()
        self._wants: dict[FileId, dict[SessionId, Want]] = {}
        self._wants_of: dict[SessionId, set[FileId]] = {}
        self._matches: dict[MatchId, MatchRecord] = {}
        self._standing: dict[SessionId, set[MatchId]] = {}
        self._pairs: set[tuple[SessionId, SessionId, FileId]] = set()
        self._takers: Counter[SessionId] = Counter()
        self._fills: Counter[SessionId] = Counter()
        self._ended: dict[SessionId, dict[MatchId, None]] = {}
        """By taker, in the order of their ends."""
        self._credited: Counter[tuple[SessionId, FileId]] = Counter()
        """By taker and file, of the matches that are remembered."""

    async def close(self) -> None:
        """Nothing to let go of: the memory goes with the object."""

    # --- donors ---

    async def put_donor(self, donor: Donor) -> None:
        self._donors[donor.session_id] = donor

    async def donor(self, session_id: SessionId) -> Donor | None:
        return self._donors.get(session_id)

    async def donors(self, cause: CauseId | None = None) -> tuple[Donor, ...]:
        found = (donor for donor in self._donors.values() if cause is None or donor.gives_to(cause))
        return tuple(sorted(found, key=lambda donor: donor.session_id))

    async def drop_donor(self, session_id: SessionId) -> None:
        self._donors.pop(session_id, None)
        for file_id in list(self._holdings.get(session_id, {})):
            self._set_holdings(session_id, self._shapes[file_id], runs.EMPTY)
        self._holdings.pop(session_id, None)
        self._set_lease(session_id, {})

    async def put_holdings(self, session_id: SessionId, shape: FileShape, held: Runs) -> None:
        self._shapes.setdefault(shape.file_id, shape)
        self._set_holdings(session_id, shape, held)

    async def holdings(self, session_id: SessionId) -> dict[FileId, Runs]:
        return dict(self._holdings.get(session_id, {}))

    async def put_lease(
        self, session_id: SessionId, files: Sequence[tuple[FileShape, Runs]], expires_at_us: int
    ) -> None:
        for shape, _assigned in files:
            self._shapes.setdefault(shape.file_id, shape)
        self._set_lease(session_id, {shape.file_id: assigned for shape, assigned in files if assigned})
        self._lease_ends[session_id] = expires_at_us

    async def lease(self, session_id: SessionId) -> dict[FileId, Runs]:
        return dict(self._leases.get(session_id, {}))

    async def expire_leases(self, now_us: int) -> tuple[SessionId, ...]:
        over = sorted(session_id for session_id, end_us in self._lease_ends.items() if end_us <= now_us)
        for session_id in over:
            self._set_lease(session_id, {})
        return tuple(over)

    async def copies(self, file_id: FileId) -> Sequence[int]:
        return tuple(self._copies.get(file_id, ()))

    async def holders(self, file_id: FileId, *, limit: int, skip: int = 0) -> tuple[Holder, ...]:
        known = self._holders.get(file_id, {})
        start = skip % len(known) if known else 0
        turned = chain(islice(known, start, None), islice(known, start))
        return tuple(
            Holder(
                self._donors[session_id],
                self._holdings[session_id][file_id],
                self._takers[session_id],
                self._fills[session_id],
            )
            for session_id in islice(turned, limit)
            if session_id in self._donors
        )

    async def drop_file(self, file_id: FileId) -> tuple[SessionId, ...]:
        shape = self._shapes.get(file_id)
        for session_id in list(self._wants.get(file_id, {})):
            await self.drop_want(session_id, file_id)
        if shape is None:
            return ()
        concerned = {session_id for session_id, held in self._holdings.items() if file_id in held}
        concerned |= {session_id for session_id, lease in self._leases.items() if file_id in lease}
        for session_id in concerned:
            self._set_holdings(session_id, shape, runs.EMPTY)
            lease = {other: held for other, held in self._leases.get(session_id, {}).items() if other != file_id}
            end_us = self._lease_ends.get(session_id)
            self._set_lease(session_id, lease)
            if end_us is not None:
                self._lease_ends[session_id] = end_us
        for known in (self._shapes, self._copies, self._holders, self._segments_held, self._bytes_held):
            known.pop(file_id, None)
        return tuple(sorted(concerned))

    def _target(self, session_id: SessionId, file_id: FileId) -> Runs:
        """What counts as a copy: held or assigned (rule 3)."""
        held = self._holdings.get(session_id, {}).get(file_id, runs.EMPTY)
        return runs.union(held, self._leases.get(session_id, {}).get(file_id, runs.EMPTY))

    def _retarget(self, session_id: SessionId, file_id: FileId, before: Runs) -> None:
        """What counts as a copy was `before` and has changed: the copies, and what the donor offers (rules 3 and 4)."""
        after = self._target(session_id, file_id)
        grown = runs.difference(after, before)
        shape = self._shapes[file_id]
        copies = self._copies.get(file_id)
        if copies is None:
            copies = self._copies[file_id] = array("L", bytes(array("L").itemsize * shape.segments))
        for start, end in grown:
            for index in range(start, end):
                copies[index] += 1
        for start, end in runs.difference(before, after):
            for index in range(start, end):
                copies[index] -= 1
        if grown:
            self._offer_more(session_id, file_id, grown)

    def _set_holdings(self, session_id: SessionId, shape: FileShape, held: Runs) -> None:
        mine = self._holdings.setdefault(session_id, {})
        before, target_before = mine.get(shape.file_id, runs.EMPTY), self._target(session_id, shape.file_id)
        if held:
            mine[shape.file_id] = held
            self._holders.setdefault(shape.file_id, {})[session_id] = None
        else:
            mine.pop(shape.file_id, None)
            self._holders.get(shape.file_id, {}).pop(session_id, None)
        self._segments_held[shape.file_id] += runs.count(held) - runs.count(before)
        self._bytes_held[shape.file_id] += shape.bytes_of(held) - shape.bytes_of(before)
        self._retarget(session_id, shape.file_id, target_before)

    def _set_lease(self, session_id: SessionId, lease: dict[FileId, Runs]) -> None:
        concerned = {*self._leases.get(session_id, {}), *lease}
        before = {file_id: self._target(session_id, file_id) for file_id in concerned}
        if lease:
            self._leases[session_id] = lease
        else:
            self._leases.pop(session_id, None)
            self._lease_ends.pop(session_id, None)
        for file_id in concerned:
            self._retarget(session_id, file_id, before[file_id])

    def _offer_more(self, donor: SessionId, file_id: FileId, grown: Runs) -> None:
        for match_id in self._standing.get(donor, ()):
            match = self._matches[match_id]
            if match.donor == donor and match.file_id == file_id:
                self._matches[match_id] = _offering(match, grown)

    # --- downloaders ---

    async def put_want(self, want: Want) -> None:
        self._wants.setdefault(want.file_id, {})[want.session_id] = want
        self._wants_of.setdefault(want.session_id, set()).add(want.file_id)

    async def drop_want(self, session_id: SessionId, file_id: FileId) -> None:
        waiting = self._wants.get(file_id, {})
        waiting.pop(session_id, None)
        if not waiting:
            self._wants.pop(file_id, None)
        mine = self._wants_of.get(session_id, set())
        mine.discard(file_id)
        if not mine:
            self._wants_of.pop(session_id, None)

    async def wants(self, file_id: FileId) -> tuple[Want, ...]:
        return tuple(sorted(self._wants.get(file_id, {}).values(), key=lambda want: (want.since_us, want.session_id)))

    async def wants_of(self, session_id: SessionId) -> tuple[Want, ...]:
        return tuple(self._wants[file_id][session_id] for file_id in sorted(self._wants_of.get(session_id, ())))

    # --- matches ---

    async def add_match(self, match: MatchRecord) -> bool:
        pair = (match.downloader, match.donor, match.file_id)
        if pair in self._pairs:
            return False
        self._pairs.add(pair)
        self._matches[match.match_id] = _offering(match, self._target(match.donor, match.file_id))
        for session_id in (match.downloader, match.donor):
            self._standing.setdefault(session_id, set()).add(match.match_id)
        self._takers[match.donor] += 1
        self._fills[match.donor] += match.fill
        return True

    async def match(self, match_id: MatchId) -> MatchRecord | None:
        return self._matches.get(match_id)

    async def standing(self, session_id: SessionId) -> tuple[MatchRecord, ...]:
        return tuple(self._matches[match_id] for match_id in sorted(self._standing.get(session_id, ())))

    async def open_match(self, match_id: MatchId) -> None:
        match = self._matches.get(match_id)
        if match is not None:
            phase = match.phase if match.phase == "ended" else "open"
            self._matches[match_id] = msgspec.structs.replace(match, phase=phase, was_open=True)

    async def end_match(self, match_id: MatchId, now_us: int) -> MatchRecord | None:
        match = self._matches.get(match_id)
        if match is None or match.phase == "ended":
            return None
        self._matches[match_id] = msgspec.structs.replace(
            match, phase="ended", ended_at_us=now_us, lacked=runs.EMPTY, offered=runs.EMPTY
        )
        ended = self._ended.setdefault(match.downloader, {})
        ended[match_id] = None
        if len(ended) > ENDED_PER_TAKER_MAX:
            self._forget_match(self._matches[next(iter(ended))])
        self._pairs.discard((match.downloader, match.donor, match.file_id))
        for session_id in (match.downloader, match.donor):
            mine = self._standing.get(session_id, set())
            mine.discard(match_id)
            if not mine:
                self._standing.pop(session_id, None)
        self._takers[match.donor] -= 1
        self._fills[match.donor] -= match.fill
        if not self._takers[match.donor]:
            del self._takers[match.donor], self._fills[match.donor]
        return match

    async def credit(self, match_id: MatchId, bytes_total: int, now_us: int, *, sendable_bytes: int) -> int:
        match = self._matches.get(match_id)
        if match is None or (match.phase == "ended" and match.ended_at_us + RECEIPTS_TAKEN_US <= now_us):
            raise RemoteProtocolError("match_unknown", "The receipt is of no match of ours, or comes too late.")
        taken = (match.downloader, match.file_id)
        bounds = Bounds(
            credited_bytes=match.credited_bytes,
            lacked_bytes=match.lacked_bytes,
            offered_bytes=match.offered_bytes,
            sendable_bytes=sendable_bytes,
            file_left_bytes=match.shape.size_bytes - self._credited[taken],
        )
        credited = credit_after(bytes_total, bounds)
        if credited is None:
            raise RemoteProtocolError("receipt_invalid", "The receipt is above what the taker lacked.")
        grown = credited - match.credited_bytes
        if grown:
            self._credited[taken] += grown
            self._matches[match_id] = msgspec.structs.replace(match, credited_bytes=credited)
        return grown

    async def expire_matches(self, now_us: int, *, pending_since_us: int) -> tuple[MatchRecord, ...]:
        matches: Iterable[MatchRecord] = list(self._matches.values())
        stale = [match for match in matches if match.phase == "pending" and match.made_at_us < pending_since_us]
        for match in stale:
            await self.end_match(match.match_id, now_us)
        for match in matches:
            is_over = match.phase == "ended" and match.ended_at_us + RECEIPTS_TAKEN_US <= now_us
            if is_over and match.match_id in self._matches:  # a newer one that ended just now may have taken its place
                self._forget_match(match)
        return tuple(stale)

    def _forget_match(self, match: MatchRecord) -> None:
        """An ended match: no receipt of it is taken any more."""
        del self._matches[match.match_id]
        ended = self._ended[match.downloader]
        del ended[match.match_id]
        if not ended:
            del self._ended[match.downloader]
        taken = (match.downloader, match.file_id)
        if match.credited_bytes:
            self._credited[taken] -= match.credited_bytes
            if not self._credited[taken]:
                del self._credited[taken]

    # --- all ---

    async def leave(self, session_id: SessionId, now_us: int) -> tuple[MatchRecord, ...]:
        await self.drop_donor(session_id)
        for want in await self.wants_of(session_id):
            await self.drop_want(session_id, want.file_id)
        ended = await self.standing(session_id)
        for match in ended:
            await self.end_match(match.match_id, now_us)
        return ended

    async def census(self) -> Census:
        by_cause: Counter[CauseId] = Counter()
        for donor in self._donors.values():
            by_cause.update(donor.causes)
        downloaders = {
            want.session_id for waiting in self._wants.values() for want in waiting.values() if not want.fill
        }
        downloaders |= {
            match.downloader for match in self._matches.values() if match.phase != "ended" and not match.fill
        }
        return Census(
            donors=len(self._donors),
            downloaders=len(downloaders),
            donors_by_cause=dict(by_cause),
            donors_of_all=sum(not donor.causes for donor in self._donors.values()),
            held={
                file_id: Held(self._shapes[file_id].cause, segments, self._bytes_held[file_id])
                for file_id, segments in self._segments_held.items()
                if segments
            },
        )


def _offering(match: MatchRecord, held: Runs) -> MatchRecord:
    """The match, when its donor holds or is assigned this as well (rule 4)."""
    offered = runs.union(match.offered, runs.intersection(match.lacked, held))
    return msgspec.structs.replace(match, offered=offered, offered_bytes=match.shape.bytes_of(offered))
