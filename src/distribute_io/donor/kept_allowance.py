"""A donor's limits and what it gave, on disk: `core/allowance.py` with a file and a clock.

The file is written before bytes go out that it does not cover yet, so the limits hold through restarts and crashes. It
has always the same size: on a disk that has no room for a second one it is overwritten in its place. The digest in it
tells what a crash then tore, which counts as used up.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from distribute_io.core.allowance import Allowance, AllowanceLimits, Charged, DeviceState, LocalTime, Pause
from distribute_io.errors import StoreError
from distribute_io.runtime.disk import FULL_ERRORS, overwrite, stored, write_durably

_FILE_BYTES: Final = 512
"""The figures with room to grow; a disk writes as much at once."""

_RETRY_S: Final = 30.0
"""After the figures could not be written they are tried again then."""


class _State(Struct, frozen=True):
    """The figures."""

    charged: Charged
    served_bytes: int = 0
    """Payload bytes that were ever served, for the donor's own eyes; so are people."""
    people: int = 0
    """Downloaders that were ever given something: who comes twice counts twice."""
    people_day: int = 0
    people_today: int = 0
    """Of these on `people_day`."""


class _File(Struct, frozen=True):
    """What lies in the file."""

    state: msgspec.Raw
    sha256: str
    """Of `state` as it lies there."""


def local_time_now() -> LocalTime:
    """The machine's own time."""
    now = time.localtime()
    days = (date(now.tm_year, now.tm_mon, now.tm_mday) - date(1970, 1, 1)).days
    return LocalTime(days, now.tm_year * 12 + now.tm_mon - 1, now.tm_hour * 60 + now.tm_min)


class KeptAllowance:
    """For one thread. Caller's duty: `close` at the end."""

    def __init__(
        self,
        path: Path,
        limits: AllowanceLimits,
        *,
        local_time: Callable[[], LocalTime] = local_time_now,
        device: Callable[[], DeviceState] = DeviceState,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read what was charged before.

        Args:
            path: the file that remembers it.
            limits: in force from now on.
            local_time: the donor's clock.
            device: what the machine tells of itself.
            monotonic_s: for the time until the next try on a full disk.

        Raises:
            StoreError: the file cannot be read.
        """
        self._path = path
        self._local_time = local_time
        self._device = device
        self._monotonic_s = monotonic_s
        self._full_until_s = 0.0
        self.trouble: StoreError | None = None
        """Why the figures cannot be written at present."""
        now = local_time()
        with stored(path):
            try:
                state = _read(path.read_bytes())
            except FileNotFoundError:
                state = _State(Charged())
            except msgspec.DecodeError:
                # It cannot be told what was given: the limits are a promise, so assume all of it.
                state = _State(Charged(now.day, limits.daily_bytes or 0, now.month, limits.monthly_bytes or 0))
        self._allowance = Allowance(limits, state.charged)
        self._served_bytes = state.served_bytes
        self._people = state.people
        self._people_day = state.people_day
        self._people_today = state.people_today
        if state.charged.day > now.day:  # the clock was ahead: the day that it is now is to be kept
            self._allowance.used(now)
            self._try_to_save(self._allowance.charged)

    @property
    def used(self) -> Charged:
        """Bytes sent today and this month, what a crash left uncertain included."""
        return self._allowance.used(self._local_time())

    @property
    def served_bytes(self) -> int:
        """Payload bytes that were ever served."""
        return self._served_bytes

    @property
    def people(self) -> int:
        """Downloaders that were ever given something."""
        return self._people

    @property
    def people_today(self) -> int:
        """Downloaders that were given something today."""
        return self._people_today if self._people_day == self._local_time().day else 0

    def pause(self) -> Pause | None:
        """Why nothing may be given now."""
        return self._allowance.pause(self._local_time(), self._device())

    def may_fill(self) -> bool:
        """Whether the donor may be filled now."""
        return self._allowance.may_fill(self._local_time(), self._device())

    def take(self, size_bytes: int) -> bool:
        """Charge bytes that are about to go out on the wire. False when the limits do not allow them.

        Where the disk is full even for that, a donor without limits of bytes gives on, as the figures are its own; one
        with limits gives nothing until they can be written.

        Raises:
            StoreError: the charge cannot be written down for another reason.
        """
        now = self._local_time()
        answer = self._allowance.take(size_bytes, now)
        if answer == "store":
            charged = self._allowance.charged
            if not self._try_to_save(charged):
                limits = self._allowance.limits
                return limits.daily_bytes is None and limits.monthly_bytes is None
            self._allowance.stored(charged)
            answer = self._allowance.take(size_bytes, now)
        return answer == "yes"

    def served(self, size_bytes: int, *, is_first: bool = False) -> None:
        """Payload bytes went out; `is_first`: the first that this downloader got."""
        self._served_bytes += size_bytes
        if is_first:
            self._people += 1
            self._people_today = self.people_today + 1
            self._people_day = self._local_time().day

    def close(self) -> None:
        """Write down exactly what was used; on a full disk what is written stays, which is more."""
        self._full_until_s = 0.0
        self._try_to_save(self._allowance.settle())

    def _try_to_save(self, charged: Charged) -> bool:
        """False when the disk is full; `trouble` says so."""
        if self._monotonic_s() < self._full_until_s:
            return False
        try:
            self._save(charged)
        except StoreError as error:
            if error.code != "disk_full":
                raise
            self.trouble, self._full_until_s = error, self._monotonic_s() + _RETRY_S
            return False
        self.trouble = None
        return True

    def _save(self, charged: Charged) -> None:
        people = (self._people, self._people_day, self._people_today)
        state = msgspec.json.encode(_State(charged, self._served_bytes, *people))
        kept = _File(msgspec.Raw(state), hashlib.sha256(state).hexdigest())
        data = msgspec.json.encode(kept).ljust(_FILE_BYTES)
        with stored(self._path):
            try:
                write_durably(self._path, data)
            except OSError as error:
                if error.errno not in FULL_ERRORS or not self._path.exists():
                    raise
                overwrite(self._path, data)


def _read(data: bytes) -> _State:
    """The figures of a file.

    Raises:
        msgspec.DecodeError: it is none of ours, or torn.
    """
    kept = msgspec.json.decode(data, type=_File)
    if hashlib.sha256(kept.state).hexdigest() != kept.sha256:
        raise msgspec.DecodeError("the figures are torn")
    return msgspec.json.decode(kept.state, type=_State)
