"""What a large coordinator remembers is set aside from the garbage collector, and garbage is found all the same."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from distribute_io.coordinator import heap
from distribute_io.coordinator.heap import LARGE_FROM_SESSIONS, Heap


class Thing:
    """Something that may refer to itself."""

    def __init__(self) -> None:
        self.other: Thing | None = None


def a_cycle() -> Thing:
    thing = Thing()
    thing.other = thing
    return thing


@pytest.fixture(autouse=True)
def nothing_set_aside() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_a_small_coordinator_sets_nothing_aside_and_one_that_is_small_again_neither() -> None:
    sessions = LARGE_FROM_SESSIONS - 1
    kept = Heap(lambda: sessions)
    kept.turn()
    assert gc.get_freeze_count() == 0
    sessions += 1
    kept.turn()
    assert gc.get_freeze_count() > 0
    sessions -= 1
    kept.turn()
    assert gc.get_freeze_count() == 0


def test_new_garbage_is_found_before_the_rest_is_set_aside() -> None:
    kept = Heap(lambda: LARGE_FROM_SESSIONS)
    kept.turn()
    garbage = weakref.ref(a_cycle())
    kept.turn()
    assert garbage() is None


def test_what_was_set_aside_in_use_is_found_when_half_of_the_sessions_have_gone() -> None:
    sessions = 4 * LARGE_FROM_SESSIONS
    kept = Heap(lambda: sessions)
    used = a_cycle()
    garbage = weakref.ref(used)
    kept.turn()
    del used
    sessions = 2 * LARGE_FROM_SESSIONS
    kept.turn()
    assert garbage() is not None
    sessions -= 1
    kept.turn()
    assert garbage() is None


def test_what_was_set_aside_in_use_is_found_when_there_is_much_more_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Heap(lambda: LARGE_FROM_SESSIONS)
    used = a_cycle()
    garbage = weakref.ref(used)
    kept.turn()
    del used
    kept.turn()
    assert garbage() is not None
    monkeypatch.setattr(heap, "GROWN_TIMES", 0)
    kept.turn()
    assert garbage() is None
