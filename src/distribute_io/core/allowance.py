"""When a donor may give: bytes per day and month, hours of the day, and what the device is doing (spec/allowance.md).

Decides, does nothing: the clock and what is stored come in as arguments. `client/src/core/allowance.ts` is the same.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

_STEP_BYTES: Final = 8 * 2**20
_OVERHEAD_PERCENT: Final = 107
_LEAP_DAYS_MAX: Final = 31
_LEAP_MONTHS_MAX: Final = 12


class AllowanceLimits(Struct, frozen=True, kw_only=True):
    """What the person allows; None limits nothing."""

    daily_bytes: int | None = None
    monthly_bytes: int | None = None
    hours: tuple[int, int] | None = None
    """Minutes since midnight (rule A5)."""
    while_charging: bool = False
    unmetered: bool = False


class LocalTime(Struct, frozen=True):
    """The donor's own time."""

    day: int
    """Days since 1 January 1970."""
    month: int
    """Months since January of the year 0."""
    minute: int
    """Since midnight."""


class DeviceState(Struct, frozen=True):
    """What the device tells of itself; None: nothing."""

    charging: bool | None = None
    metered: bool | None = None


class Charged(Struct, frozen=True):
    """What is stored: bytes that may have gone out on a day and in a month."""

    day: int = 0
    day_bytes: int = 0
    month: int = 0
    month_bytes: int = 0
    ahead_day: int = 0
    """The furthest day that was charged before the clock was set back (A3); 0: it was not."""
    ahead_month: int = 0


Pause = Literal["day_used", "month_used", "hours", "battery", "metered"]
"""Why nothing is given at present."""

Answer = Literal["yes", "no", "store"]


def on_the_wire(size_bytes: int) -> int:
    """What a frame comes to on the wire, in bytes (rule A1).

    >>> on_the_wire(1000)
    1070
    """
    return -(-size_bytes * _OVERHEAD_PERCENT // 100)


class Allowance:
    """One donor's limits, and what it has given.

    Caller's duties: when `take` says `store`, store `charged`, call `stored` with it, and ask again.
    """

    def __init__(self, limits: AllowanceLimits, charged: Charged) -> None:
        """Begin with what was stored."""
        self.limits = limits
        self._used = charged
        # What is known to be stored: nothing goes out beyond it.
        self._charged = charged
        self._asked: Charged | None = None

    @property
    def charged(self) -> Charged:
        """To be stored."""
        return self._asked or self._charged

    def stored(self, charged: Charged) -> None:
        """What `charged` said is on disk now: bytes may go out against it."""
        self._charged = charged
        self._asked = None

    def used(self, time: LocalTime) -> Charged:
        """Bytes that went out, as far as is known."""
        self._turn(time)
        return self._used

    def pause(self, time: LocalTime, device: DeviceState) -> Pause | None:
        """Why nothing may be given now; None when something may (rule A7)."""
        self._turn(time)
        limits, used = self.limits, self._used
        if limits.monthly_bytes is not None and used.month_bytes >= limits.monthly_bytes:
            return "month_used"
        if limits.daily_bytes is not None and used.day_bytes >= limits.daily_bytes:
            return "day_used"
        if limits.hours is not None and not _is_within(time.minute, limits.hours):
            return "hours"
        if limits.while_charging and device.charging is False:
            return "battery"
        if limits.unmetered and device.metered is True:
            return "metered"
        return None

    def may_fill(self, time: LocalTime, device: DeviceState) -> bool:
        """Whether the donor may be filled now: budgets are of what it sends, the rest of all that its line carries."""
        without_budgets = replace(self.limits, daily_bytes=None, monthly_bytes=None)
        return Allowance(without_budgets, self._used).pause(time, device) is None

    def take(self, size_bytes: int, time: LocalTime) -> Answer:
        """Charge bytes that are about to go out.

        Returns:
            `no`: a budget does not allow them; `store`: `charged` has grown and has to be stored first.
        """
        self._turn(time)
        used = replace(
            self._used,
            day_bytes=self._used.day_bytes + size_bytes,
            month_bytes=self._used.month_bytes + size_bytes,
        )
        daily, monthly = self.limits.daily_bytes, self.limits.monthly_bytes
        day_is_over = daily is not None and used.day_bytes > daily
        month_is_over = monthly is not None and used.month_bytes > monthly
        if day_is_over or month_is_over:
            if day_is_over and daily is not None:
                self._used = replace(self._used, day_bytes=daily)  # rule A4
            if month_is_over and monthly is not None:
                self._used = replace(self._used, month_bytes=monthly)
            return "no"
        if used.day_bytes > self._charged.day_bytes or used.month_bytes > self._charged.month_bytes:
            self._asked = replace(
                used, day_bytes=used.day_bytes + _STEP_BYTES, month_bytes=used.month_bytes + _STEP_BYTES
            )
            return "store"
        self._used = used
        return "yes"

    def settle(self) -> Charged:
        """In order at the end: nothing was charged that did not go out."""
        self._asked = None
        self._charged = self._used
        return self._charged

    def _turn(self, time: LocalTime) -> None:
        used = self._used
        if _begins(time.day, used.day, used.ahead_day, _LEAP_DAYS_MAX):
            self._used = replace(used, day_bytes=0)
            self._charged = replace(self._charged, day_bytes=0)
        if _begins(time.month, used.month, used.ahead_month, _LEAP_MONTHS_MAX):
            self._used = replace(self._used, month_bytes=0)
            self._charged = replace(self._charged, month_bytes=0)
        day, ahead_day = _moved(time.day, used.day, used.ahead_day)
        month, ahead_month = _moved(time.month, used.month, used.ahead_month)
        if (day, month) != (used.day, used.month):
            self._used = replace(self._used, day=day, ahead_day=ahead_day, month=month, ahead_month=ahead_month)
            self._charged = replace(self._charged, day=day, ahead_day=ahead_day, month=month, ahead_month=ahead_month)


def _begins(now: int, before: int, ahead: int, leap_max: int) -> bool:
    """Whether a new day (month) begins with `now` (rule A3)."""
    return now > before and (now > ahead or now - before <= leap_max)


def _moved(now: int, before: int, ahead: int) -> tuple[int, int]:
    """The day (month) that bytes are of now, and the furthest that was charged (rule A3)."""
    if now < before - 1:
        return now, max(before, ahead)
    return max(now, before), ahead


def _is_within(minute: int, hours: tuple[int, int]) -> bool:
    start, end = hours
    return start <= minute < end if start < end else minute >= start or minute < end
