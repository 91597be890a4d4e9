"""`download.peer_pool`: what it says to a coordinator, with connections that only make offers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from distribute_io.core import runs
from distribute_io.core.peer_roster import ACTIVE, PREPARED
from distribute_io.core.runs import Runs
from distribute_io.download.driver import Driver
from distribute_io.download.mirror import SegmentWriter
from distribute_io.download.peer_pool import PeerPool, _Peer
from distribute_io.download.peer_source import PeerSource
from distribute_io.ids import FileId
from distribute_io.transport.peer_link import Proofs
from distribute_io.transport.webrtc import IceCandidate, PeerEvents
from distribute_io.wire.session import Match, Ticket
from tests.unit.transport.test_session_client import Coordinator

FILE = FileId("f1" * 32)
MATCH = Match(
    match_id="0" * 32,
    file_id=FILE,
    role="downloader",
    peer_native=True,
    ticket=Ticket(secret="A" * 43 + "=", valid_ms=60_000),
    bytes_max=1,
    make_offer=False,
)


class OfferingConnection:
    """A connection that makes offers and is never answered."""

    async def create_offer(self) -> str:
        return "v=0"

    async def accept_offer(self, sdp: str) -> str:
        return sdp

    async def accept_answer(self, sdp: str) -> None:
        """Nobody answers."""

    async def add_candidate(self, candidate: IceCandidate) -> None:
        """Nobody sends any."""

    def close(self) -> None:
        """Nothing is held."""


class OfferingEngine:
    name = "offers only"

    def connect(self, events: PeerEvents, *, stun: Sequence[str]) -> OfferingConnection:
        return OfferingConnection()

    async def close(self) -> None:
        """Nothing is held."""


class EmptyDriver:
    """A download of which nothing has come; `broken` makes it fail when it is asked."""

    broken = False

    def missing(self) -> Runs:
        if self.broken:
            raise ZeroDivisionError("a mistake of ours")
        return runs.whole(8)

    def notify_kept(self, callback: Callable[[], None]) -> None:
        """Nothing is ever kept."""

    def source_table(self) -> list[Any]:  # Any: of an empty list
        return []


def new_pool(coordinator: Coordinator) -> PeerPool:
    return PeerPool(
        cast(Any, OfferingEngine()),  # Any: the pool uses of an engine what the class above has
        session_url=coordinator.url,
        agent="test",
        file_id=FILE,
        segments=8,
        limit=None,
        rng=random.Random(1),
    )


async def attach(pool: PeerPool, driver: EmptyDriver, exits: AsyncExitStack) -> None:
    # Any: the pool uses of both only what the fakes have.
    await pool.attach(cast(Driver, cast(Any, driver)), cast(SegmentWriter, cast(Any, None)), exits)


def test_a_want_brings_four_offers_and_a_second_round_of_the_download_asks_again() -> None:
    async def scenario() -> list[dict[str, Any]]:  # Any: JSON
        async with Coordinator() as coordinator:
            pool = new_pool(coordinator)
            for round_number in (1, 2):
                async with AsyncExitStack() as exits:
                    await attach(pool, EmptyDriver(), exits)
                    await coordinator.until(lambda n=round_number: coordinator.count("want") == n)  # type: ignore[misc]
            return [cast(Any, said) for said in coordinator.said if said["type"] == "want"]

    wants = asyncio.run(scenario())
    assert [want["peers_max"] for want in wants] == [ACTIVE + PREPARED] * 2
    assert [len(want["offers"]) for want in wants] == [4, 4]


def test_a_donor_that_lies_before_it_says_what_it_holds_was_met_all_the_same() -> None:
    async def scenario(*, closes_first: bool) -> list[tuple[str, int | None]]:
        async with Coordinator() as coordinator, AsyncExitStack() as exits:
            pool = new_pool(coordinator)
            await attach(pool, EmptyDriver(), exits)
            await coordinator.until(lambda: coordinator.count("want") == 1)
            peer = _Peer(pool, 7)
            peer.match = MATCH
            nothing = cast(Any, None)  # Any: a source that is only asked for its round trip uses none of these
            proofs = Proofs(match_id=bytes(16), own_proof=bytes(32), peer_proof=bytes(32))
            peer.source = PeerSource(
                nothing,
                proofs,
                receipt_secret=b"",
                writer=nothing,
                sink=nothing,
                helper=nothing,
                limit=None,
                events=peer,
            )
            peer.on_greeted()
            if closes_first:
                peer.on_source_closed("peer_closed")
            peer.on_accused()
            await coordinator.until(lambda: coordinator.count("match_report") == 2 + closes_first)
            reports = [cast(Any, said) for said in coordinator.said if said["type"] == "match_report"]  # Any: JSON
            return [(report["outcome"], report.get("round_trip_ms")) for report in reports]

    # It was not measured: 0 ms would draw downloads to that place.
    assert asyncio.run(scenario(closes_first=False)) == [("open", None), ("lied", None)]
    assert asyncio.run(scenario(closes_first=True)) == [("open", None), ("closed", None), ("lied", None)]


def test_a_mistake_of_ours_does_not_pass_for_a_lack_of_donors() -> None:
    async def scenario() -> None:
        async with Coordinator() as coordinator, AsyncExitStack() as exits:
            driver = EmptyDriver()
            await attach(new_pool(coordinator), driver, exits)
            await coordinator.until(lambda: coordinator.count("want") == 1)
            driver.broken = True
            await asyncio.sleep(0.4)  # longer than the pool takes to look again

    with pytest.raises(ZeroDivisionError):
        asyncio.run(scenario())
