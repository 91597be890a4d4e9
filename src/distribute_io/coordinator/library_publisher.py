"""From a file of the folder to its signed manifest in the catalogue."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from distribute_io.coordinator.library_scan import FileStat, Found, stat_of
from distribute_io.errors import ManifestError
from distribute_io.ids import CauseId
from distribute_io.manifest.build import is_renewal_due, new_manifest, renewed, sign_manifest
from distribute_io.manifest.document import verify_envelope
from distribute_io.manifest.dsse import open_envelope
from distribute_io.manifest.hashing import FileDigests, hash_file
from distribute_io.manifest.keys import SigningKey
from distribute_io.manifest.model import Manifest
from distribute_io.manifest.payload import parse_payload
from distribute_io.stores.catalogue import PAGE_FILES_MAX, Catalogue, LibraryRecord, ManifestRecord
from distribute_io.stores.records import manifest_record
from distribute_io.wire.http import Envelope

ACTOR: Final = "library"


class Publisher:
    """Writes the catalogue's rows about the folder. Reads files, never writes to the folder."""

    def __init__(
        self,
        *,
        folder: Path,
        cause: CauseId,
        key: SigningKey,
        catalogue: Catalogue,
        hash_files: int,
        life_s: int | None,
        clock_ns: Callable[[], int],
    ) -> None:
        """Keep the parts.

        Args:
            hash_files: files that may be hashed at once.
            life_s: how long a manifest is good for, in seconds; None for ever.
            clock_ns: gives nanoseconds since 1970.
        """
        self._folder = folder
        self._cause = cause
        self._key = key
        self._catalogue = catalogue
        self._life_s = life_s
        self._clock_ns = clock_ns
        self._stopping = threading.Event()
        # Threads of their own: hashing for hours in asyncio's few would keep the mirror from opening files.
        self._threads = ThreadPoolExecutor(hash_files, thread_name_prefix="library-hash")
        self.reading: dict[bytes, int] = {}
        """Bytes read so far of the files that are being hashed."""

    def stop(self) -> None:
        """End the threads that hash; they notice within a MiB."""
        self._stopping.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def published(self) -> set[str]:
        """The payload digests of all manifests of this cause and key."""
        found: set[str] = set()
        after = ""
        while page := await self._catalogue.files(cause=self._cause, after=after, limit=PAGE_FILES_MAX):
            found.update(record.payload_sha256 for record in page if self._fits(record))
            after = page[-1].payload_sha256
        return found

    async def is_withdrawn(self, record: LibraryRecord) -> bool:
        """Whether the content was taken down."""
        return bool(await self._catalogue.withdrawn([record.file_id]))

    async def publish(self, found: Found, before: LibraryRecord | None) -> LibraryRecord:
        """Hash a file, sign a manifest unless the content is what it was, and remember both.

        Args:
            found: the file as it was seen.
            before: what was known of its path.

        Raises:
            ManifestError: `file_changed` when it is no longer as it was seen; others name what cannot be published.
            RefusedError: what the catalogue does not take.
            UsageError: `cancelled`, `file_not_found`, `not_a_file`.
            StoreError: the file or the catalogue failed.
        """
        digests = await self._hash(found)
        payload_sha256 = await self._unchanged(before, digests)
        if payload_sha256 is None:
            payload_sha256 = await self._sign(found, digests)
        stat = found.stat
        record = LibraryRecord(found.path, stat.size_bytes, stat.mtime_ns, stat.inode, digests.sha256, payload_sha256)
        await self._catalogue.put_library(record)
        return record

    async def renew(self, record: LibraryRecord, is_current: Callable[[], bool]) -> LibraryRecord | None:
        """Sign a file's manifest again if its life is half over; None if it is not.

        Args:
            record: what is known of the file.
            is_current: whether that is still so, asked before anything is written: the file may be hashed meanwhile.

        Raises:
            RefusedError: what the catalogue does not take.
            StoreError: the catalogue failed.
        """
        before = await self._catalogue.manifest(record.payload_sha256)
        if before is None or not self._fits(before):
            return None
        payload, _signers = open_envelope(msgspec.json.decode(before.envelope, type=Envelope), [self._key.public_key])
        manifest = parse_payload(payload)
        now_s = self._now_s()
        if not is_renewal_due(manifest, life_s=self._life_s, now_s=now_s):
            return None
        segments = await self._catalogue.segment_list(before.segments_sha256)
        if segments is None or not is_current():
            return None
        payload_sha256 = await self._put(renewed(manifest, life_s=self._life_s, now_s=now_s), segments)
        again = msgspec.structs.replace(record, payload_sha256=payload_sha256)
        if not is_current():
            return None
        await self._catalogue.put_library(again)
        return again

    async def remove(self, record: LibraryRecord) -> None:
        """The file is gone: forget its manifest and row."""
        await self._catalogue.drop_manifest(record.payload_sha256, actor=ACTOR, at_s=self._now_s())
        await self._catalogue.remove_library(record.path)

    async def _hash(self, found: Found) -> FileDigests:
        path = self._folder / os.fsdecode(found.path)

        def progressed(done_bytes: int) -> None:
            self.reading[found.path] = done_bytes

        def read() -> tuple[FileDigests, FileStat]:
            digests = hash_file(path, on_progress=progressed, is_cancelled=self._stopping.is_set)
            return digests, stat_of(path.stat())

        try:
            digests, seen = await asyncio.get_running_loop().run_in_executor(self._threads, read)
        except OSError as error:
            raise ManifestError("file_changed", "The file vanished while it was read.") from error
        finally:
            self.reading.pop(found.path, None)
        if seen != found.stat:
            raise ManifestError("file_changed", "The file was replaced before it was read.")
        return digests

    async def _unchanged(self, before: LibraryRecord | None, digests: FileDigests) -> str | None:
        """The manifest that still fits a file which was only touched."""
        if before is None or before.file_id != digests.sha256:
            return None
        manifest = await self._catalogue.manifest(before.payload_sha256)
        return manifest.payload_sha256 if manifest is not None and self._fits(manifest) else None

    async def _sign(self, found: Found, digests: FileDigests) -> str:
        now_s = self._now_s()
        manifest = new_manifest(
            name=found.name,
            digests=digests,
            cause=self._cause,
            published_at_s=now_s,
            expires_at_s=None if self._life_s is None else now_s + self._life_s,
            previous_version=await self._catalogue.newest_version(self._cause, found.name) or None,
        )
        return await self._put(manifest, digests.segments)

    async def _put(self, manifest: Manifest, segments: bytes) -> str:
        now_s = self._now_s()
        envelope = sign_manifest(manifest, [self._key])
        verified = verify_envelope(envelope, pins=[self._key.public_key], now_s=now_s)
        record = manifest_record(verified, envelope)
        await self._catalogue.put_manifest(record, segments, actor=ACTOR, at_s=now_s)
        return record.payload_sha256

    def _fits(self, manifest: ManifestRecord) -> bool:
        """Whether a manifest is of the cause and key that this folder has now."""
        return manifest.cause == self._cause and self._key.public_key in manifest.signed_by

    def _now_s(self) -> int:
        return self._clock_ns() // 1_000_000_000
