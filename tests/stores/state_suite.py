"""What every soft state keeps (`stores/state.py`): a back end passes by subclassing `StateSuite`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distribute_io.core import runs
from distribute_io.errors import RemoteProtocolError
from distribute_io.ids import CauseId, FileId, MatchId, SessionId
from distribute_io.stores.state import (
    ENDED_PER_TAKER_MAX,
    RECEIPTS_TAKEN_US,
    Donor,
    FileShape,
    Held,
    MatchRecord,
    State,
    Want,
)

MIB = 2**20
CAUSE = CauseId("debian")
ANNA, BEN, CARL = SessionId("a" * 32), SessionId("b" * 32), SessionId("c" * 32)
FILE = FileShape(FileId("1" * 64), CAUSE, segments=10, size_bytes=10 * MIB - 5, segment_size_bytes=MIB)
OTHER = FileShape(FileId("2" * 64), CAUSE, segments=4, size_bytes=4 * MIB, segment_size_bytes=MIB)

Use = Callable[[State], Awaitable[None]]


def donor(session_id: SessionId = ANNA, *, causes: frozenset[CauseId] = frozenset()) -> Donor:
    return Donor(
        session_id=session_id,
        causes=causes,
        storage_bytes=16_000_000,
        up_bytes_per_s=1_000_000,
        takers_max=8,
        native=False,
        nat="unknown",
        region="",
        joined_at_us=1,
    )


def match(
    number: int = 1,
    *,
    downloader: SessionId = BEN,
    giver: SessionId = ANNA,
    at_us: int = 1,
    lacked: runs.Runs = ((0, 10),),
) -> MatchRecord:
    return MatchRecord(
        match_id=MatchId(f"{number:032x}"),
        shape=FILE,
        downloader=downloader,
        donor=giver,
        receipt_secret=b"s" * 32,
        lacked=lacked,
        lacked_bytes=FILE.bytes_of(lacked),
        made_at_us=at_us,
    )


class StateSuite(ABC):
    @abstractmethod
    def open(self) -> State:
        """An empty state."""

    def run(self, use: Use) -> None:
        async def scene() -> None:
            state = self.open()
            try:
                await use(state)
            finally:
                await state.close()

        asyncio.run(scene())

    def test_a_donor_is_found_until_it_leaves(self) -> None:
        async def use(state: State) -> None:
            named = donor(BEN, causes=frozenset({CauseId("else")}))
            await state.put_donor(donor())
            await state.put_donor(named)
            assert await state.donor(ANNA) == donor()
            assert await state.donors() == (donor(), named)
            assert await state.donors(CAUSE) == (donor(),)
            await state.leave(ANNA, 1)
            assert await state.donor(ANNA) is None
            assert await state.donors() == (named,)

        self.run(use)

    def test_copies_count_what_is_held_or_assigned_once(self) -> None:
        async def use(state: State) -> None:
            await state.put_donor(donor())
            await state.put_donor(donor(BEN))
            await state.put_holdings(ANNA, FILE, ((0, 3),))
            await state.put_lease(ANNA, [(FILE, ((2, 5),))], 100)
            await state.put_holdings(BEN, FILE, ((4, 5),))
            assert list(await state.copies(FILE.file_id)) == [1, 1, 1, 1, 2, 0, 0, 0, 0, 0]
            await state.put_holdings(ANNA, FILE, ((0, 1),))
            assert list(await state.copies(FILE.file_id)) == [1, 0, 1, 1, 2, 0, 0, 0, 0, 0]
            await state.drop_donor(ANNA)
            assert list(await state.copies(FILE.file_id)) == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
            assert await state.holdings(ANNA) == {}
            assert await state.lease(ANNA) == {}

        self.run(use)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([ANNA, BEN]),
                st.sampled_from(["hold", "lease", "drop", "expire"]),
                st.sampled_from([FILE, OTHER]),
                st.frozensets(st.integers(0, 3)),
            ),
            max_size=12,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_copies_are_right_after_any_history(
        self, history: list[tuple[SessionId, str, FileShape, frozenset[int]]]
    ) -> None:
        async def use(state: State) -> None:
            held: dict[tuple[SessionId, FileId], frozenset[int]] = {}
            leased: dict[tuple[SessionId, FileId], frozenset[int]] = {}
            for session_id, event, shape, indices in history:
                key = (session_id, shape.file_id)
                if event == "hold":
                    await state.put_holdings(session_id, shape, runs.of_indices(indices))
                    held[key] = indices
                elif event == "lease":
                    await state.put_lease(session_id, [(shape, runs.of_indices(indices))], 100)
                    leased = {k: v for k, v in leased.items() if k[0] != session_id} | {key: indices}
                elif event == "drop":
                    await state.drop_donor(session_id)
                    held = {k: v for k, v in held.items() if k[0] != session_id}
                    leased = {k: v for k, v in leased.items() if k[0] != session_id}
                else:
                    await state.expire_leases(100)
                    leased = {}
                for shown in (FILE, OTHER):
                    expected = [
                        sum(
                            index
                            in held.get((who, shown.file_id), frozenset())
                            | leased.get((who, shown.file_id), frozenset())
                            for who in (ANNA, BEN)
                        )
                        for index in range(shown.segments)
                    ]
                    counted = list(await state.copies(shown.file_id))
                    assert counted == expected or (not counted and not any(expected))

        self.run(use)

    def test_a_lease_runs_out(self) -> None:
        async def use(state: State) -> None:
            await state.put_donor(donor())
            await state.put_lease(ANNA, [(FILE, ((0, 2),))], 100)
            assert await state.expire_leases(99) == ()
            assert await state.lease(ANNA) == {FILE.file_id: ((0, 2),)}
            assert await state.expire_leases(100) == (ANNA,)
            assert await state.lease(ANNA) == {}

        self.run(use)

    def test_a_new_lease_replaces_the_old(self) -> None:
        async def use(state: State) -> None:
            await state.put_donor(donor())
            await state.put_lease(ANNA, [(FILE, ((0, 2),))], 100)
            await state.put_lease(ANNA, [(OTHER, ((1, 2),))], 200)
            assert await state.lease(ANNA) == {OTHER.file_id: ((1, 2),)}
            assert await state.expire_leases(150) == ()

        self.run(use)

    def test_holders_come_in_turn(self) -> None:
        async def use(state: State) -> None:
            for session_id in (ANNA, BEN, CARL):
                await state.put_donor(donor(session_id))
                await state.put_holdings(session_id, FILE, ((0, 1),))
            await state.add_match(match(giver=BEN, downloader=CARL))
            seen = [await state.holders(FILE.file_id, limit=2, skip=skip) for skip in range(3)]
            assert all(len(found) == 2 for found in seen)
            assert {holder.donor.session_id for found in seen for holder in found} == {ANNA, BEN, CARL}
            takers = {holder.donor.session_id: holder.takers for found in seen for holder in found}
            assert takers == {ANNA: 0, BEN: 1, CARL: 0}
            assert await state.holders(OTHER.file_id, limit=2) == ()

        self.run(use)

    def test_a_file_that_is_gone_takes_everything_about_it_along(self) -> None:
        async def use(state: State) -> None:
            for session_id in (ANNA, BEN):
                await state.put_donor(donor(session_id))
            await state.put_holdings(ANNA, FILE, ((0, 1),))
            await state.put_holdings(ANNA, OTHER, ((0, 1),))
            await state.put_lease(BEN, [(FILE, ((1, 2),)), (OTHER, ((1, 2),))], 100)
            await state.put_want(Want(CARL, FILE.file_id, ((0, 10),), 1, 1))
            assert await state.drop_file(FILE.file_id) == (ANNA, BEN)
            assert await state.holdings(ANNA) == {OTHER.file_id: ((0, 1),)}
            assert await state.lease(BEN) == {OTHER.file_id: ((1, 2),)}
            assert await state.expire_leases(100) == (BEN,)
            assert await state.wants(FILE.file_id) == ()
            assert (await state.census()).held == {OTHER.file_id: Held(CAUSE, 1, MIB)}
            assert await state.drop_file(FILE.file_id) == ()

        self.run(use)

    def test_wants_wait_in_the_order_in_which_they_came(self) -> None:
        async def use(state: State) -> None:
            late, early = Want(ANNA, FILE.file_id, ((0, 1),), 1, 20), Want(BEN, FILE.file_id, ((0, 1),), 1, 10)
            await state.put_want(late)
            await state.put_want(early)
            await state.put_want(Want(ANNA, OTHER.file_id, ((0, 1),), 1, 1))
            assert await state.wants(FILE.file_id) == (early, late)
            assert len(await state.wants_of(ANNA)) == 2
            await state.drop_want(BEN, FILE.file_id)
            await state.leave(ANNA, 1)
            assert await state.wants(FILE.file_id) == await state.wants(OTHER.file_id) == ()

        self.run(use)

    def test_a_pair_has_one_standing_match_of_a_file(self) -> None:
        async def use(state: State) -> None:
            assert await state.add_match(match(1))
            assert not await state.add_match(match(2))
            assert await state.add_match(match(3, giver=CARL))
            assert await state.end_match(MatchId(f"{1:032x}"), 5) == match(1)
            assert await state.end_match(MatchId(f"{1:032x}"), 5) is None
            assert await state.add_match(match(4))
            assert [found.match_id for found in await state.standing(BEN)] == [MatchId(f"{n:032x}") for n in (3, 4)]

        self.run(use)

    def test_a_match_that_does_not_open_ends_and_one_that_opened_stays(self) -> None:
        async def use(state: State) -> None:
            await state.add_match(match(1, at_us=10))
            await state.add_match(match(2, giver=CARL, at_us=10))
            await state.open_match(MatchId(f"{2:032x}"))
            assert await state.expire_matches(100, pending_since_us=10) == ()
            assert await state.expire_matches(100, pending_since_us=11) == (match(1, at_us=10),)
            assert len(await state.standing(BEN)) == 1

        self.run(use)

    def test_credit_only_grows_up_to_what_was_lacked_and_for_ten_minutes(self) -> None:
        async def use(state: State) -> None:
            first = MatchId(f"{1:032x}")
            await refused("match_unknown", credit(state, first, 1))
            await state.put_donor(donor())
            await state.put_holdings(ANNA, FILE, ((0, 10),))
            await state.add_match(match(1, lacked=((0, 4),)))
            assert await credit(state, first, 400) == 400
            assert await credit(state, first, 500, sendable_bytes=450) == 50
            assert await credit(state, first, 4 * MIB) == 4 * MIB - 450
            assert await credit(state, first, 4 * MIB) == 0
            assert await credit(state, first, 4 * MIB - 1) == 0, "it came late"
            await refused("receipt_invalid", credit(state, first, 4 * MIB + 1))
            await state.end_match(first, 50)
            assert await credit(state, first, 4 * MIB, now_us=49 + RECEIPTS_TAKEN_US) == 0
            await refused("match_unknown", credit(state, first, 4 * MIB, now_us=50 + RECEIPTS_TAKEN_US))
            await state.expire_matches(50 + RECEIPTS_TAKEN_US, pending_since_us=0)
            assert await state.match(first) is None

        self.run(use)

    def test_what_a_donor_gets_while_its_match_stands_is_offered_in_it(self) -> None:
        async def use(state: State) -> None:
            first = MatchId(f"{1:032x}")
            await state.put_donor(donor())
            await state.put_holdings(ANNA, FILE, ((0, 1),))
            await state.add_match(match(1, lacked=((0, 8),)))
            await state.put_holdings(ANNA, OTHER, ((0, 4),))
            assert await credit(state, first, 8 * MIB) == MIB, "what it does not hold is cut off"
            await state.put_holdings(ANNA, FILE, ((0, 3), (9, 10)))
            assert await credit(state, first, 8 * MIB) == 2 * MIB, "told to hold, of what was lacked"
            await state.put_lease(ANNA, [(FILE, ((2, 5),))], 100)
            assert await credit(state, first, 8 * MIB) == 2 * MIB, "assigned"
            await state.put_holdings(ANNA, FILE, ())
            await state.put_lease(ANNA, [], 100)
            assert await credit(state, first, 8 * MIB) == 0, "what is gone was given all the same"
            await state.end_match(first, 50)
            await state.put_holdings(ANNA, FILE, ((0, 8),))
            assert await credit(state, first, 8 * MIB) == 0, "no longer after the match has ended"

        self.run(use)

    def test_what_has_ended_is_bounded_and_keeps_no_runs(self) -> None:
        async def use(state: State) -> None:
            await state.put_donor(donor())
            await state.put_holdings(ANNA, FILE, ((0, 10),))
            for number in range(ENDED_PER_TAKER_MAX + 1):
                await state.add_match(match(number))
                await state.end_match(MatchId(f"{number:032x}"), 50 + number)
            assert await state.match(MatchId(f"{0:032x}")) is None, "the oldest made room"
            kept = await state.match(MatchId(f"{1:032x}"))
            assert kept is not None
            assert (kept.lacked, kept.offered) == ((), ())
            assert (kept.lacked_bytes, kept.offered_bytes) == (FILE.size_bytes, FILE.size_bytes)
            assert await credit(state, kept.match_id, 1_000) == 1_000
            assert await state.expire_matches(10**12, pending_since_us=0) == ()
            assert await state.match(kept.match_id) is None

        self.run(use)

    def test_one_taker_is_given_a_file_once(self) -> None:
        async def use(state: State) -> None:
            for place, giver in enumerate((ANNA, CARL), 1):
                await state.put_donor(donor(giver))
                await state.put_holdings(giver, FILE, ((0, 10),))
                await state.add_match(match(place, giver=giver))
            one, two = MatchId(f"{1:032x}"), MatchId(f"{2:032x}")
            assert await credit(state, one, 6 * MIB) == 6 * MIB
            assert await credit(state, two, 6 * MIB) == FILE.size_bytes - 6 * MIB
            await state.end_match(one, 50)
            await state.expire_matches(50 + RECEIPTS_TAKEN_US, pending_since_us=0)
            assert await credit(state, two, 6 * MIB) == 2 * MIB + 5, "what is forgotten counts no more"

        self.run(use)

    def test_who_leaves_ends_its_matches_and_they_are_told_as_they_stood(self) -> None:
        async def use(state: State) -> None:
            await state.put_donor(donor())
            await state.add_match(match(1))
            await state.add_match(match(2, downloader=CARL))
            await state.open_match(MatchId(f"{2:032x}"))
            ended = await state.leave(ANNA, 9)
            assert ended == (match(1), msgspec.structs.replace(match(2, downloader=CARL), phase="open", was_open=True))
            assert await state.standing(BEN) == await state.standing(CARL) == ()
            kept = await state.match(MatchId(f"{2:032x}"))
            assert kept is not None
            assert (kept.phase, kept.ended_at_us, kept.was_open) == ("ended", 9, True)
            await state.open_match(MatchId(f"{1:032x}"))
            late = await state.match(MatchId(f"{1:032x}"))
            assert late is not None
            assert (late.phase, late.was_open) == ("ended", True)

        self.run(use)

    def test_the_census_counts_people_and_bytes(self) -> None:
        async def use(state: State) -> None:
            await state.put_donor(donor())
            await state.put_donor(donor(BEN, causes=frozenset({CAUSE})))
            await state.put_holdings(ANNA, FILE, ((8, 10),))
            await state.put_holdings(BEN, FILE, ((9, 10),))
            await state.put_want(Want(CARL, FILE.file_id, ((0, 1),), 1, 1))
            await state.add_match(match(1, downloader=CARL))
            census = await state.census()
            assert (census.donors, census.downloaders, census.donors_of_all) == (2, 1, 1)
            assert census.donors_by_cause == {CAUSE: 1}
            assert census.held == {FILE.file_id: Held(CAUSE, 3, 3 * MIB - 10)}

        self.run(use)


async def credit(
    state: State, match_id: MatchId, stated_bytes: int, *, now_us: int = 0, sendable_bytes: int = 100 * MIB
) -> int:
    return await state.credit(match_id, stated_bytes, now_us, sendable_bytes=sendable_bytes)


async def refused(code: str, call: Awaitable[object]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        await call
    assert caught.value.code == code
