"""Donors: their limits, what they hold, and the plan of what they should hold.

Rules:

1. A donor is assigned something only after it told all that it holds, so that nothing is pushed twice.
2. Plans of a small swarm are made one after another, so two of them never give away the same scarce thing. Those who
   join are planned at once, all that wait together; those who stand every `PLAN_EVERY_S`, and sooner when one has left,
   since what only that one held is with nobody now.
3. What a donor was assigned and does not hold yet counts as held when it is planned again, so that a fill that is under
   way is not thrown away; only when its storage shrank must the fill yield to what is there.
4. A lease is renewed at half of its time while the donor is here.
5. A large swarm is planned in rounds, and who joins is planned at once all the same, also while a round is under way
   (`swarm_plans.py` says which word stands). A round begins early for those whom the lists cannot place, never sooner
   than `LOOK_AGAIN_S` after the one before. It plans `JOINING_MAX` of those who wait, and the others are tried by its
   lists: after a restart of the coordinator all join at once, before there are any.
6. A plan that fails is logged and lost; those who join are planned again after `RETRY_S`, in a large swarm by its next
   round.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec

from distribute_io.coordinator.assignments import messages
from distribute_io.coordinator.demand_desk import DemandDesk
from distribute_io.coordinator.plan_office import PlanOffice, tell_of
from distribute_io.coordinator.session import Session
from distribute_io.coordinator.shapes import Shapes
from distribute_io.coordinator.swarm_plans import SwarmPlans
from distribute_io.core import runs as sets
from distribute_io.core.placement.model import LOOK_AGAIN_S, Assignment, DonorView, Policy, Snapshot
from distribute_io.core.placement.rounds import Explanation
from distribute_io.core.placement.weigh import weigh
from distribute_io.errors import DistributeError, RefusedError
from distribute_io.ids import CauseId, FileId, SessionId
from distribute_io.stores.catalogue import Catalogue
from distribute_io.stores.state import Donor, State
from distribute_io.wire.session import Donate, Holdings, Withdrawn

log = logging.getLogger(__name__)

PLAN_EVERY_S: Final = 30.0
"""Standing donors are looked at again this often: more often gained nothing while nobody left."""

RETRY_S: Final = 5.0

_REST_TIMES: Final = 10
"""After a look at all donors of a small swarm none follows for so many times as long as it took, or `PLAN_EVERY_S`."""

JOINING_MAX: Final = 512
"""Donors that a round has to place: each takes some milliseconds, whatever the round's time. Without a bound a hundred
thousand that came back within a minute took longer than the planning process may, again and again."""

REASONS_MAX: Final = 256
"""Runs of a donor that are explained at a time."""

_DONORS_AT_ONCE: Final = 64
"""Donors that are written into a snapshot, or told what came of it, before others have their turn."""

FILES_PER_DONOR_MAX: Final = 4_096
"""Files that one donor may hold something of: runs of 8 MiB of as many files fill 32 GiB."""

RUNS_PER_DONOR_MAX: Final = 16_384
"""Runs in all that one donor may hold: about 3 MB of memory here. As many runs of 8 MiB fill 128 GiB."""


class DonorDesk:
    """Caller's duties: hand it each donor's messages in order; run `run` as long as there are sessions."""

    def __init__(
        self,
        *,
        state: State,
        catalogue: Catalogue,
        shapes: Shapes,
        policy: Policy,
        office: PlanOffice,
        demand: DemandDesk,
        sessions: Mapping[SessionId, Session],
        takers_max: int,
        clock_us: Callable[[], int],
        holds_more: Callable[[FileId], None],
    ) -> None:
        """Keep the parts.

        Args:
            office: where plans are made.
            demand: what is expected to be asked for, and how long donors stay.
            sessions: those of this process.
            takers_max: of any donor, whatever it says itself.
            holds_more: told of each file of which a donor now holds more.
        """
        self._state = state
        self._catalogue = catalogue
        self._shapes = shapes
        self._policy = policy
        self._office = office
        self._demand = demand
        self._sessions = sessions
        self._takers_max = takers_max
        self._clock_us = clock_us
        self._holds_more = holds_more
        self._swarm = SwarmPlans(office=office, policy=policy, demand=demand, shapes=shapes)
        self._ready: dict[SessionId, None] = {}  # an ordered set
        """Donors of this process that told all that they hold."""
        self._to_plan: dict[SessionId, None] = {}  # an ordered set
        self._waiting: dict[SessionId, None] = {}  # an ordered set
        """Donors of a large swarm that join and that no lists have placed yet."""
        self._joins_failed = 0  # since the last round
        self._wake = asyncio.Event()
        self._round_soon = asyncio.Event()
        self._planning = asyncio.Lock()

    # --- messages ---

    async def donate(self, session: Session, message: Donate, now_us: int) -> None:
        """Become a donor, or change the limits."""
        before = await self._state.donor(session.session_id)
        await self._state.put_donor(
            Donor(
                session_id=session.session_id,
                causes=frozenset(CauseId(cause) for cause in message.causes),
                storage_bytes=message.storage_bytes,
                up_bytes_per_s=message.up_bytes_per_s,
                takers_max=min(message.takers_max, self._takers_max),
                native=session.native,
                nat=session.nat,
                region=session.region,
                joined_at_us=before.joined_at_us if before is not None else now_us,
                ready=before is not None and before.ready,
            )
        )
        session.named.clear()
        self._swarm.note(session.session_id)
        if before is not None and before.ready:
            self.plan_soon(session.session_id)

    async def holdings(self, session: Session, message: Holdings, *, joins: bool) -> None:
        """What the donor holds; `joins` when it is complete for the first time."""
        unknown: list[FileId] = []
        for entry in message.files:
            file_id = FileId(entry.file_id)
            shape = self._shapes.get(file_id)
            if shape is None:
                unknown.append(file_id)
                continue
            held = sets.from_wire(entry.runs, shape.segments)
            if len(session.named) >= FILES_PER_DONOR_MAX and file_id not in session.named:
                session.refuse(RefusedError("full", f"A donor may hold {FILES_PER_DONOR_MAX} files."), file_id=file_id)
                continue
            told = session.runs_told.total() - session.runs_told[file_id] + len(held)
            if told > RUNS_PER_DONOR_MAX:
                session.refuse(RefusedError("full", f"A donor may hold {RUNS_PER_DONOR_MAX} runs."), file_id=file_id)
                held = sets.EMPTY
            session.runs_told[file_id] = len(held)
            session.runs_told += Counter()  # drops the zeros
            session.named.add(file_id)
            await self._state.put_holdings(session.session_id, shape, held)
            if held:
                self._holds_more(file_id)
        if unknown:
            for file_id in sorted(await self._catalogue.withdrawn(unknown)):
                session.send(Withdrawn(file_id=file_id))
        if message.complete:
            await self._forget_unnamed(session)
        self._swarm.note(session.session_id)
        if joins:
            self._ready[session.session_id] = None
            donor = await self._state.donor(session.session_id)
            if donor is not None:
                await self._state.put_donor(msgspec.structs.replace(donor, ready=True))
                self.plan_soon(session.session_id)

    async def stop(self, session: Session, *, left: bool = True) -> None:
        """The donor gives no more; not `left` when it only goes because the coordinator stops."""
        session.named.clear()
        session.runs_told.clear()
        self._to_plan.pop(session.session_id, None)
        self._ready.pop(session.session_id, None)
        self._waiting.pop(session.session_id, None)
        self._swarm.note(session.session_id)
        donor = await self._state.donor(session.session_id)
        gave = False
        if donor is not None and donor.ready and donor.storage_bytes > 0:
            gave = bool(await self._state.holdings(session.session_id))
            if not session.stay_counted:
                session.stay_counted = True
                stay_s = (self._clock_us() - donor.joined_at_us) / 1e6
                self._demand.stayed(native=donor.native, stay_s=stay_s, left=left)
        await self._state.drop_donor(session.session_id)
        if left and gave and not self._swarm.is_large(len(self._ready)):
            self._round_soon.set()

    async def nat_found(self, session: Session) -> None:
        """A peer's NAT class became known."""
        self._demand.nat_found(session)
        donor = await self._state.donor(session.session_id)
        if donor is not None and donor.nat != session.nat:
            await self._state.put_donor(msgspec.structs.replace(donor, nat=session.nat))
            self._swarm.note(session.session_id)

    async def _forget_unnamed(self, session: Session) -> None:
        for file_id in await self._state.holdings(session.session_id):
            shape = self._shapes.get(file_id)
            if file_id not in session.named and shape is not None:
                del session.runs_told[file_id]
                await self._state.put_holdings(session.session_id, shape, sets.EMPTY)
        session.named.clear()

    # --- planning ---

    def plan_soon(self, session_id: SessionId) -> None:
        """Plan a donor of this process at the next opportunity."""
        self._to_plan[session_id] = None
        self._wake.set()

    async def plan_all_soon(self, cause: CauseId | None = None) -> None:
        """Plan all donors of this process that give to `cause`, or to any; a large swarm has a round for that."""
        if self._swarm.is_large(len(self._ready)):
            self._round_soon.set()
            return
        for donor in await self._state.donors(cause):
            if donor.ready and donor.session_id in self._sessions:
                self.plan_soon(donor.session_id)

    def renew_leases(self, now_us: int) -> None:
        """Plan the donors again whose lease is half over (rule 4)."""
        for session in self._sessions.values():
            if session.state == "donating" and now_us - session.planned_at_us > self._policy.lease_us // 2:
                self.plan_soon(session.session_id)

    async def run(self) -> None:
        """Plan those who join at once and those who stand every `PLAN_EVERY_S`, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._plan_standing_ever(), name="standing-plans")
            while True:
                self._wake.clear()
                while self._to_plan:
                    joining, self._to_plan = frozenset(self._to_plan), {}
                    if self._swarm.is_large(len(self._ready)):
                        await self._join(joining)
                    elif not await self._plan(joining, frozenset()):
                        self._to_plan |= dict.fromkeys(joining & self._sessions.keys())
                        await asyncio.sleep(RETRY_S)
                await self._wake.wait()

    async def _plan_standing_ever(self) -> None:
        took_s = 0.0
        while True:
            rest_s = min(PLAN_EVERY_S, max(LOOK_AGAIN_S, _REST_TIMES * took_s))
            await asyncio.sleep(rest_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PLAN_EVERY_S - rest_s):
                    await self._round_soon.wait()
            self._round_soon.clear()
            began_s = time.monotonic()
            await self.plan_standing()
            took_s = 0.0 if self._swarm.is_large(len(self._ready)) else time.monotonic() - began_s
            if self._waiting:
                self._round_soon.set()

    async def plan_standing(self) -> None:
        """Look at all standing donors once: fill them further, or let each swap one run."""
        if self._swarm.is_large(len(self._ready)):
            await self._round()
            return
        self._swarm.forget()
        self._to_plan |= self._waiting
        self._waiting.clear()
        self._wake.set()
        await self._plan(frozenset(), None)

    # --- a large swarm ---

    async def _join(self, joining: frozenset[SessionId]) -> None:
        """Plan those who join by the lists of the last round; whom these cannot place waits for the next."""
        for session_id in sorted(joining):
            try:
                await self._join_one(session_id)
                await asyncio.sleep(0)  # a plan takes most of a millisecond: others have their turn
                self._swarm.tidy()
            except Exception:  # whatever is wrong with one join must not end the server
                self._waiting[session_id] = None
                if not self._joins_failed:  # what is wrong with the lists is wrong for all who join
                    log.exception("A donor that joined could not be planned; the next round places it.")
                self._joins_failed += 1
            await asyncio.sleep(0)
        if self._waiting or self._swarm.used_up:
            self._round_soon.set()

    async def _join_one(self, session_id: SessionId) -> None:
        now_us, session = self._clock_us(), self._sessions.get(session_id)
        seen = await self._seen(session_id, now_us)
        if session is not None:
            session.planned_at_us = now_us
        if seen is None or session is None:
            return
        donor, view = seen
        assignment = self._swarm.join(view, now_us)
        if assignment is None:
            self._waiting[session_id] = None
        else:
            self._waiting.pop(session_id, None)
            session.storage_bytes = donor.storage_bytes
            await self._assign(session, assignment, now_us)

    async def _round(self) -> None:
        """A round of the planning process, and sending what came of it."""
        async with self._planning:
            if self._joins_failed > 1:
                log.error("%d donors that joined could not be planned.", self._joins_failed)
            self._joins_failed = 0
            now_us, joining = self._clock_us(), frozenset(islice(self._waiting, JOINING_MAX))
            try:
                assignments = await self._swarm.round(
                    now_us,
                    here=self._ready,
                    seen=lambda session_id: self._seen(session_id, now_us),
                    joining=joining,
                )
                await self._take(assignments, now_us, self._swarm.told, joining)
            except DistributeError as error:
                tell_of(error)
            except Exception:  # whatever is wrong with one round must not end the server
                self._swarm.forget()
                log.exception("Donors could not be planned; they keep what they have.")
            else:
                for session_id in joining:
                    self._waiting.pop(session_id, None)
                self._to_plan |= self._waiting  # the others have lists now
                self._wake.set()

    async def _seen(self, session_id: SessionId, now_us: int) -> tuple[Donor, DonorView] | None:
        donor = await self._state.donor(session_id)
        view = await self._assignable(donor, now_us) if donor is not None else None
        return None if donor is None or view is None else (donor, view)

    async def _assignable(self, donor: Donor, now_us: int) -> DonorView | None:
        """A donor as the planner sees it, or None when a plan can have no result for it."""
        session = self._sessions.get(donor.session_id)
        if session is None or not donor.ready or not _can_be_assigned(donor, session):
            return None
        return await self._view(donor, session, now_us)

    # --- a small one ---

    async def _plan(self, joining: frozenset[SessionId], standing: frozenset[SessionId] | None) -> bool:
        """Plan and send what was planned; False when that failed."""
        async with self._planning:
            try:
                snapshot, records = await self._snapshot(joining, standing)
                outcome = await self._office.plan(snapshot, self._policy)
                await self._take(outcome.assignments, snapshot.now_us, records.get, joining)
            except DistributeError as error:
                tell_of(error)
                return False
            except Exception:  # whatever is wrong with one snapshot must not end the server
                log.exception("Donors could not be planned; they keep what they have.")
                return False
        return True

    async def _take(
        self,
        assignments: Sequence[Assignment],
        now_us: int,
        planned: Callable[[SessionId], Donor | None],
        joining: frozenset[SessionId],
    ) -> None:
        """Send the assignments out to those who are still here, with the limits that were planned with."""
        for place, assignment in enumerate(assignments):
            if place % _DONORS_AT_ONCE == _DONORS_AT_ONCE - 1:
                await asyncio.sleep(0)
            session, donor = self._sessions.get(assignment.session_id), await self._state.donor(assignment.session_id)
            known = planned(assignment.session_id)
            if session is None or donor is None or known is None:
                continue
            if (donor.storage_bytes, donor.causes) != (known.storage_bytes, known.causes):
                continue  # its change has asked for a plan of its own
            session.storage_bytes = donor.storage_bytes
            await self._assign(session, assignment, now_us)
        for session_id in joining:
            session = self._sessions.get(session_id)
            if session is not None:
                session.planned_at_us = now_us

    async def _snapshot(
        self, joining: frozenset[SessionId], standing: frozenset[SessionId] | None
    ) -> tuple[Snapshot, dict[SessionId, Donor]]:
        """All donors that can hold anything, all files, and what is expected; with the donors' records."""
        now_us = self._clock_us()
        views: list[DonorView] = []
        records: dict[SessionId, Donor] = {}
        for place, donor in enumerate(await self._state.donors()):
            if place % _DONORS_AT_ONCE == _DONORS_AT_ONCE - 1:
                await asyncio.sleep(0)
            view = await self._assignable(donor, now_us)
            if view is not None:
                records[donor.session_id] = donor
                views.append(view)
        snapshot = Snapshot(
            now_us=now_us,
            donors=views,
            files=[self._shapes.view(shape) for shape in self._shapes.all()],
            demand=await self._demand.expectations(),
            down_bytes_per_s=self._demand.downlinks.typical_bytes_per_s,
            is_guess=self._demand.book.is_guess,
            joining=joining & records.keys(),
            standing=standing,
        )
        return snapshot, records

    async def some_donors(self, limit: int) -> list[DonorView]:
        """Donors that can hold anything, as the planner sees them; at most so many."""
        now_us, views = self._clock_us(), list[DonorView]()
        for donor in await self._state.donors():
            if len(views) >= limit:
                break
            view = await self._assignable(donor, now_us)
            if view is not None:
                views.append(view)
        return views

    async def explain(self, session_id: SessionId) -> tuple[DonorView, Explanation]:
        """A donor, why it holds what it holds, and what a plan made now would do; nothing is sent.

        Raises:
            RefusedError: `unknown_session`; `internal` when the plan failed.
        """
        async with self._planning:
            donor, now_us = await self._state.donor(session_id), self._clock_us()
            view = await self._assignable(donor, now_us) if donor is not None else None
            told: Explanation | None = None
            if view is not None and self._swarm.is_large(len(self._ready)):
                told = await self._swarm.explain(
                    session_id,
                    now_us,
                    here=self._ready,
                    seen=lambda session_id: self._seen(session_id, now_us),
                    joining=frozenset(self._waiting),
                    limit=REASONS_MAX,
                )
            elif view is not None:
                told = await self._explain(session_id)
        if view is None or told is None:
            raise RefusedError("unknown_session", "No donor that can be assigned anything has this session.")
        return view, told

    async def _explain(self, session_id: SessionId) -> Explanation | None:
        snapshot, records = await self._snapshot(frozenset(), frozenset({session_id}))
        if session_id not in records:
            return None  # it has just gone
        holds = await asyncio.to_thread(weigh, snapshot, self._policy, session_id, limit=REASONS_MAX)
        plan = await self._office.plan(snapshot, self._policy)
        return Explanation(
            holds=holds,
            would_fetch=tuple(reason for assignment in plan.assignments for reason in assignment.reasons),
            rejected=plan.rejected,
        )

    async def _view(self, donor: Donor, session: Session, now_us: int) -> DonorView:
        holdings, lease = await self._state.holdings(donor.session_id), await self._state.lease(donor.session_id)
        shrank = donor.storage_bytes < session.storage_bytes
        return DonorView(
            session_id=donor.session_id,
            causes=donor.causes,
            storage_bytes=donor.storage_bytes,
            up_bytes_per_s=donor.up_bytes_per_s,
            joined_at_us=donor.joined_at_us,
            region=donor.region,
            nat=donor.nat,
            stay_left_s=self._demand.left_s(native=donor.native, age_s=(now_us - donor.joined_at_us) / 1e6),
            holdings=holdings,
            coming={} if shrank else lease,
        )

    async def _assign(self, session: Session, assignment: Assignment, now_us: int) -> None:
        files = [
            (shape, runs) for file_id, runs in assignment.files if (shape := self._shapes.get(file_id)) is not None
        ]
        await self._state.put_lease(session.session_id, files, now_us + assignment.lease_us)
        session.planned_at_us = now_us
        session.assignment += 1
        self._swarm.note(session.session_id)
        for message in messages(session.assignment, assignment.lease_us // 1_000, files):
            session.send(message)


def _can_be_assigned(donor: Donor, session: Session) -> bool:
    """Whether a plan can have a result: a donor without storage, such as a page that shares its download, holds what
    it holds; only what it was assigned before, with storage, has to be taken back."""
    return donor.storage_bytes > 0 or session.storage_bytes > 0
