from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.scheduler.partial import PartialSegment
from distribute_io.core.scheduler.sources import Source
from distribute_io.ids import SourceId

SOURCES = [Source(SourceId(name), ordinal, "mirror", 1) for ordinal, name in enumerate("abc")]
steps = st.lists(
    st.tuples(st.sampled_from(["add", "drop", "drop all"]), st.integers(0, 2), st.integers(0, 30), st.integers(0, 30)),
    max_size=25,
)


@given(steps)
def test_it_remembers_who_was_first_with_each_byte(random_steps: list[tuple[str, int, int, int]]) -> None:
    oracle: dict[int, Source] = {}
    tested = PartialSegment(0, 30)
    for what, whom, start, end in random_steps:
        source = SOURCES[whom]
        places = range(start, end)
        if what == "add":
            fresh = [place for place in places if place not in oracle]
            assert tested.add(start, end, source) == len(fresh)
            oracle.update(dict.fromkeys(fresh, source))
        else:
            gone = [place for place in places if place in oracle and (what == "drop all" or oracle[place] is source)]
            dropped = tested.drop(start, end, None if what == "drop all" else source)
            assert [place for part in dropped for place in range(part.start, part.end)] == gone
            for place in gone:
                del oracle[place]
        assert {place: part.source for part in tested.parts for place in range(part.start, part.end)} == oracle
        assert tested.missing_bytes == 30 - len(oracle)
        assert set(tested.senders()) == set(oracle.values())
    assert {place for low, high in tested.gaps(0, 30) for place in range(low, high)} == set(range(30)) - set(oracle)


def test_neighbouring_parts_of_one_source_are_one() -> None:
    partial = PartialSegment(0, 10)
    partial.add(0, 3, SOURCES[0])
    partial.add(3, 6, SOURCES[0])
    partial.add(6, 8, SOURCES[1])
    assert [(part.start, part.end) for part in partial.parts] == [(0, 6), (6, 8)]
