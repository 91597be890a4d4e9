"""The published folder, kept in step with the catalogue.

Rules:

1. What is there is served at once; a file's manifest follows when it has been hashed, small files first.
2. The catalogue follows the folder: added, changed and removed files are noticed, by the system's notices at once and
   by a full walk every `rescan_s` where there are none; also while other files are being hashed. A changed file gets a
   manifest with a larger version.
3. Nothing is read again that was not changed, also after a restart.
4. A file that was taken down stays down, although it still lies in the folder.
5. A manifest that expires is signed again when half of its life is over, so that it never does while we run.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import watchfiles

from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.coordinator.library_plan import LibraryPlan, Look, compare
from distribute_io.coordinator.library_publisher import Publisher
from distribute_io.coordinator.library_scan import Found, Skipped, scan, shown
from distribute_io.coordinator.library_shelf import Progress, Shelf, Shelved
from distribute_io.errors import DistributeError, RefusedError
from distribute_io.ids import CauseId, FileId
from distribute_io.manifest.keys import SigningKey
from distribute_io.stores.catalogue import Catalogue, LibraryRecord

log = logging.getLogger(__name__)

_GATHER_S: Final = 0.2
"""Notices of one copy come in bursts; one walk answers them all."""

_WALKS_SHARE: Final = 10
"""A walk may take a tenth of the time at most, so that a folder with a million files is not walked without end."""

_TRY_AGAIN: Final = frozenset({"file_changed", "file_not_found", "cancelled", "catalogue_failed", "full"})
"""Failures that say nothing about the file itself: the next walk looks at it again."""

_WATCH_AGAIN_S: Final = 1.0

_RENEW_S: Final = 3_600.0
"""How often we look whether a manifest has to be signed again; of a shorter life an eighth."""

_NAME_NOT_TOLD: Final = "Unable to decode path"
"""What `watchfiles` says, and then stops, when the name of a changed file is not UTF-8."""


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    """The first exception within nested groups; `watchfiles` wraps its own in those of its tasks."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _tell_nobody() -> None:
    """Stands for the announcement until `run` brings one."""


class Library:
    """The folder's files by name. Caller's duties: run `run` for as long as it is to follow the folder."""

    def __init__(
        self,
        *,
        folder: Path,
        data_dir: Path,
        cause: CauseId,
        key: SigningKey,
        catalogue: Catalogue,
        rescan_s: float,
        settle_ms: int,
        hash_files: int,
        life_s: int | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Keep the parts; nothing is read yet.

        Args:
            life_s: how long a manifest is good for, in seconds; None for ever.
            clock_ns: nanoseconds since 1970, comparable with the times of files.
        """
        self._folder = folder
        self._root = folder.resolve()
        self._data_dir = data_dir
        self._catalogue = catalogue
        self._publisher = Publisher(
            folder=folder,
            cause=cause,
            key=key,
            catalogue=catalogue,
            hash_files=hash_files,
            life_s=life_s,
            clock_ns=clock_ns,
        )
        self._life_s = life_s
        self._renew_s = _RENEW_S if life_s is None else min(_RENEW_S, life_s / 8)
        self._rescan_s = rescan_s
        self._settle_ns = settle_ms * 1_000_000
        self._hash_files = hash_files
        self._clock_ns = clock_ns
        self._shelf = Shelf()
        self._known: dict[bytes, LibraryRecord] = {}
        self._published: set[str] = set()
        self._looks: Mapping[bytes, Look] = {}
        self._skipped: tuple[Skipped, ...] = ()
        self._walked = False
        self._wake = asyncio.Event()
        self._to_hash: dict[bytes, Found] = {}
        self._has_work = asyncio.Event()
        self._in_hand: dict[bytes, Found] = {}
        self._announce: Callable[[], Awaitable[None]] = _tell_nobody

    @classmethod
    def of(
        cls, config: CoordinatorConfig, *, folder: Path, data_dir: Path, key: SigningKey, catalogue: Catalogue
    ) -> Library:
        """The library that a configuration asks for."""
        return cls(
            folder=folder,
            data_dir=data_dir,
            cause=CauseId(config.cause),
            key=key,
            catalogue=catalogue,
            rescan_s=config.rescan_s,
            settle_ms=config.settle_ms,
            hash_files=config.hash_files,
            life_s=config.manifest_life_days * 86_400 or None,
        )

    # --- what others ask ---

    def get(self, name: str) -> Shelved | None:
        """The file that is published by `name`."""
        return self._shelf.get(name)

    def path(self, shelved: Shelved) -> Path:
        """Where the file lies."""
        return self._folder / os.fsdecode(shelved.found.path)

    def checked_place(self, path: Path, descriptor: int) -> Path:
        """A path to the file that was opened at `path`, which is still a regular one inside the folder.

        Raises:
            RefusedError: `unknown_file`: since the scan, something else or a link out of the folder took its place.
        """
        by_number = Path(f"/proc/self/fd/{descriptor}")
        # Without /proc the name has to do: between here and the sending it could be swapped once more.
        place = by_number if by_number.exists() else path
        real = os.path.realpath(place)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or not Path(real).is_relative_to(self._root):
            raise RefusedError("unknown_file", "The file is no longer there.")
        return place

    def names_of(self, file_id: FileId) -> tuple[str, ...]:
        """The names by which a file's content lies in the folder."""
        return self._shelf.names_of(file_id)

    def waiting(self) -> tuple[Shelved, ...]:
        """Files that are served and have no manifest yet, by name."""
        return self._shelf.waiting()

    def progress(self) -> Progress:
        """How far hashing is."""
        shelf = self._shelf
        ready_bytes = shelf.size_bytes - shelf.waiting_bytes + sum(self._publisher.reading.values())
        return Progress(
            walked=self._walked,
            files=len(shelf),
            files_ready=len(shelf) - shelf.waiting_files,
            size_bytes=shelf.size_bytes,
            ready_bytes=min(ready_bytes, shelf.size_bytes),
            skipped=(*self._skipped, *shelf.refusals()),
        )

    def forget(self, file_id: FileId) -> None:
        """The file was taken down: serve it no more (rule 4)."""
        for name in self.names_of(file_id):
            shelved = self._shelf.get(name)
            if shelved is not None:
                self._shelf.refuse(shelved.found, "it was taken down")

    def reconsider(self) -> None:
        """What was taken down may be served again: look at everything that was refused once more."""
        self._shelf.forget_refusals(())
        self._wake.set()

    # --- following the folder ---

    async def run(self, announce: Callable[[], Awaitable[None]]) -> None:
        """Walk, hash, and follow the folder until cancelled.

        Args:
            announce: awaited after each change of the catalogue, before the file counts as ready.
        """
        self._announce = announce
        self._known = {record.path: record for record in await self._catalogue.library()}
        self._published = await self._publisher.published()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch(), name="library-watch")
                tasks.create_task(self._follow(), name="library-follow")
                tasks.create_task(self._renew(), name="library-renew")
                for _ in range(self._hash_files):
                    tasks.create_task(self._hash(), name="library-hash")
        finally:
            self._publisher.stop()

    async def _watch(self) -> None:
        """Wakes the walk when the system tells of a change."""
        while not await self._watch_until_it_fails():
            # What happened while nobody watched is found by a walk after the new watch is in place.
            asyncio.get_running_loop().call_later(2 * _WATCH_AGAIN_S, self._wake.set)
            await asyncio.sleep(_WATCH_AGAIN_S)

    async def _watch_until_it_fails(self) -> bool:
        """True when watching is no use; False after a notice that could not be told, which is a notice all the same."""
        try:
            async for _changes in self._notices():
                self._wake.set()
        except* (OSError, RuntimeError) as group:
            failure = _first(group)
        else:
            return True
        if _NAME_NOT_TOLD in str(failure):
            self._wake.set()
            return False
        # Too many folders for inotify, or a file system that cannot tell: the regular walk is enough.
        log.warning(
            "Changes of the folder are not told by the system (%s); it is walked every %d s.",
            type(failure).__name__,
            self._rescan_s,
        )
        return True

    def _notices(self) -> AsyncIterator[object]:
        data_dir = os.path.realpath(self._data_dir)

        def wanted(_change: watchfiles.Change, path: str) -> bool:
            # The catalogue's own writes must not wake us, or each walk would cause the next.
            return path != data_dir and not path.startswith(data_dir + os.sep)

        return watchfiles.awatch(self._folder, watch_filter=wanted, debounce=200, step=50, rust_timeout=1_000)

    async def _follow(self) -> None:
        while True:
            self._wake.clear()
            began = time.monotonic()
            pause_s = self._rescan_s
            try:
                plan = await self._walk()
                if plan is not None:
                    await self._carry_out(plan)
                    if plan.look_again:
                        pause_s = min(pause_s, max(self._settle_ns / 1e9, _GATHER_S))
            except DistributeError as error:
                log.error("The catalogue could not follow the folder: %s", error.message)
            await asyncio.sleep(max(_GATHER_S, (time.monotonic() - began) * _WALKS_SHARE))
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                pass  # time for the regular walk

    async def _walk(self) -> LibraryPlan | None:
        try:
            result = await asyncio.to_thread(scan, self._folder, leave_out=self._data_dir)
        except OSError as error:
            # An unplugged disk must not take the whole catalogue down: keep what is known until it is back.
            log.error("The folder cannot be read (%s); its files stay listed.", error.strerror)
            return None
        self._skipped = result.skipped
        self._shelf.forget_refusals(result.files)
        refused = self._shelf.refused_paths()
        wanted = tuple(found for found in result.files if found.path not in refused)
        known = {path: record for path, record in self._known.items() if path not in refused}
        plan = compare(wanted, known, self._looks, now_ns=self._clock_ns(), settle_ns=self._settle_ns)
        self._looks = plan.looks
        return plan

    async def _carry_out(self, plan: LibraryPlan) -> None:
        for record in plan.gone:
            await self._publisher.remove(record)
            self._known.pop(record.path, None)
            self._shelf.remove(shown(record.path))
        if plan.gone:
            await self._announce()
        stale = [found for found, record in plan.ready if not await self._take_up(found, record)]
        # What was hashed while we walked is ready although the plan does not know it yet.
        new = [found for found in (*plan.look_again, *plan.hash_now) if not self._is_ready(found)]
        for found in new:
            self._shelf.put(Shelved(found))
        ready = [found for found, _record in plan.ready]
        self._shelf.keep_only(found.name for found in (*ready, *plan.look_again, *plan.hash_now))
        self._walked = True
        self._to_hash = {
            found.path: found
            for found in (*plan.hash_now, *stale)
            if self._in_hand.get(found.path) != found and not self._is_ready(found)
        }
        if self._to_hash:
            self._has_work.set()

    def _is_ready(self, found: Found) -> bool:
        shelved = self._shelf.get(found.name)
        return shelved is not None and shelved.found == found and shelved.file_id is not None

    async def _take_up(self, found: Found, record: LibraryRecord) -> bool:
        """Shelve a file that was hashed before; False when its manifest no longer fits and it must be made again."""
        shelved = self._shelf.get(found.name)
        if shelved is not None and shelved.payload_sha256 == record.payload_sha256:
            return True
        if record.payload_sha256 in self._published:
            self._shelf.put(Shelved(found, record.file_id, record.payload_sha256))
            return True
        if await self._publisher.is_withdrawn(record):
            self._shelf.refuse(found, "it was taken down")
            return True
        self._shelf.put(Shelved(found))
        return False

    async def _renew(self) -> None:
        """Signs again what is due (rule 5); where nothing is to expire, what a former setting left, once."""
        while True:
            renewed = [record for path in list(self._known) if (record := await self._renew_one(path)) is not None]
            if renewed:
                await self._announce()
            if self._life_s is None:
                return
            await asyncio.sleep(self._renew_s)

    async def _renew_one(self, path: bytes) -> LibraryRecord | None:
        before = self._known.get(path)
        if before is None:
            return None

        def is_current() -> bool:
            return self._known.get(path) == before and path not in self._in_hand

        try:
            record = await self._publisher.renew(before, is_current)
        except DistributeError as error:
            log.error("A manifest could not be signed again: %s", error.message)
            return None
        if record is None or not is_current():
            return None
        self._put_renewed(record)
        return record

    def _put_renewed(self, record: LibraryRecord) -> None:
        self._published.add(record.payload_sha256)
        self._known[record.path] = record
        shelved = self._shelf.get(shown(record.path))
        if shelved is not None and shelved.file_id == record.file_id:
            self._shelf.put(Shelved(shelved.found, record.file_id, record.payload_sha256))

    async def _hash(self) -> None:
        """Hashes what waits, for ever; there are as many of these as files may be hashed at once."""
        while True:
            while not self._to_hash:
                self._has_work.clear()
                await self._has_work.wait()
            path = next(iter(self._to_hash))
            found = self._to_hash.pop(path)
            self._in_hand[path] = found
            try:
                record = await self._publisher.publish(found, self._known.get(path))
                self._published.add(record.payload_sha256)
                await self._announce()
            except DistributeError as error:
                self._give_up(found, error)
                continue
            finally:
                del self._in_hand[path]
            self._known[path] = record
            shelved = self._shelf.get(found.name)
            if shelved is not None and shelved.found == found:  # else it changed or vanished meanwhile: the walk knows
                self._shelf.put(Shelved(found, record.file_id, record.payload_sha256))

    def _give_up(self, found: Found, error: DistributeError) -> None:
        if error.code in _TRY_AGAIN:
            log.debug("A file is looked at again: %s", error.code)
            self._wake.set()
        else:
            self._shelf.refuse(found, error.message)
