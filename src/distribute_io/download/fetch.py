"""One download from its plan to the finished file: part file, whole-file digest, sources, rounds.

Rules:

1. The file gets its name only after every segment and the whole file were found right.
2. If the whole file's digest is wrong although each segment was right when it was written, the disk (or a program)
   changed it: the segments are hashed again, wrong ones fetched once more. If all are right, the manifest contradicts
   itself, and that is an integrity failure.
3. However a download ends, its part file can be resumed.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from distribute_io.core import runs as run_sets
from distribute_io.core.mirror_answer import is_replaced, judge_link
from distribute_io.core.runs import Runs
from distribute_io.core.scheduler import messages as m
from distribute_io.download.driver import Driver, GaveUpError
from distribute_io.download.file_digest import FileDigest
from distribute_io.download.mirror import MirrorParts, MirrorSource, SegmentWriter
from distribute_io.download.part_file import PartFile
from distribute_io.download.plan import DownloadPlan
from distribute_io.download.rate_limit import RateLimit
from distribute_io.download.segment_file import SegmentFile, SegmentStore
from distribute_io.errors import IntegrityError, RefusedError, SourceError, UsageError
from distribute_io.ids import FileId, SegmentIndex, SourceId
from distribute_io.manifest.segments import segment_range
from distribute_io.transport.dial import HttpPolicy

CONNECTIONS_PER_MIRROR: Final = 2
"""One that reads, and one that overlaps the next request with the end of the present one (rule S6). Two that read at
distant places cost more processor time: the whole file's digest has to read half of it back."""

_IN_FLIGHT_BYTES_MAX: Final = 64 * 2**20
"""Sixteen of the largest segments: what is received and not verified yet stays in memory."""

_MIRRORS_GRACE_US: Final = 5_000_000
_PEERS_GRACE_US: Final = 20_000_000
"""A download from donors alone waits longer: a session, an introduction and a handshake come before the first one."""

_ROUNDS_MAX: Final = 3
_WATCH_EVERY_S: Final = 0.25
_JOIN_S: Final = 1.0


class SourceFigures(Struct, frozen=True, kw_only=True):
    """One source, for people and for `--json`."""

    source: str
    kind: m.SourceKind
    bytes: int
    """Bytes of verified segments."""
    received_bytes: int
    rate_bytes_per_s: int | None
    state: m.SourceState
    reason: str | None


class Snapshot(Struct, frozen=True, kw_only=True):
    """How far a download is."""

    name: str
    size_bytes: int
    held_bytes: int
    """Verified and written, what an earlier run left included."""
    resumed_bytes: int
    sources: tuple[SourceFigures, ...]


class FetchResult(Struct, frozen=True, kw_only=True):
    """A finished download."""

    path: Path
    sha256: FileId
    seconds: float
    resumed_bytes: int
    segments: int
    segments_rejected: int
    sources: tuple[SourceFigures, ...]
    banned: tuple[str, ...]


class Peers(Protocol):
    """Donors as sources: found through the coordinator's session, for as long as the download runs."""

    async def attach(self, driver: Driver, writer: SegmentWriter, exits: AsyncExitStack) -> None:
        """Begin to look for donors and add them to the driver; register on `exits` how to end that."""
        ...


class FetchOptions(Struct, frozen=True, kw_only=True):
    """How to download."""

    target: Path
    policy: HttpPolicy
    limit: RateLimit | None = None
    mirror_use: m.Policy = "balanced"
    """How much to spare the mirrors (spec/scheduler.md, S9)."""
    on_snapshot: Callable[[Snapshot], None] | None = None


class Round(Struct, frozen=True, kw_only=True):
    """What one pass over the file is to do."""

    held: Runs
    """Segments that are there."""
    resumed: Runs
    """Those of them that an earlier run left."""
    on_front: Callable[[int], None]
    """Told how many bytes from the file's beginning on are verified and written."""
    in_order: bool = False
    """Whether segments leave one after another (rule S17)."""


def require_sources(plan: DownloadPlan, peers: Peers | None) -> None:
    """Raises `UsageError` `no_sources` where nothing could deliver the plan's file."""
    if plan.manifest.size_bytes and not plan.mirrors and peers is None:
        raise UsageError("no_sources", f"no mirror of {plan.manifest.name} is known; --coordinator URL finds donors")


async def fetch(plan: DownloadPlan, options: FetchOptions, *, peers: Peers | None) -> FetchResult:
    """Download a file. Cancelling it leaves a part file that the next call resumes.

    Args:
        plan: what to fetch, verified.
        options: where to, and how.
        peers: donors, or None for mirrors only.

    Raises:
        UsageError: `no_sources`, `file_exists`.
        RefusedError: `link_changed`, the link that was typed leads to another file.
        SourceError: no source could deliver; the text names each source's reason.
        IntegrityError: `all_sources_lie` or `file_mismatch`.
        StoreError: our own disk failed.
    """
    require_sources(plan, peers)
    part = PartFile(options.target, plan.manifest, plan.segment_list)
    resumed = await asyncio.to_thread(part.open)
    try:
        result = await _FileDownload(plan, options, peers, part).run(resumed)
        await asyncio.to_thread(part.finish)
    finally:
        # After `finish` there is nothing left to close; after a failure what was written becomes durable.
        await asyncio.shield(asyncio.to_thread(part.close))
    return result


class Download:
    """What downloads into files and into streams have in common: sources, what is shown, and why it failed."""

    def __init__(self, plan: DownloadPlan, options: FetchOptions, peers: Peers | None) -> None:
        self._plan = plan
        self._manifest = plan.manifest
        self._options = options
        self._peers = peers
        self._rejected = 0
        self._banned: list[str] = []
        self._figures: dict[str, SourceFigures] = {}
        self._link: MirrorSource | None = None
        self._changed: SourceId | None = None
        """The link, if it is banned and seems to lead to another file by now."""

    async def drive(
        self,
        file: SegmentFile,
        store: SegmentStore,
        round_: Round,
        *,
        on_driver: Callable[[Driver], None] = lambda _: None,
    ) -> None:
        """Fetch all segments that the round lacks. `on_driver` is called once, before anything is asked for."""
        manifest = self._manifest
        config = m.SchedulerConfig(
            size_bytes=manifest.size_bytes,
            segment_size_bytes=manifest.segment_size_bytes,
            missing=run_sets.difference(run_sets.whole(len(self._plan.segment_list)), round_.held),
            policy=self._options.mirror_use,
            max_in_flight_bytes=_IN_FLIGHT_BYTES_MAX,
            no_source_grace_us=_PEERS_GRACE_US if self._peers is not None else _MIRRORS_GRACE_US,
            in_order=round_.in_order,
        )
        async with AsyncExitStack() as exits:
            driver = Driver(
                file,
                config=config,
                held=round_.held,
                on_front=round_.on_front,
                on_dropped=lambda source_id, code: self._judge_link(driver, source_id, code),
            )
            exits.callback(driver.close)
            on_driver(driver)
            try:
                await self._fetch_all(driver, file, store, exits, round_.resumed)
            finally:
                self._note(driver)
                self._show(driver, round_.resumed)  # also what a failure left

    def result(self, path: Path, sha256: FileId, *, seconds: float, resumed: Runs) -> FetchResult:
        """The download's outcome, after `drive`."""
        return FetchResult(
            path=path,
            sha256=sha256,
            seconds=seconds,
            resumed_bytes=self._bytes_of(resumed),
            segments=len(self._plan.segment_list),
            segments_rejected=self._rejected,
            sources=tuple(self._figures.values()),
            banned=tuple(self._banned),
        )

    async def _fetch_all(
        self, driver: Driver, file: SegmentFile, store: SegmentStore, exits: AsyncExitStack, resumed: Runs
    ) -> None:
        watcher = asyncio.ensure_future(self._watch(driver, store, resumed))
        exits.callback(watcher.cancel)
        running = asyncio.ensure_future(driver.run())
        exits.callback(running.cancel)
        self._add_mirrors(driver, file)
        if self._peers is not None:
            await self._peers.attach(driver, file, exits)
        await asyncio.wait({watcher, running}, return_when=asyncio.FIRST_COMPLETED)
        if watcher.done():
            watcher.result()  # raises what the store's own thread met
        try:
            await running
        except GaveUpError as error:
            raise self._explain(error.action, driver) from error

    def _add_mirrors(self, driver: Driver, file: SegmentFile) -> None:
        policy = self._options.policy
        if self._plan.allow_private:
            policy = policy.allowing_private()
        for mirror in self._plan.mirrors:
            parts = MirrorParts(
                url=mirror.url, writer=file, sink=driver, post=driver.post, policy=policy, limit=self._options.limit
            )
            source = MirrorSource(parts, connections_max=CONNECTIONS_PER_MIRROR)
            if mirror.url == self._plan.link:
                self._link = source
            driver.add_source(
                SourceId(mirror.url),
                source,
                kind="mirror",
                holdings=None,
                slots=CONNECTIONS_PER_MIRROR,
                host="{0.scheme}://{0.netloc}".format(urlsplit(mirror.url)),
            )

    def _judge_link(self, driver: Driver, source_id: SourceId, code: str) -> None:
        """A mirror was dropped. If it is the link that was typed, that may lead to another file by now (M6)."""
        if self._link is None or source_id != self._plan.link:
            return
        replaced = is_replaced(self._link.last_modified_s, self._manifest.published_at_s)
        verdict = judge_link(code, replaced=replaced, pinned=self._plan.verified.pinned)
        if verdict == "ban":
            self._changed = source_id
        elif verdict == "follow":
            driver.fail(
                RefusedError(
                    "link_changed",
                    f"{self._plan.link} leads to another file than {self._plan.coordinator} knows it by, so this one "
                    "cannot be verified; the coordinator's publisher can publish it anew",
                )
            )

    async def _watch(self, driver: Driver, store: SegmentStore, resumed: Runs) -> None:
        """Tell how far it is, now and then, and look after the store's thread."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            failure = store.failure()
            if failure is not None:
                raise failure
            self._show(driver, resumed)

    def _show(self, driver: Driver, resumed: Runs) -> None:
        if self._options.on_snapshot is not None:
            self._options.on_snapshot(self._snapshot(driver, resumed))

    def _snapshot(self, driver: Driver, resumed: Runs) -> Snapshot:
        size = self._manifest.size_bytes
        missing = driver.missing()
        return Snapshot(
            name=self._manifest.name,
            size_bytes=size,
            held_bytes=size - self._bytes_of(missing),
            resumed_bytes=self._bytes_of(resumed),
            sources=tuple(self._figures_of(status) for status in driver.source_table()),
        )

    def _note(self, driver: Driver) -> None:
        """Add a round's figures to those before."""
        self._rejected += driver.segments_rejected
        self._banned += [source_id for source_id in driver.banned if source_id not in self._banned]
        for status in driver.source_table():
            figures = self._figures_of(status)
            before = self._figures.get(figures.source)
            if before is not None:
                figures = SourceFigures(
                    source=figures.source,
                    kind=figures.kind,
                    bytes=before.bytes + figures.bytes,
                    received_bytes=before.received_bytes + figures.received_bytes,
                    rate_bytes_per_s=figures.rate_bytes_per_s,
                    state=figures.state,
                    reason=figures.reason or before.reason,
                )
            self._figures[figures.source] = figures

    def _explain(self, action: m.Fail, driver: Driver) -> Exception:
        rows = [self._figures_of(status) for status in driver.source_table()]
        reasons = "; ".join(f"{row.source}: {row.reason}" for row in rows if row.reason is not None)
        if any(row.reason == "mirror_private_address" for row in rows):
            reasons += "; --allow-private permits private addresses"
        name = self._manifest.name
        if action.reason == "integrity":
            return IntegrityError(
                "all_sources_lie", f"no source delivers {name} as its manifest says, so it was given up ({reasons})"
            )
        if action.code == "no_progress":
            return SourceError("stalled", f"{name}: nothing came for too long ({reasons or 'no source answers'})")
        return SourceError("mirror_unreachable", f"{name}: no source can deliver it ({reasons or 'none is known'})")

    def _figures_of(self, status: m.SourceStatus) -> SourceFigures:
        """A row of the scheduler's table, as it is shown."""
        return SourceFigures(
            source=status.source_id,
            kind=status.kind,
            bytes=status.verified_bytes,
            received_bytes=status.received_bytes,
            rate_bytes_per_s=status.rate_bytes_per_s,
            state=status.state,
            reason="link_changed" if status.state == "banned" and status.source_id == self._changed else status.reason,
        )

    def _bytes_of(self, segments: Runs) -> int:
        manifest = self._manifest
        return run_sets.size_bytes(segments, file_bytes=manifest.size_bytes, segment_bytes=manifest.segment_size_bytes)


class _FileDownload(Download):
    def __init__(self, plan: DownloadPlan, options: FetchOptions, peers: Peers | None, part: PartFile) -> None:
        super().__init__(plan, options, peers)
        self._part = part

    async def run(self, resumed: Runs) -> FetchResult:
        started = time.monotonic()
        held = resumed
        for _ in range(_ROUNDS_MAX):
            sha256 = await self._round(held, resumed)
            if sha256 == self._manifest.sha256:
                seconds = time.monotonic() - started
                return self.result(self._options.target, sha256, seconds=seconds, resumed=resumed)
            spoilt = await asyncio.to_thread(self._find_spoilt)
            if not spoilt:
                break
            await asyncio.to_thread(self._part.forget, spoilt)
            held = run_sets.difference(run_sets.whole(len(self._plan.segment_list)), spoilt)
            resumed = run_sets.intersection(resumed, held)
        raise IntegrityError(
            "file_mismatch",
            f"{self._manifest.name}: every segment is as the manifest says, but the whole file's SHA-256 is not: its "
            "publisher must make the manifest anew",
        )

    async def _round(self, held: Runs, resumed: Runs) -> FileId:
        """Fetch what `held` lacks; returns the SHA-256 of what is in the part file then."""
        manifest = self._manifest
        digest = FileDigest(self._part, manifest.size_bytes)
        try:
            if run_sets.difference(run_sets.whole(len(self._plan.segment_list)), held):
                file = SegmentFile(self._part, manifest, self._plan.segment_list, digest)
                await self.drive(file, self._part, Round(held=held, resumed=resumed, on_front=digest.advance))
            else:
                digest.advance(manifest.size_bytes)
            return await asyncio.to_thread(digest.result)
        finally:
            digest.stop()

    def _find_spoilt(self) -> Runs:
        """Hash every segment of the part file again; returns those that are wrong."""
        size = self._manifest.size_bytes
        spoilt: list[int] = []
        for index, digest in enumerate(self._plan.segment_list):
            start, end = segment_range(size, SegmentIndex(index))
            data = bytearray(end - start)
            self._part.read(start, memoryview(data))
            if hashlib.sha256(data).digest() != digest:
                spoilt.append(index)
        return run_sets.of_indices(spoilt)
