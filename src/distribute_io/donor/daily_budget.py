"""The bytes that a donor gives in a day (UTC), a hard limit that survives restarts and crashes.

Bytes are charged on disk *before* they are sent, a step ahead, so that a crash can only make a donor give less than it
allowed, by a step at most. A day begins at 00:00 UTC.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from distribute_io.runtime.disk import stored, write_durably

_STEP_BYTES: Final = 8 * 2**20
_DAY_S: Final = 86_400


class _State(Struct):
    """What lies in the file."""

    day: int
    """Days since 1970."""
    charged_bytes: int
    served_bytes: int = 0
    """Payload bytes that were ever served, for the donor's own eyes."""


class DailyBudget:
    """Counts what was sent today. For one thread."""

    def __init__(self, path: Path, *, limit_bytes: int | None, now_s: float) -> None:
        """Read what was charged before.

        Args:
            path: the file that remembers it.
            limit_bytes: per day; None for no limit.
            now_s: seconds since 1970.

        Raises:
            StoreError: the file cannot be read.
        """
        self._path = path
        self._limit_bytes = limit_bytes
        with stored(path):
            try:
                self._state = msgspec.json.decode(path.read_bytes(), type=_State)
            except FileNotFoundError:
                self._state = _State(int(now_s // _DAY_S), 0)
            except msgspec.DecodeError:
                # It cannot be told what was given today: the limit is a promise, so assume all of it.
                self._state = _State(int(now_s // _DAY_S), limit_bytes or 0)
        self._used_bytes = self._state.charged_bytes
        self._turn_day(now_s)

    @property
    def used_bytes(self) -> int:
        """Bytes sent today, what a crash left uncertain included."""
        return self._used_bytes

    @property
    def served_bytes(self) -> int:
        """Payload bytes that were ever served."""
        return self._state.served_bytes

    def take(self, size_bytes: int, now_s: float) -> bool:
        """Charge bytes that are about to be sent. False when the day's limit does not allow them.

        Raises:
            StoreError: the charge cannot be written down, and then nothing may be sent.
        """
        self._turn_day(now_s)
        used_bytes = self._used_bytes + size_bytes
        if self._limit_bytes is not None and used_bytes > self._limit_bytes:
            return False
        if used_bytes > self._state.charged_bytes:
            ahead = used_bytes + _STEP_BYTES
            self._state.charged_bytes = ahead if self._limit_bytes is None else min(ahead, self._limit_bytes)
            self._save()
        self._used_bytes = used_bytes
        return True

    def is_used_up(self, now_s: float) -> bool:
        """Whether nothing more can be given today."""
        self._turn_day(now_s)
        return self._limit_bytes is not None and self._used_bytes >= self._limit_bytes

    def served(self, size_bytes: int) -> None:
        """Payload bytes went out."""
        self._state.served_bytes += size_bytes

    def close(self) -> None:
        """Write down exactly what was used."""
        self._state.charged_bytes = self._used_bytes
        self._save()

    def _turn_day(self, now_s: float) -> None:
        day = int(now_s // _DAY_S)
        if day > self._state.day:  # a clock that is set back begins no new day
            self._state.day, self._state.charged_bytes, self._used_bytes = day, 0, 0

    def _save(self) -> None:
        with stored(self._path):
            write_durably(self._path, msgspec.json.encode(self._state))
