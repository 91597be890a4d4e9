"""A donor's limits and what it gave, on disk: `core/allowance.py` with a file and a clock.

The file is written before bytes go out that it does not cover yet, so the limits hold through restarts and crashes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec
from msgspec import Struct

from distribute_io.core.allowance import Allowance, AllowanceLimits, Charged, DeviceState, LocalTime, Pause
from distribute_io.runtime.disk import stored, write_durably

_UNKNOWN_DEVICE = DeviceState()


class _State(Struct, frozen=True):
    """What lies in the file."""

    charged: Charged
    served_bytes: int = 0
    """Payload bytes that were ever served, for the donor's own eyes."""


def local_time_now() -> LocalTime:
    """The machine's own time."""
    now = time.localtime()
    days = (date(now.tm_year, now.tm_mon, now.tm_mday) - date(1970, 1, 1)).days
    return LocalTime(days, now.tm_year * 12 + now.tm_mon - 1, now.tm_hour * 60 + now.tm_min)


class KeptAllowance:
    """For one thread. Caller's duty: `close` at the end."""

    def __init__(
        self, path: Path, limits: AllowanceLimits, *, local_time: Callable[[], LocalTime] = local_time_now
    ) -> None:
        """Read what was charged before.

        Args:
            path: the file that remembers it.
            limits: in force from now on.
            local_time: the donor's clock.

        Raises:
            StoreError: the file cannot be read.
        """
        self._path = path
        self._local_time = local_time
        now = local_time()
        with stored(path):
            try:
                state = msgspec.json.decode(path.read_bytes(), type=_State)
            except FileNotFoundError:
                state = _State(Charged())
            except msgspec.DecodeError:
                # It cannot be told what was given: the limits are a promise, so assume all of it.
                state = _State(Charged(now.day, limits.daily_bytes or 0, now.month, limits.monthly_bytes or 0))
        self._allowance = Allowance(limits, state.charged)
        self._served_bytes = state.served_bytes

    @property
    def used(self) -> Charged:
        """Bytes sent today and this month, what a crash left uncertain included."""
        return self._allowance.used(self._local_time())

    @property
    def served_bytes(self) -> int:
        """Payload bytes that were ever served."""
        return self._served_bytes

    def pause(self) -> Pause | None:
        """Why nothing may be given now."""
        return self._allowance.pause(self._local_time(), _UNKNOWN_DEVICE)

    def take(self, size_bytes: int) -> bool:
        """Charge bytes that are about to go out on the wire. False when the limits do not allow them.

        Raises:
            StoreError: the charge cannot be written down, and then nothing may be sent.
        """
        now = self._local_time()
        answer = self._allowance.take(size_bytes, now)
        if answer == "store":
            charged = self._allowance.charged
            self._save(charged)
            self._allowance.stored(charged)
            answer = self._allowance.take(size_bytes, now)
        return answer == "yes"

    def served(self, size_bytes: int) -> None:
        """Payload bytes went out."""
        self._served_bytes += size_bytes

    def close(self) -> None:
        """Write down exactly what was used."""
        self._save(self._allowance.settle())

    def _save(self, charged: Charged) -> None:
        with stored(self._path):
            write_durably(self._path, msgspec.json.encode(_State(charged, self._served_bytes)))
