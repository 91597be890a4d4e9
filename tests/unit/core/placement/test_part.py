"""Parts of a large board: copies in one network, and what is expected of some files, against the obvious way."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.placement.model import Expectation, FileView, Policy, RegionRates
from distribute_io.core.placement.outlook import Outlook
from distribute_io.core.placement.part import Alike, key_of
from distribute_io.core.placement.rows import Rows, begins_of
from distribute_io.ids import CauseId, FileId

NETWORKS = ("n-a", "n-b", "n-c")
PAIRS = st.tuples(st.integers(0, 9), st.sampled_from(NETWORKS))


@given(st.dictionaries(PAIRS, st.integers(1, 5)), st.lists(PAIRS, max_size=12), st.lists(PAIRS, max_size=4))
def test_copies_in_a_network_are_those_that_were_counted(
    known: dict[tuple[int, str], int], added: list[tuple[int, str]], later: list[tuple[int, str]]
) -> None:
    keys = {key_of(*pair): count for pair, count in known.items()}
    alike = Alike(np.array(list(keys), dtype=np.int64), np.array(list(keys.values()), dtype=np.int64), binds=True)
    counts = Counter(known)
    for row, network in added:
        alike.add([row], network)
        counts[row, network] += 1
    rows = np.array([0, 2, 3, 7, 9], dtype=np.int64)
    for network in NETWORKS:
        assert alike.copies_of(rows, network).tolist() == [counts[row, network] for row in rows.tolist()]
    listed = np.array(sorted({row for row, _ in known} | set(rows.tolist())), dtype=np.int64)
    renumbered, numbers = alike.renumbered(listed), {row: number for number, row in enumerate(listed.tolist())}
    for row, network in later:
        if row in numbers:
            renumbered.add([numbers[row]], network)
            counts[row, network] += 1
    for network in NETWORKS:
        found = renumbered.copies_of(np.arange(len(listed)), network).tolist()
        assert found == [counts[row, network] for row in listed.tolist()]
    assert not renumbered.copies_of(np.arange(len(listed)), "").any()


@pytest.mark.parametrize("lead_s", [0.0, 30.0])
@pytest.mark.parametrize("of_each", [1, 2])
def test_some_files_are_expected_as_often_as_among_all(lead_s: float, of_each: int) -> None:
    files = [
        FileView(
            file_id=FileId(f"{number:064x}"), cause=CauseId("main"), segments=3, size_bytes=3, segment_size_bytes=1
        )
        for number in range(6)
    ]
    demand = [
        Expectation(
            file_id=file.file_id,
            rates=[RegionRates("EU", 0.1 * place, 0.3), RegionRates("NA", 0.7, 0.01 * place)],
            lead_s=lead_s * (place % 2),
        )
        for place, file in enumerate(files)
        for _ in range(of_each)
    ]
    weights = np.linspace(0.5, 1.5, len(files))
    outlook = Outlook.of(demand, Rows(files, Policy()), {"EU": 0, "NA": 1}, weights, ahead_s=60.0)
    some = np.array([1, 2, 5])
    for area in (0, 1):
        among, alone = outlook.during(77.0, area), outlook.during_of(some, area, 77.0)
        for name in ("open_everywhere", "restricted_everywhere", "open_near", "restricted_near"):
            assert getattr(alone, name).tolist() == getattr(among, name)[some].tolist(), name
    assert not outlook.during_of(some, 0, 0.0).open_near.any()


def test_numbers_begin_where_they_differ_from_the_one_before() -> None:
    assert begins_of(np.array([4, 4, 5, 4], dtype=np.int64)).tolist() == [True, False, True, True]
    assert begins_of(np.zeros(0, dtype=np.int64)).tolist() == []
