"""The published folder, kept in step with the catalogue.

Rules:

1. What is there is served at once; a file's manifest follows when it has been hashed, small files first.
2. The catalogue follows the folder: added, changed and removed files are noticed, by the system's notices at once and
   by a full walk every `rescan_s` where there are none. A changed file gets a manifest with a larger version.
3. Nothing is read again that was not changed, also after a restart.
4. A file that was taken down stays down, although it still lies in the folder.
5. Only this module writes the catalogue's rows about the folder; the folder itself is never written to.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import watchfiles
from msgspec import Struct

from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.coordinator.library_plan import LibraryPlan, Look, compare
from distribute_io.coordinator.library_scan import FileStat, Found, Skipped, scan, shown, stat_of
from distribute_io.errors import DistributeError, ManifestError
from distribute_io.ids import CauseId, FileId
from distribute_io.manifest.build import new_manifest, sign_manifest
from distribute_io.manifest.document import verify_envelope
from distribute_io.manifest.hashing import FileDigests, hash_file
from distribute_io.manifest.keys import SigningKey
from distribute_io.stores.catalogue import Catalogue, LibraryRecord, ManifestRecord
from distribute_io.stores.records import manifest_record

log = logging.getLogger(__name__)

ACTOR: Final = "library"

_GATHER_S: Final = 0.2
"""Notices of one copy come in bursts; one walk answers them all."""

_WALKS_SHARE: Final = 10
"""A walk may take a tenth of the time at most, so that a folder with a million files is not walked without end."""


class Shelved(Struct, frozen=True):
    """One file of the folder as it is served."""

    found: Found
    file_id: FileId | None = None
    """None until it has been hashed."""
    payload_sha256: str | None = None


class Progress(Struct, frozen=True):
    """How far hashing is. Bytes of files that are ready, and of all."""

    walked: bool
    files: int
    files_ready: int
    size_bytes: int
    ready_bytes: int
    skipped: tuple[Skipped, ...]


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
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Keep the parts; nothing is read yet.

        Args:
            clock_ns: nanoseconds since 1970, comparable with the times of files.
        """
        self._folder = folder
        self._data_dir = data_dir
        self._cause = cause
        self._key = key
        self._catalogue = catalogue
        self._rescan_s = rescan_s
        self._settle_ns = settle_ms * 1_000_000
        self._hash_files = hash_files
        self._clock_ns = clock_ns
        self._shelf: dict[str, Shelved] = {}
        self._names: dict[FileId, set[str]] = {}
        self._known: dict[bytes, LibraryRecord] = {}
        self._looks: Mapping[bytes, Look] = {}
        self._skipped: tuple[Skipped, ...] = ()
        self._refused: dict[bytes, tuple[FileStat, Skipped]] = {}
        self._hashing: dict[bytes, int] = {}
        self._walked = False
        self._stopping = False
        self._wake = asyncio.Event()
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
        )

    # --- what others ask ---

    def get(self, name: str) -> Shelved | None:
        """The file that is published by `name`."""
        return self._shelf.get(name)

    def path(self, shelved: Shelved) -> Path:
        """Where the file lies."""
        return self._folder / os.fsdecode(shelved.found.path)

    def names_of(self, file_id: FileId) -> tuple[str, ...]:
        """The names by which a file's content lies in the folder."""
        return tuple(sorted(self._names.get(file_id, ())))

    def waiting(self) -> tuple[Shelved, ...]:
        """Files that are served and have no manifest yet, by name."""
        return tuple(shelved for _name, shelved in sorted(self._shelf.items()) if shelved.file_id is None)

    def progress(self) -> Progress:
        """How far hashing is."""
        ready = [shelved for shelved in self._shelf.values() if shelved.file_id is not None]
        return Progress(
            walked=self._walked,
            files=len(self._shelf),
            files_ready=len(ready),
            size_bytes=sum(shelved.found.stat.size_bytes for shelved in self._shelf.values()),
            ready_bytes=sum(shelved.found.stat.size_bytes for shelved in ready) + sum(self._hashing.values()),
            skipped=(*self._skipped, *(skipped for _stat, skipped in self._refused.values())),
        )

    def forget(self, file_id: FileId) -> None:
        """The file was taken down: serve it no more (rule 4)."""
        for name in self.names_of(file_id):
            self._refuse(self._shelf[name].found, "it was taken down")
            self._unshelve(name)

    # --- following the folder ---

    async def run(self, announce: Callable[[], Awaitable[None]]) -> None:
        """Walk, hash, and follow the folder until cancelled.

        Args:
            announce: awaited after each change of the catalogue, before the file counts as ready.
        """
        self._announce = announce
        self._known = {record.path: record for record in await self._catalogue.library()}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch(), name="library-watch")
                tasks.create_task(self._follow(), name="library-follow")
        finally:
            self._stopping = True  # ends the threads that hash

    async def _watch(self) -> None:
        """Wakes the walk when the system tells of a change."""
        try:
            async for _changes in self._notices():
                self._wake.set()
        except (OSError, RuntimeError) as error:
            # Too many folders for inotify, or a file system that cannot tell: the regular walk is enough.
            log.warning(
                "Changes of the folder are not told by the system (%s); it is walked every %d s.",
                type(error).__name__,
                self._rescan_s,
            )

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
            plan = await self._walk()
            took_s = time.monotonic() - began
            if plan is not None:
                await self._carry_out(plan)
            pause_s = self._rescan_s
            if plan is not None and plan.look_again:
                pause_s = min(pause_s, max(self._settle_ns / 1e9, _GATHER_S))
            await asyncio.sleep(max(_GATHER_S, took_s * _WALKS_SHARE))
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
        there = {found.path for found in result.files}
        self._refused = {path: refused for path, refused in self._refused.items() if path in there}
        wanted = tuple(found for found in result.files if not self._is_refused(found))
        known = {path: record for path, record in self._known.items() if path not in self._refused}
        plan = compare(wanted, known, self._looks, now_ns=self._clock_ns(), settle_ns=self._settle_ns)
        self._looks = plan.looks
        return plan

    def _is_refused(self, found: Found) -> bool:
        refused = self._refused.get(found.path)
        return refused is not None and refused[0] == found.stat

    async def _carry_out(self, plan: LibraryPlan) -> None:
        for record in plan.gone:
            await self._remove(record)
        for found in (*plan.look_again, *plan.hash_now):
            self._shelve(Shelved(found))
        there = {found.name for found, _record in plan.ready}
        there |= {found.name for found in (*plan.look_again, *plan.hash_now)}
        for name in [name for name in self._shelf if name not in there]:
            self._unshelve(name)
        stale = [found for found, record in plan.ready if not await self._take_up(found, record)]
        self._walked = True
        await self._hash_all((*plan.hash_now, *stale))

    async def _take_up(self, found: Found, record: LibraryRecord) -> bool:
        """Shelve a file that was hashed before; False when its manifest no longer fits and it must be made again."""
        shelved = self._shelf.get(found.name)
        if shelved is not None and shelved.payload_sha256 == record.payload_sha256:
            return True
        manifest = await self._catalogue.manifest(record.payload_sha256)
        if manifest is None or not self._fits(manifest):
            if record.file_id in await self._catalogue.withdrawn([record.file_id]):
                self._refuse(found, "it was taken down")
                return True
            self._shelve(Shelved(found))
            return False
        self._shelve(Shelved(found, record.file_id, record.payload_sha256))
        return True

    async def _hash_all(self, files: tuple[Found, ...]) -> None:
        waiting = iter(files)

        async def work() -> None:
            for found in waiting:
                await self._hash(found)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(self._hash_files, len(files))):
                tasks.create_task(work())

    async def _hash(self, found: Found) -> None:
        path = self._folder / os.fsdecode(found.path)

        def progressed(done_bytes: int) -> None:
            self._hashing[found.path] = done_bytes

        try:
            digests = await asyncio.to_thread(
                hash_file, path, on_progress=progressed, is_cancelled=lambda: self._stopping
            )
            if stat_of(await asyncio.to_thread(path.stat)) != found.stat:
                raise ManifestError("file_changed", "The file was replaced before it was read.")
            record = await self._publish(found, digests)
        except (DistributeError, OSError) as error:
            self._give_up(found, error)
            return
        finally:
            self._hashing.pop(found.path, None)
        await self._announce()
        self._known[found.path] = record
        self._shelve(Shelved(found, record.file_id, record.payload_sha256))

    def _give_up(self, found: Found, error: DistributeError | OSError) -> None:
        """A file that moved under our hands is looked at again; any other failure is told as its reason."""
        if isinstance(error, OSError) or error.code in ("file_changed", "file_not_found", "cancelled"):
            self._wake.set()
        elif error.code in ("catalogue_failed", "full"):
            raise error
        else:
            self._refuse(found, error.message)
            self._unshelve(found.name)

    async def _publish(self, found: Found, digests: FileDigests) -> LibraryRecord:
        """Sign a manifest, unless the content is what it was, and remember the file."""
        now_s = self._clock_ns() // 1_000_000_000
        before = self._known.get(found.path)
        current = await self._catalogue.manifest(before.payload_sha256) if before is not None else None
        if current is not None and current.file_id == digests.sha256 and self._fits(current):
            payload_sha256 = current.payload_sha256  # only touched: the same content needs no new version
        else:
            manifest = new_manifest(
                name=found.name,
                digests=digests,
                cause=self._cause,
                published_at_s=now_s,
                previous_version=await self._catalogue.newest_version(self._cause, found.name) or None,
            )
            envelope = sign_manifest(manifest, [self._key])
            verified = verify_envelope(envelope, pins=[self._key.public_key], now_s=now_s)
            await self._catalogue.put_manifest(
                manifest_record(verified, envelope), digests.segments, actor=ACTOR, at_s=now_s
            )
            payload_sha256 = verified.payload_sha256
        stat = found.stat
        record = LibraryRecord(found.path, stat.size_bytes, stat.mtime_ns, stat.inode, digests.sha256, payload_sha256)
        await self._catalogue.put_library(record)
        return record

    def _fits(self, manifest: ManifestRecord) -> bool:
        """Whether a manifest is of the cause and key that this folder has now."""
        return manifest.cause == self._cause and self._key.public_key in manifest.signed_by

    async def _remove(self, record: LibraryRecord) -> None:
        now_s = self._clock_ns() // 1_000_000_000
        await self._catalogue.drop_manifest(record.payload_sha256, actor=ACTOR, at_s=now_s)
        await self._catalogue.remove_library(record.path)
        await self._announce()
        self._known.pop(record.path, None)
        self._unshelve(shown(record.path))

    # --- the shelf ---

    def _shelve(self, shelved: Shelved) -> None:
        self._unshelve(shelved.found.name)
        self._shelf[shelved.found.name] = shelved
        if shelved.file_id is not None:
            self._names.setdefault(shelved.file_id, set()).add(shelved.found.name)

    def _unshelve(self, name: str) -> None:
        shelved = self._shelf.pop(name, None)
        if shelved is None or shelved.file_id is None:
            return
        names = self._names[shelved.file_id]
        names.discard(name)
        if not names:
            del self._names[shelved.file_id]

    def _refuse(self, found: Found, reason: str) -> None:
        self._refused[found.path] = (found.stat, Skipped(found.name, reason))
