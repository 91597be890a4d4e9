"""donor/daily_budget.py: the day's limit holds through restarts and crashes, and a new day begins at 00:00 UTC."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from distribute_io.donor.daily_budget import DailyBudget

NOON = 12 * 3600.0
DAY = 86_400.0
LIMIT = 100_000_000


def new(path: Path, limit_bytes: int | None = LIMIT, now_s: float = NOON) -> DailyBudget:
    return DailyBudget(path / "today.json", limit_bytes=limit_bytes, now_s=now_s)


def test_clean_restart_remembers_exactly(tmp_path: Path) -> None:
    budget = new(tmp_path)
    assert budget.take(1_000_000, NOON)
    budget.served(900_000)
    budget.close()
    again = new(tmp_path)
    assert again.used_bytes == 1_000_000
    assert again.served_bytes == 900_000


def test_crash_only_makes_it_give_less(tmp_path: Path) -> None:
    assert new(tmp_path).take(1_000_000, NOON)
    assert 1_000_000 <= new(tmp_path).used_bytes <= 1_000_000 + 8 * 2**20


def test_limit_is_hard_and_ends_with_the_day(tmp_path: Path) -> None:
    budget = new(tmp_path, limit_bytes=10)
    assert budget.take(10, NOON)
    assert budget.is_used_up(NOON)
    assert not budget.take(1, NOON)
    assert not budget.is_used_up(DAY)
    assert budget.take(1, DAY)


def test_clock_that_is_set_back_begins_no_new_day(tmp_path: Path) -> None:
    budget = new(tmp_path, limit_bytes=10, now_s=DAY + NOON)
    assert budget.take(10, DAY + NOON)
    assert not budget.take(1, NOON)


def test_without_a_limit_everything_is_counted_and_nothing_refused(tmp_path: Path) -> None:
    budget = new(tmp_path, limit_bytes=None)
    assert budget.take(10**12, NOON)
    assert not budget.is_used_up(NOON)
    assert budget.used_bytes == 10**12


def test_unreadable_figures_count_as_a_used_up_day(tmp_path: Path) -> None:
    (tmp_path / "today.json").write_bytes(b"torn")
    assert not new(tmp_path).take(1, NOON)
    assert new(tmp_path, now_s=NOON).take(1, DAY)


@given(st.lists(st.one_of(st.just("crash"), st.just("close"), st.integers(1, 40_000_000)), max_size=20))
def test_never_more_than_the_limit_in_a_day_whatever_happens(steps: list[str | int]) -> None:

    with tempfile.TemporaryDirectory() as name:
        budget = new(Path(name))
        given_bytes = 0
        for step in steps:
            if step == "crash":
                budget = new(Path(name))
            elif step == "close":
                budget.close()
                budget = new(Path(name))
            elif isinstance(step, int) and budget.take(step, NOON):
                given_bytes += step
        assert given_bytes <= LIMIT
        assert budget.used_bytes >= given_bytes
