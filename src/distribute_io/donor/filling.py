"""Fetches what the donor was assigned and lacks and no other donor gives, from mirrors, one run after the other.

Rules:

1. Nothing is believed: the file's manifest must be signed, its segment list must be the one that the manifest names,
   and each segment must have its digest. (Whose key signed is the downloader's question: a donor only keeps bytes that
   are what some publisher of its causes says they are.)
2. Other donors are asked first (`fill_peers.py`). Mirrors are asked on one connection, for one segment at a time, with
   pauses in between (`core/fill_pace.py`), most valuable file first: filling must not disturb downloads.
3. A mirror that fails, or takes too long for a segment, is left alone for a while, and the next one is asked.
4. The assignment is looked at again after each segment: what is not wanted any more is not fetched.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from distribute_io.core import runs as run_sets
from distribute_io.core.fill_pace import FillPace
from distribute_io.core.runs import Runs
from distribute_io.donor.store import SegmentStore
from distribute_io.errors import DistributeError, IntegrityError, ManifestError, RefusedError, SourceError
from distribute_io.ids import FileId, SegmentIndex
from distribute_io.manifest.document import verify_envelope
from distribute_io.manifest.model import Manifest
from distribute_io.manifest.payload import check_file_id
from distribute_io.manifest.segments import (
    DIGEST_BYTES,
    SegmentList,
    segment_count,
    segment_range,
    verify_segment,
    verify_segment_list,
)
from distribute_io.transport.coordinator_api import CoordinatorApi
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.http_source import HttpSource
from distribute_io.wire.http import FileEntry

Target = tuple[tuple[FileId, Runs], ...]
"""What is assigned, most valuable file first."""

_FILES_KEPT: Final = 16
"""Segment lists kept in memory: 256 KiB each at most for files of 8 GiB."""

_RUN_SEGMENTS_MAX: Final = 32
_MIRROR_REST_S: Final = 30.0
_SEGMENT_TIMEOUT_S: Final = 60.0
"""For one segment, of 4 MiB at most: slower is no help, and a mirror that drips would hold the filling for ever."""


FILL_BYTES_PER_S: Final = 64 * 1024 * 1024
"""Highest rate of filling from mirrors: a headless donor has a better line than a page (4 MiB/s)."""


class KnownFile(Struct, frozen=True):
    """A file whose manifest and segment list hold."""

    manifest: Manifest
    segment_list: SegmentList
    mirrors: tuple[str, ...]

    def size_of(self, index: int) -> int:
        """Size of a segment in bytes."""
        start, end = segment_range(self.manifest.size_bytes, SegmentIndex(index))
        return end - start


class Gap(Struct, frozen=True):
    """The next run to fetch."""

    file_id: FileId
    start: int
    end: int


def next_gap(target: Target, holdings: Callable[[FileId], Runs], skipped: frozenset[FileId]) -> Gap | None:
    """The first run that is assigned and not held, not longer than `_RUN_SEGMENTS_MAX`; None when nothing is lacking.

    Args:
        target: what is assigned.
        holdings: what is held of a file.
        skipped: files that cannot be fetched now.
    """
    for file_id, wanted in target:
        if file_id in skipped:
            continue
        lacking = run_sets.difference(wanted, holdings(file_id))
        if lacking:
            start, end = lacking[0]
            return Gap(file_id, start, min(end, start + _RUN_SEGMENTS_MAX))
    return None


class Filler:
    """Fetches gaps. Blocking: for a thread of its own; `abort` may come from any thread."""

    def __init__(
        self,
        api: CoordinatorApi,
        store: SegmentStore,
        *,
        policy: HttpPolicy,
        segment_timeout_s: float = _SEGMENT_TIMEOUT_S,
        ceiling_bytes_per_s: int = FILL_BYTES_PER_S,
    ) -> None:
        self._segment_timeout_s = segment_timeout_s
        self._pace = FillPace(ceiling_bytes_per_s=ceiling_bytes_per_s, now_us=_now_us())
        self._api = api
        self._store = store
        self._policy = policy
        self._files: OrderedDict[FileId, KnownFile] = OrderedDict()
        self._resting: dict[str, float] = {}
        self._source: HttpSource | None = None
        self._aborted = threading.Event()
        self._rests = False

    def fetch(
        self,
        gap: Gap,
        *,
        still_wanted: Callable[[FileId, int], bool],
        make_room: Callable[[FileId, int], bool],
        on_segment: Callable[[FileId, int], None],
    ) -> bool:
        """Fetch one run into the store.

        Args:
            gap: what to fetch.
            still_wanted: asked before each segment, with its index.
            make_room: asked before each segment, with its size; False ends the run.
            on_segment: told after each segment that was stored, with its size.

        Returns:
            False when the store has no room for more of it.

        Raises:
            RefusedError, IntegrityError, ManifestError: the file's description cannot be had or trusted.
            SourceError: no mirror delivers.
            StoreError: our own disk failed.
        """
        known = self.describe(gap.file_id)
        if gap.end > len(known.segment_list):
            raise ManifestError("manifest_bad_size", "the assignment reaches beyond the end of the file")
        failure: SourceError | IntegrityError | None = None
        at = gap.start
        for url in self._usable(known.mirrors):
            try:
                while at < gap.end:
                    if self._aborted.is_set() or self._rests or not still_wanted(gap.file_id, at):
                        return True
                    if not make_room(gap.file_id, known.size_of(at)):
                        return False
                    began_us = _now_us()
                    if not self._fetch_one(known, url, at):
                        return False
                    on_segment(gap.file_id, known.size_of(at))
                    self._pause(known.size_of(at), began_us)
                    at += 1
            except (SourceError, IntegrityError) as error:
                if self._rests:
                    return True  # it is we who broke it off
                failure = error
                self._resting[url] = time.monotonic() + _MIRROR_REST_S
            else:
                return True
            finally:
                self._drop_source()
        raise failure or SourceError("mirror_unreachable", f"no mirror of {known.manifest.name} can be asked now")

    def forget(self, file_id: FileId) -> None:
        """The file was withdrawn, or its description is to be asked for again."""
        self._files.pop(file_id, None)

    def rest(self, *, rests: bool) -> None:
        """Break off what is going on and begin nothing, or go on. From any thread."""
        self._rests = rests
        source = self._source
        if rests and source is not None:
            source.abort()

    def abort(self) -> None:
        """End what is going on; nothing more is fetched."""
        self._aborted.set()
        source = self._source
        if source is not None:
            source.abort()

    def describe(self, file_id: FileId) -> KnownFile:
        """What is to be known of a file before any of it is fetched.

        Raises:
            RefusedError, IntegrityError, ManifestError: it cannot be had or trusted.
        """
        known = self._files.get(file_id)
        if known is None:
            known = self._ask(file_id)
            self._files[file_id] = known
            while len(self._files) > _FILES_KEPT:
                self._files.popitem(last=False)
        self._files.move_to_end(file_id)
        return known

    # ---

    def _ask(self, file_id: FileId) -> KnownFile:
        entry = self._api.file(file_id)
        manifest = _checked_manifest(entry, file_id)
        size = segment_count(manifest.size_bytes) * DIGEST_BYTES
        raw = self._api.segments(entry.segments_url, limit_bytes=size + 1)
        listed = verify_segment_list(raw, size_bytes=manifest.size_bytes, segments_sha256=manifest.segments_sha256)
        ranked = sorted(entry.mirrors, key=lambda mirror: mirror.priority)
        return KnownFile(manifest, listed, tuple(mirror.url for mirror in ranked))

    def _usable(self, mirrors: tuple[str, ...]) -> list[str]:
        now = time.monotonic()
        self._resting = {url: until for url, until in self._resting.items() if until > now}
        return [url for url in mirrors if url not in self._resting]

    def _fetch_one(self, known: KnownFile, url: str, index: int) -> bool:
        """Fetch and store one segment."""
        manifest = known.manifest
        buffer = memoryview(bytearray(known.size_of(index)))
        if self._source is None:
            self._source = HttpSource(url, size_bytes=manifest.size_bytes, policy=self._policy)
        with self._source.within(self._segment_timeout_s):
            # One request for each segment: of a longer answer the next part would come during the pause.
            body = self._source.open_range(*segment_range(manifest.size_bytes, SegmentIndex(index)))
            filled = 0
            while filled < len(buffer):
                filled += body.readinto(buffer[filled:])
        segment = verify_segment(buffer, known.segment_list[SegmentIndex(index)])
        return self._store.put(manifest.sha256, SegmentIndex(index), segment)

    def _pause(self, size_bytes: int, began_us: int) -> None:
        now_us = _now_us()
        pause_us = self._pace.pause_us(size_bytes=size_bytes, elapsed_us=now_us - began_us, now_us=now_us)
        self._aborted.wait(pause_us / 1_000_000)

    def _drop_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.drop()


def _checked_manifest(entry: FileEntry, file_id: FileId) -> Manifest:
    failure: DistributeError | None = None
    for envelope in entry.manifests:
        try:
            verified = verify_envelope(envelope, now_s=int(time.time()))
            check_file_id(verified.manifest, file_id)
        except (IntegrityError, ManifestError) as error:
            failure = failure or error
        else:
            return verified.manifest
    raise failure or RefusedError("coordinator_malformed", "the coordinator has no manifest of a file it assigned")


def _now_us() -> int:
    return time.monotonic_ns() // 1000
