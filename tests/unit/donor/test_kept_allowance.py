"""donor/kept_allowance.py: limits hold through restarts and crashes; days are the machine's own."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from distribute_io.core.allowance import AllowanceLimits, LocalTime
from distribute_io.donor.kept_allowance import KeptAllowance, local_time_now
from distribute_io.errors import StoreError

NOON = LocalTime(20_000, 24_000, 720)
STEP = 8 * 2**20


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> LocalTime:
        return self.now


def new(folder: Path, clock: Clock, *, daily: int | None = 100_000_000) -> KeptAllowance:
    return KeptAllowance(folder / "given.json", AllowanceLimits(daily_bytes=daily), local_time=clock)


def test_clean_restart_remembers_exactly(tmp_path: Path) -> None:
    clock = Clock()
    kept = new(tmp_path, clock)
    assert kept.take(1_000_000)
    kept.served(900_000)
    kept.close()
    again = new(tmp_path, clock)
    assert (again.used.day_bytes, again.used.month_bytes, again.served_bytes) == (1_000_000, 1_000_000, 900_000)


def test_crash_only_makes_it_give_less(tmp_path: Path) -> None:
    clock = Clock()
    assert new(tmp_path, clock).take(1_000_000)
    assert new(tmp_path, clock).used.day_bytes == 1_000_000 + STEP


def test_the_next_day_it_gives_again(tmp_path: Path) -> None:
    clock = Clock()
    kept = new(tmp_path, clock, daily=10)
    assert kept.take(10)
    assert kept.pause() == "day_used"
    assert not kept.take(1)
    clock.now = LocalTime(20_001, 24_000, 0)
    assert kept.pause() is None
    assert kept.take(1)


def test_unreadable_figures_count_as_used_up(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "given.json").write_bytes(b"torn")
    assert new(tmp_path, clock).pause() == "day_used"
    clock.now = LocalTime(20_001, 24_000, 0)
    assert new(tmp_path, clock).take(1) is False  # what was torn may have been written today
    kept = new(tmp_path, clock)
    clock.now = LocalTime(20_002, 24_000, 0)
    assert kept.take(1)


def test_what_cannot_be_written_down_is_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = new(tmp_path, Clock())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError) as caught:
        kept.take(1)
    assert caught.value.code == "disk_full"
    assert kept.used.day_bytes == 0


def test_the_clock_is_the_machines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.localtime", lambda: __import__("time").struct_time((2026, 11, 23, 1, 5, 0, 0, 327, 0)))
    assert local_time_now() == LocalTime(20_780, 2026 * 12 + 10, 65)
