"""Wiring of the sessions: state, shapes, desks and the registry that they share."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from distribute_io.coordinator.addresses import PublicAddress
from distribute_io.coordinator.books import Books
from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.coordinator.demand_desk import DemandDesk
from distribute_io.coordinator.donor_desk import DonorDesk
from distribute_io.coordinator.ledger import Ledger
from distribute_io.coordinator.match_desk import MatchDesk
from distribute_io.coordinator.plan_office import PlanOffice
from distribute_io.coordinator.regions import load_regions
from distribute_io.coordinator.session import Session
from distribute_io.coordinator.sessions import Sessions
from distribute_io.coordinator.shapes import Shapes
from distribute_io.coordinator.tallies import Tallies
from distribute_io.core.placement.model import Policy
from distribute_io.core.standing import Standing
from distribute_io.ids import FileId, SessionId
from distribute_io.stores.catalogue import Catalogue
from distribute_io.stores.memory_state import MemoryState
from distribute_io.stores.state import State


class SessionSide(Struct, frozen=True):
    """All that has to do with sessions."""

    state: State
    shapes: Shapes
    sessions: Sessions
    demand: DemandDesk
    office: PlanOffice
    donors: DonorDesk
    matches: MatchDesk
    tallies: Tallies
    region_named: Callable[[str], str | None]
    """See `Regions.named`."""


class _News:
    """Files of which donors hold more, gathered until somebody takes them."""

    def __init__(self) -> None:
        self._files: dict[FileId, None] = {}

    def add(self, file_id: FileId) -> None:
        self._files[file_id] = None

    def take(self) -> tuple[FileId, ...]:
        taken, self._files = tuple(self._files), {}
        return taken


def build_sessions(
    config: CoordinatorConfig,
    *,
    catalogue: Catalogue,
    books: Books,
    public: PublicAddress,
    accused: Callable[[FileId, str, str], Awaitable[None]],
) -> SessionSide:
    """The session side of a coordinator.

    Raises:
        UsageError: `file_not_found` or `bad_config` for a table or database of regions.
    """
    regions = load_regions(table_path=config.region_table, mmdb_paths=config.mmdb, key=secrets.token_bytes(32))
    state = MemoryState()
    shapes = Shapes(catalogue)
    registry: dict[SessionId, Session] = {}
    news = _News()
    rng = random.SystemRandom()
    demand = DemandDesk(catalogue, clock_us=lambda: time.time_ns() // 1_000)
    office = PlanOffice(rng)
    donors = DonorDesk(
        state=state,
        catalogue=catalogue,
        shapes=shapes,
        policy=planning_policy(config),
        office=office,
        demand=demand,
        sessions=registry,
        takers_max=config.takers_per_donor_max,
        clock_us=monotonic_us,
        holds_more=news.add,
    )
    tallies = Tallies(catalogue, time.time)
    standing = Standing(faults_max=config.faults_per_address_max)
    matches = MatchDesk(
        state=state,
        shapes=shapes,
        demand=demand,
        rng=rng,
        sessions=registry,
        standing=standing,
        random_bytes=secrets.token_bytes,
        clock_us=monotonic_us,
        nat_changed=donors.nat_found,
    )
    sessions = Sessions(
        registry=registry,
        state=state,
        donors=donors,
        matches=matches,
        standing=standing,
        ledger=Ledger(state, shapes, books, demand, tallies),
        tallies=tallies,
        news=news.take,
        accused=accused,
        stun=public.stun,
        region_of=regions.find,
        sessions_max=config.sessions_max,
        sessions_per_network_max=config.sessions_per_address_max,
        random_bytes=secrets.token_bytes,
        clock_us=monotonic_us,
    )
    return SessionSide(state, shapes, sessions, demand, office, donors, matches, tallies, regions.named)


def planning_policy(config: CoordinatorConfig) -> Policy:
    """How a coordinator plans; `dio simulate` plans by the same, but for what a scenario says itself."""
    return Policy(
        run_bytes=config.run_bytes_min,
        lease_us=config.lease_ms * 1_000,
        fairness=config.fairness_between_causes,
        far_weight=config.far_byte_weight,
    )


def monotonic_us() -> int:
    """The process's monotonic clock."""
    return time.monotonic_ns() // 1_000
