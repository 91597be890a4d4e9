"""What a driver and its sources need of the file that is being downloaded, wherever its segments go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from distribute_io.download.file_digest import FileDigest
from distribute_io.errors import DistributeError
from distribute_io.ids import SegmentDigest, SegmentIndex
from distribute_io.manifest.model import Manifest
from distribute_io.manifest.segments import SegmentList, VerifiedSegment


class SegmentStore(Protocol):
    """Where verified segments go: a part file, or a stream. `write` and `read` are called from any thread."""

    is_readable: bool
    """Whether what was written can be read again."""

    def write(self, index: SegmentIndex, segment: VerifiedSegment) -> None:
        """Take one segment. Raises `StoreError`."""
        ...

    def read(self, start_byte: int, view: memoryview) -> None:
        """Fill `view` with bytes that were written. Raises `StoreError`."""
        ...

    def when_kept(self, index: SegmentIndex, then: Callable[[], None]) -> None:
        """Run `then` on the loop, at once or later, when a written segment occupies no memory of ours any more."""
        ...

    def failure(self) -> DistributeError | None:
        """What went wrong in a thread of the store's own, if anything did."""
        ...


class SegmentFile:
    """A file that is being downloaded, as the driver and the sources see it.

    Args:
        store: where verified segments go.
        manifest: what the file is.
        segment_list: what its segments are.
        digest: of the whole file, which wants bytes that are in memory; None: the store sees to it.
    """

    def __init__(
        self, store: SegmentStore, manifest: Manifest, segment_list: SegmentList, digest: FileDigest | None
    ) -> None:
        self._store = store
        self.is_readable = store.is_readable
        self._digest = digest
        self._segment_list = segment_list
        self.size_bytes = manifest.size_bytes
        self.segment_size_bytes = manifest.segment_size_bytes

    def digest(self, index: SegmentIndex) -> SegmentDigest:
        """The SHA-256 that the segment must have."""
        return self._segment_list[index]

    def write(self, index: SegmentIndex, segment: VerifiedSegment) -> None:
        """Write it at its place. Raises `StoreError`."""
        self._store.write(index, segment)

    def read(self, start_byte: int, view: memoryview) -> None:
        """Fill `view` with verified bytes from `start_byte` on. Raises `StoreError`."""
        self._store.read(start_byte, view)

    def when_kept(self, index: SegmentIndex, then: Callable[[], None]) -> None:
        """Run `then` on the loop when a written segment needs no memory of ours any more."""
        self._store.when_kept(index, then)

    def written(self, index: SegmentIndex, view: memoryview, release: Callable[[], None]) -> None:
        """Offer the bytes to the whole file's digest, which is spared reading them again."""
        if self._digest is None:
            release()
        else:
            self._digest.offer(index * self.segment_size_bytes, view, release)
