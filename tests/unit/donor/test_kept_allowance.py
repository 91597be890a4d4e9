"""donor/kept_allowance.py: limits hold through restarts and crashes; days are the machine's own."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from distribute_io.core.allowance import AllowanceLimits, DeviceState, LocalTime
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

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StoreError) as caught:
        kept.take(1)
    assert caught.value.code == "store_unreadable"
    assert kept.used.day_bytes == 0


def test_the_clock_is_the_machines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.localtime", lambda: __import__("time").struct_time((2026, 11, 23, 1, 5, 0, 0, 327, 0)))
    assert local_time_now() == LocalTime(20_780, 2026 * 12 + 10, 65)


class FullDisk:
    """A disk on which no new file has room."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open = os.open
        self.is_full = True
        monkeypatch.setattr("distribute_io.runtime.disk.os.open", self.open)

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        if self.is_full and flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        return self._open(path, flags, mode)


def test_on_a_full_disk_figures_are_written_over_those_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    new(tmp_path, clock).close()
    FullDisk(monkeypatch)
    kept = new(tmp_path, clock)
    assert kept.take(STEP)
    assert kept.trouble is None
    assert new(tmp_path, clock).used.day_bytes == 2 * STEP
    kept.close()
    assert new(tmp_path, clock).used.day_bytes == STEP


@pytest.mark.parametrize("daily", [100_000_000, None])
def test_without_room_for_any_figures_only_a_donor_without_limits_gives_on_until_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, daily: int | None
) -> None:
    disk, now_s = FullDisk(monkeypatch), [0.0]
    kept = KeptAllowance(
        tmp_path / "given.json",
        AllowanceLimits(daily_bytes=daily),
        local_time=Clock(),
        monotonic_s=lambda: now_s[0],
    )
    assert kept.take(1000) == (daily is None)
    assert kept.trouble is not None
    assert kept.trouble.code == "disk_full"
    disk.is_full = False
    assert kept.take(1000) == (daily is None), "not tried again at once"
    now_s[0] = 31.0
    assert kept.take(1000)
    assert kept.trouble is None


def test_power_and_network_rest_the_donor_as_they_change(tmp_path: Path) -> None:
    device = DeviceState(charging=False, metered=True)
    limits = AllowanceLimits(while_charging=True, unmetered=True)
    kept = KeptAllowance(tmp_path / "given.json", limits, local_time=Clock(), device=lambda: device)
    assert kept.pause() == "battery"
    device = DeviceState(charging=True, metered=True)
    assert kept.pause() == "metered"
    device = DeviceState(charging=None, metered=None)
    assert kept.pause() is None


def test_figures_torn_anywhere_count_as_used_up(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "given.json"
    contents = []
    for given in (1_999_999, 2_000_000):
        path.unlink(missing_ok=True)
        kept = new(tmp_path, clock)
        assert kept.take(given)
        kept.close()
        contents.append(path.read_bytes())
    old, later = contents
    assert len(old) == len(later) == 512
    for cut in range(len(old) + 1):
        path.write_bytes(later[:cut] + old[cut:])
        torn = path.read_bytes() not in contents
        assert new(tmp_path, clock).used.day_bytes in ((100_000_000,) if torn else (1_999_999, 2_000_000))


def test_people_are_counted_today_and_ever_and_over_restarts(tmp_path: Path) -> None:
    clock = Clock()
    kept = new(tmp_path, clock)
    for is_first in (True, False, True):
        kept.served(1_000, is_first=is_first)
    kept.close()
    again = new(tmp_path, clock)
    assert (again.people_today, again.people) == (2, 2)
    clock.now = LocalTime(20_001, 24_000, 0)
    assert (again.people_today, again.people) == (0, 2)
    again.served(1_000, is_first=True)
    assert (again.people_today, again.people) == (1, 3)


def test_after_a_clock_that_was_ahead_it_gives_again_after_midnight_however_short_its_runs_are(tmp_path: Path) -> None:
    clock = Clock()
    clock.now = LocalTime(20_365, 24_012, 720)
    assert new(tmp_path, clock, daily=10).take(10)
    clock.now = NOON
    assert new(tmp_path, clock, daily=10).pause() == "day_used"  # and is killed
    clock.now = LocalTime(20_001, 24_000, 720)
    assert new(tmp_path, clock, daily=10).pause() is None
