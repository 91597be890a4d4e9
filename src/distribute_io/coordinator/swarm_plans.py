"""Plans of a large swarm: what the planning process is told, and lists here for those who join between its rounds.

Rules:

1. A swarm is large from `LARGE_FROM_DONORS` on, or where there are so many donors and segments that a plan of all at
   once takes longer than a round.
2. The planning process is told each donor that came, changed or went since the round before; after a failure, all,
   and nothing while no process may begin. The lists of the last round stay.
3. Those who join are planned from the lists of the last round, also while the next one is under way. Whom these cannot
   place is placed by the next round, which then begins early.
4. What the lists gave while a round was under way stands: the round's word for that donor is dropped, and the lists
   that it brings count what was given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from distribute_io.coordinator.demand_desk import DemandDesk
from distribute_io.coordinator.plan_office import PlannerLostError, PlanOffice
from distribute_io.coordinator.shapes import Shapes
from distribute_io.core import runs as sets
from distribute_io.core.placement.board import target_of
from distribute_io.core.placement.join_lists import JoinPlanner
from distribute_io.core.placement.model import Assignment, DonorView, FileView, Policy
from distribute_io.core.placement.rounds import Changes, Explanation, encode_demand, encode_files
from distribute_io.core.placement.stock import KnownDonor, encode_donor
from distribute_io.core.runs import Runs
from distribute_io.ids import FileId, SessionId
from distribute_io.stores.state import Donor

LARGE_FROM_DONORS: Final = 512
_LARGE_FROM_CELLS: Final = 4_000_000
"""Donors times segments."""

ROUND_S: Final = 4.5
"""Seconds that a round may take: what is left after the look at all donors goes to planning one by one."""

_DONORS_AT_ONCE: Final = 64
"""Donors that are written down before others have their turn."""


_FILES_AT_ONCE: Final = 1_024
"""Files likewise."""


class SwarmPlans:
    """Caller's duties: `note` every donor that comes, changes or goes; one `round` at a time."""

    def __init__(self, *, office: PlanOffice, policy: Policy, demand: DemandDesk, shapes: Shapes) -> None:
        self._office, self._policy, self._demand, self._shapes = office, policy, demand, shapes
        self._changed: dict[SessionId, None] = {}  # an ordered set
        self._told: dict[SessionId, Donor] = {}
        self._on_lists: set[SessionId] = set()
        """Donors whose copies the lists count: those that their round was told of, and who joined since."""
        self._files_told = -1
        self._joins: JoinPlanner | None = None
        self._given: dict[SessionId, tuple[DonorView, Assignment]] = {}
        """By the lists, since the round before was told."""

    def is_large(self, donors: int) -> bool:
        """Whether so many donors are planned in rounds (rule 1)."""
        return donors >= LARGE_FROM_DONORS or donors * self._shapes.segments >= _LARGE_FROM_CELLS

    def note(self, session_id: SessionId) -> None:
        """A donor came, changed or went."""
        self._changed[session_id] = None

    def forget(self) -> None:
        """The swarm is small, or what came of a round cannot be relied on: the next round tells all, and there are no
        lists until then."""
        self._tell_all()
        self._given, self._joins, self._on_lists = {}, None, set()

    def _check(self) -> None:
        """Refuse while no planning process may begin, before anything is written down for it."""
        try:
            self._office.check()
        except PlannerLostError:
            self._changed = {}  # the one that begins is told all
            raise

    def _tell_all(self) -> None:
        """What the planning process knows is lost. The lists stay: who joins is planned meanwhile."""
        self._changed, self._told, self._files_told = {}, {}, -1

    def told(self, session_id: SessionId) -> Donor | None:
        """The donor's record as the last round was told it."""
        return self._told.get(session_id)

    @property
    def used_up(self) -> bool:
        """Whether there should be new lists before the next round is due."""
        return self._joins is not None and self._joins.used_up

    def join(self, view: DonorView, now_us: int) -> Assignment | None:
        """A donor's target by the lists, or None (rule 3)."""
        if self._joins is None:
            return None
        is_known = view.session_id in self._on_lists
        assignment = self._joins.plan(view, now_us, is_guess=self._demand.book.is_guess, is_known=is_known)
        if assignment is not None:
            self._given[view.session_id] = (view, assignment)
            self._on_lists.add(view.session_id)
        return assignment

    def tidy(self) -> None:
        """After a join, in another turn of the loop."""
        if self._joins is not None:
            self._joins.tidy()

    async def round(
        self,
        now_us: int,
        *,
        here: Iterable[SessionId],
        seen: Callable[[SessionId], Awaitable[tuple[Donor, DonorView] | None]],
        joining: frozenset[SessionId],
    ) -> tuple[Assignment, ...]:
        """One round; its assignments.

        Args:
            now_us: the present.
            here: all donors, in an order that chance has no part in.
            seen: a donor's record, and the donor as the planner sees it; None for one that can be assigned nothing.
            joining: donors that have to be given an assignment.

        Raises:
            DistributeError: when the planning process failed.
        """
        self._check()
        self._given = {}
        try:
            changes = await self._changes(now_us, here, seen, joining)
            told = set(self._told)
            result = await self._office.round(changes, self._policy, ROUND_S)
        except BaseException:
            self._tell_all()
            raise
        self._joins = JoinPlanner(result.lists, self._policy, self._shape)
        self._on_lists = told | self._given.keys()
        for donor, assignment in self._given.values():
            self._joins.count(donor, self._added(donor, assignment))
        return tuple(assignment for assignment in result.assignments if assignment.session_id not in self._given)

    async def explain(
        self,
        session_id: SessionId,
        now_us: int,
        *,
        here: Iterable[SessionId],
        seen: Callable[[SessionId], Awaitable[tuple[Donor, DonorView] | None]],
        joining: frozenset[SessionId],
        limit: int,
    ) -> Explanation | None:
        """Why a donor holds what it holds; None when nobody of that name can be assigned anything.

        Args:
            session_id: which donor.
            now_us: the present.
            here: all donors.
            seen: as in `round`.
            joining: donors that wait for their first assignment.
            limit: runs at most that are explained.

        Raises:
            DistributeError: when the planning process failed.
        """
        self._check()
        try:
            changes = await self._changes(now_us, here, seen, joining)
            return await self._office.explain(changes, self._policy, session_id, limit=limit)
        except BaseException:
            self._tell_all()
            raise

    async def _changes(
        self,
        now_us: int,
        here: Iterable[SessionId],
        seen: Callable[[SessionId], Awaitable[tuple[Donor, DonorView] | None]],
        joining: frozenset[SessionId],
    ) -> Changes:
        """What the planning process has to be told."""
        whole = not self._told
        names = list(here) if whole else list(self._changed)
        self._changed = {}
        told: list[bytes] = []
        gone: list[SessionId] = []
        for place, session_id in enumerate(names):
            if place % _DONORS_AT_ONCE == _DONORS_AT_ONCE - 1:
                await asyncio.sleep(0)
            found = await seen(session_id)
            if found is None:
                gone.append(session_id)
                self._told.pop(session_id, None)
                continue
            donor, view = found
            told.append(encode_donor(KnownDonor(view, "native" if donor.native else "browser")))
            self._told[session_id] = donor
        version = self._shapes.version
        files = None if self._files_told == version else await self._files()
        self._files_told = version
        demand: list[bytes] = []
        for some in self._demand.book.expected(self._demand.now_us()):
            demand.append(encode_demand(some))
            await asyncio.sleep(0)
        return Changes(
            now_us=now_us,
            whole=whole,
            donors=told,
            gone=gone,
            files=files,
            demand=demand,
            stays=self._demand.stays.state(),
            down_bytes_per_s=self._demand.downlinks.typical_bytes_per_s,
            is_guess=self._demand.book.is_guess,
            joining=joining,
        )

    async def _files(self) -> list[bytes]:
        """All files, encoded."""
        told: list[bytes] = []
        for some in self._shapes.parts(_FILES_AT_ONCE):
            told.append(encode_files([self._shapes.view(shape) for shape in some]))
            await asyncio.sleep(0)
        return told

    def _added(self, donor: DonorView, assignment: Assignment) -> dict[FileId, Runs]:
        """What an assignment gave that the round was not told of."""
        if donor.session_id not in self._told:
            return dict(assignment.files)
        has = target_of(donor)
        return {file_id: sets.difference(runs, has.get(file_id, sets.EMPTY)) for file_id, runs in assignment.files}

    def _shape(self, file_id: FileId) -> FileView | None:
        shape = self._shapes.get(file_id)
        return None if shape is None else self._shapes.view(shape)
