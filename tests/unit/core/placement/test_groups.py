"""Caps on how much of a run donors of one network or one provider hold, against the obvious way to count."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from math import ceil

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from distribute_io.core.demand.regions import coarse
from distribute_io.core.placement.board import Board
from distribute_io.core.placement.groups import groups_of, shares
from distribute_io.core.placement.join_lists import JoinPlanner
from distribute_io.core.placement.model import DonorView, Expectation, FileView, Policy, RegionRates, Snapshot
from distribute_io.core.placement.planner import plan
from distribute_io.core.placement.rounds import Changes, Rounds, encode_demand, encode_files
from distribute_io.core.placement.rows import Rows
from distribute_io.core.placement.stays import Stays
from distribute_io.core.placement.stock import KnownDonor, encode_donor
from distribute_io.core.runs import Runs
from distribute_io.ids import CauseId, FileId, SessionId

MIB = 1 << 20
POLICY = Policy()
FILE = FileView(file_id=FileId("f" * 64), cause=CauseId("main"), segments=4, size_bytes=4 * MIB, segment_size_bytes=MIB)
ROWS = Rows([FILE], POLICY)
DEMAND = [Expectation(file_id=FILE.file_id, rates=[RegionRates("EU/DE", 1.0), RegionRates("EU/FR", 1.0)])]

REGIONS = st.builds(
    lambda country, system, network: "/".join(part for part in (country, system, network) if part),
    st.sampled_from(["EU/DE", "EU/FR"]),
    st.sampled_from(["", "AS1", "AS2", "AS3", "AS4"]),
    st.sampled_from(["", "n-1", "n-2", "n-3", "n-4"]),
)
HELD = st.integers(0, 4).map(lambda end: {FILE.file_id: ((0, end),)} if end else {})
SWARMS = st.lists(st.tuples(REGIONS, HELD), min_size=1, max_size=12).map(
    lambda all_: [a_donor(number, region, held) for number, (region, held) in enumerate(all_)]
)


def a_donor(number: int, region: str, held: Mapping[FileId, Runs] | None = None) -> DonorView:
    return DonorView(
        session_id=SessionId(f"{number:032x}"),
        storage_bytes=2 * MIB + POLICY.reserve_bytes,
        up_bytes_per_s=1_000_000,
        joined_at_us=0,
        region=region,
        nat="unrestricted",
        holdings=held or {},
    )


def too_alike(donors: Sequence[DonorView], asked: DonorView) -> set[int]:
    """Rows that `asked` does not hold and may not be given, counted donor by donor."""
    others = [donor for donor in donors if donor is not asked]
    found: set[int] = set()
    for kind in (0, 1):
        group = groups_of(asked.region)[kind]
        if not group:
            continue
        here = [groups_of(donor.region)[kind] for donor in donors]
        if kind == 1:
            here = [provider for provider in here if provider and coarse(provider) == coarse(group)]
        if len(set(here) - {""}) < 3:
            continue
        own_share = here.count(group) / len(here) if kind == 1 else 0.0
        for row in range(ROWS.count):
            holders = [donor for donor in others if any(a <= row < b for a, b in donor.holdings.get(FILE.file_id, ()))]
            own = sum(groups_of(donor.region)[kind] == group for donor in holders)
            most = max(POLICY.network_share_max * (len(holders) + 1), ceil(own_share * (len(holders) + 1)))
            if own and own + 1 > most:
                found.add(row)
    return found - set(held_rows(asked))


def held_rows(donor: DonorView) -> range:
    runs = donor.holdings.get(FILE.file_id, ())
    return range(runs[0][1]) if runs else range(0)


def test_groups_are_the_network_and_the_provider_in_its_country() -> None:
    assert groups_of("EU/DE/AS3320/n-5e1f09aa") == ("n-5e1f09aa", "EU/DE/AS3320")
    assert groups_of("EU/DE/AS3320") == ("", "EU/DE/AS3320")
    assert groups_of("EU/DE/n-1") == ("n-1", "")
    assert groups_of("AS/n-1") == ("n-1", "")  # the continent
    assert groups_of("") == ("", "")


def test_where_there_are_few_groups_none_is_bound() -> None:
    assert not shares(["EU/DE/AS1/n-1", "EU/DE/AS2/n-2", "EU/FR/AS1", "EU/FR/AS3", "EU/FR"])
    assert shares(["EU/DE/AS1", "EU/DE/AS1", "EU/DE/AS2", "EU/DE/AS3", "EU/DE/n-1"]) == {
        "EU/DE/AS1": 0.5,
        "EU/DE/AS2": 0.25,
        "EU/DE/AS3": 0.25,
    }


@given(SWARMS)
def test_the_board_leaves_out_what_a_group_holds_enough_of(donors: list[DonorView]) -> None:
    board = Board(Snapshot(now_us=0, donors=donors, files=[FILE], demand=DEMAND), POLICY, ROWS)
    for place, donor in enumerate(donors):
        held = board.lift(place)
        assert board.too_alike(held) - set(held_rows(donor)) == too_alike(donors, donor)
        board.put(place, held.rows, held.shares)


@given(SWARMS)
def test_a_large_swarm_leaves_out_the_same(donors: list[DonorView]) -> None:
    changes = Changes(
        now_us=0,
        whole=True,
        donors=[encode_donor(KnownDonor(donor, "browser")) for donor in donors],
        files=[encode_files([FILE])],
        demand=[encode_demand(DEMAND)],
        stays=Stays().state(),
    )
    rounds = Rounds(POLICY)
    look = rounds._look(changes, 1)
    for donor in donors:
        chosen = look._choose(rounds._stock.place[donor.session_id], changes.now_us)
        rows = {int(chosen.part.positions[row]) for row in chosen.part.too_alike(chosen.held)}
        assert rows - set(held_rows(donor)) == too_alike(donors, donor) & set(chosen.part.positions.tolist())


def test_a_provider_with_most_of_a_country_is_not_held_back_and_a_small_one_is() -> None:
    first = a_donor(0, "EU/DE/AS1", {FILE.file_id: ((0, 4),)})
    big = [a_donor(number, "EU/DE/AS1") for number in range(1, 8)]
    small = [a_donor(8, "EU/DE/AS2"), a_donor(9, "EU/DE/AS3"), a_donor(10, "EU/DE/AS3")]

    def given_to(joining: DonorView, holder: DonorView) -> tuple[int, set[str]]:
        donors = [holder, *(donor for donor in (first, *big, *small) if donor.session_id != holder.session_id)]
        donors = [donor if donor is holder else structs.replace(donor, holdings={}) for donor in donors]
        snapshot = Snapshot(
            now_us=0,
            donors=donors,
            files=[FILE],
            demand=DEMAND,
            joining=frozenset({joining.session_id}),
            standing=frozenset(),
        )
        result = plan(snapshot, POLICY, random.Random(1))
        return result.assignments[0].push_bytes, {rejection.reason for rejection in result.rejected}

    assert given_to(big[0], first)[0] > 0
    held_by_small = structs.replace(small[1], holdings={FILE.file_id: ((0, 4),)})
    assert given_to(small[2], held_by_small) == (0, {"too_alike"})
    assert given_to(small[0], held_by_small)[0] > 0


def test_a_provider_that_came_after_the_last_look_is_not_bound() -> None:
    here = [a_donor(number, f"EU/DE/AS{number}") for number in range(4)]
    changes = Changes(
        now_us=0,
        whole=True,
        donors=[encode_donor(KnownDonor(donor, "browser")) for donor in here],
        files=[encode_files([FILE])],
        demand=[encode_demand(DEMAND)],
        stays=Stays().state(),
    )
    lists = Rounds(POLICY).round(changes, seed=1, is_over=lambda: True).lists
    planner = JoinPlanner(lists, POLICY, {FILE.file_id: FILE}.get)
    for number in range(4, 8):  # each takes half of the file
        assignment = planner.plan(a_donor(number, "EU/FR/AS9"), 0, is_guess=True, is_known=False)
        assert assignment is not None
        assert assignment.push_bytes > 0
