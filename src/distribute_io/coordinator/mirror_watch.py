"""Looks at every mirror now and then, and keeps what it found in the catalogue.

What is decided is decided in `core/mirror_health.py` (when to look again, who is listed) and `core/host_rounds.py`
(politeness); this carries it out. All that is known of a mirror is in the catalogue, so a restart goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol
from urllib.parse import urlsplit

from msgspec import structs

from distribute_io.core.host_rounds import HostRounds
from distribute_io.core.mirror_health import (
    ACCUSERS_TO_HURRY,
    Health,
    Outcome,
    Rhythm,
    accused_check_us,
    after_check,
)
from distribute_io.errors import StoreError
from distribute_io.ids import FileId
from distribute_io.stores.catalogue import Catalogue, MirrorRecord

log = logging.getLogger(__name__)

CHECKS_AT_ONCE: Final = 8
"""Each holds a thread and up to one segment's time; eight check some hundred mirrors a minute."""

HOST_REST_US: Final = 5_000_000
"""Between two routine checks of one host: a thousand files of 1 MiB segments cost it 200 kB/s."""

LOOK_EVERY_S: Final = 0.5
"""How often the catalogue is asked what is due: another process may have added a mirror."""

SETTLE_S: Final = 4.0
"""How long a publisher waits for the first checks of new mirrors; a slower one is listed as soon as it has passed."""

ACCUSED_MAX: Final = 1_000
"""Mirrors whose accusers are remembered; beyond it the first are forgotten: a removed mirror gets no more looks."""


class Chance(Protocol):
    """What the watch needs of a random generator."""

    def getrandbits(self, bits: int, /) -> int:
        """So many random bits."""


class MirrorWatch:
    """Caller's duties: run `run` all the while. Without it nothing is checked, and `settle` does not wait."""

    def __init__(
        self,
        catalogue: Catalogue,
        check: Callable[[MirrorRecord], Awaitable[Outcome | None]],
        *,
        rhythm: Rhythm,
        rng: Chance,
        clock_us: Callable[[], int],
    ) -> None:
        """Keep the parts.

        Args:
            check: looks at one mirror; None when its file is gone.
            clock_us: microseconds since 1970.
        """
        self._catalogue = catalogue
        self._check = check
        self._rhythm = rhythm
        self._rng = rng
        self._clock_us = clock_us
        # Who wants mirrors looked at every few seconds has few of them.
        self._rounds = HostRounds(checks_max=CHECKS_AT_ONCE, rest_us=min(HOST_REST_US, rhythm.check_us // 10))
        self._accusers: dict[tuple[FileId, str], set[str]] = {}
        self._ended = asyncio.Condition()
        self._wake = asyncio.Event()
        self._is_running = False

    async def run(self) -> None:
        """Check what is due until cancelled."""
        self._is_running = True
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                try:
                    await self._begin_due(tasks)
                except StoreError as error:
                    log.warning("The mirrors that are due could not be read: %s", error.message)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._wake.wait()

    async def settle(self, file_id: FileId) -> None:
        """Wait until the mirrors of a file that were never looked at, or are due at once, are checked; not for long."""
        if not self._is_running:
            return
        self._wake.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S), self._ended:
                while any(not mirror.health.next_check_us for mirror in await self._catalogue.mirrors(file_id)):
                    await self._ended.wait()

    async def accused(self, file_id: FileId, url: str, network: str) -> None:
        """A downloader complains of a mirror. Nothing is believed; it is looked at sooner."""
        if not self._is_running:
            return
        mirror = next((known for known in await self._catalogue.mirrors(file_id) if known.url == url), None)
        key = (file_id, url)
        if mirror is None:
            self._accusers.pop(key, None)
            return
        if key not in self._accusers and len(self._accusers) >= ACCUSED_MAX:
            del self._accusers[next(iter(self._accusers))]
        networks = self._accusers.setdefault(key, set())
        if len(networks) < ACCUSERS_TO_HURRY:
            networks.add(network)
        at_us = accused_check_us(mirror.health, len(networks), now_us=self._clock_us(), rhythm=self._rhythm)
        if not await self._catalogue.hurry_check(mirror, at_us):
            self._accusers.pop(key, None)
        self._wake.set()

    async def _begin_due(self, tasks: asyncio.TaskGroup) -> None:
        while self._rounds.room:
            now_us = self._clock_us()
            busy, resting = self._rounds.busy(), self._rounds.resting(now_us)
            due = await self._catalogue.due_mirrors(now_us, busy=busy, resting=resting, limit=self._rounds.room)
            for mirror, host in _first_of_each_host(due):
                self._rounds.begin(host)
                tasks.create_task(self._look(mirror, host), name="mirror-check")
            if not due:
                return

    async def _look(self, mirror: MirrorRecord, host: str) -> None:
        try:
            health = await self._health_after(mirror)
            due_us = mirror.health.next_check_us
            await self._catalogue.put_health(structs.replace(mirror, health=health), due_us=due_us)
        except StoreError as error:
            log.warning("What a mirror's check found could not be kept: %s", error.message)
        finally:
            self._rounds.end(host, self._clock_us())
            self._accusers.pop((mirror.file_id, mirror.url), None)
            self._wake.set()
        async with self._ended:
            self._ended.notify_all()

    async def _health_after(self, mirror: MirrorRecord) -> Health:
        try:
            outcome = await self._check(mirror)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a stranger's server answers, it must not end the coordinator
            log.error("A mirror's check broke down (%s); it is tried again.", type(error).__name__)
            outcome = None
        now_us = self._clock_us()
        if outcome is None:
            return structs.replace(mirror.health, next_check_us=now_us + self._rhythm.retry_us)
        chance = self._rng.getrandbits(10)
        return after_check(mirror.health, outcome, now_us=now_us, rhythm=self._rhythm, chance=chance)


def _first_of_each_host(due: Iterable[MirrorRecord]) -> list[tuple[MirrorRecord, str]]:
    """At most one mirror per host, in the order in which they are due."""
    chosen: dict[str, MirrorRecord] = {}
    for mirror in due:
        chosen.setdefault(urlsplit(mirror.url).netloc, mirror)
    return [(mirror, host) for host, mirror in chosen.items()]
