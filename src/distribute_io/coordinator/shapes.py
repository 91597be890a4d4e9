"""The files that can be placed and matched, in memory: what a session's message needs to know of a file at once.

Kept in step with the catalogue by `refresh`; the catalogue stays the truth.
"""

from __future__ import annotations

from collections.abc import Iterator

from distribute_io.core.placement.model import FileView
from distribute_io.ids import CauseId, FileId
from distribute_io.stores.catalogue import PAGE_FILES_MAX, Catalogue, ManifestRecord
from distribute_io.stores.state import FileShape


class Shapes:
    """All published files. Caller's duties: `load` once; `refresh` for each file that was published or dropped; `weigh`
    when a cause was changed."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._shapes: dict[FileId, FileShape] = {}
        self.version = 0
        """Grows with each change."""
        self.segments = 0
        """Of all files."""
        self._weights: dict[CauseId, float] = {}

    async def load(self) -> None:
        """Read the whole catalogue."""
        await self.weigh()
        after = ""
        while page := await self._catalogue.files(after=after, limit=PAGE_FILES_MAX):
            for record in page:
                self._put(record.file_id, self._shapes.get(record.file_id) or _shape(record))
            after = page[-1].payload_sha256

    async def weigh(self) -> None:
        """Read the causes' weights."""
        weights = {record.cause: record.weight for record in await self._catalogue.causes()}
        if weights != self._weights:
            self._weights = weights
            self.version += 1

    def view(self, shape: FileShape) -> FileView:
        """A file as the planner sees it."""
        return FileView(
            file_id=shape.file_id,
            cause=shape.cause,
            segments=shape.segments,
            size_bytes=shape.size_bytes,
            segment_size_bytes=shape.segment_size_bytes,
            weight=self._weights.get(shape.cause, 1.0),
        )

    async def refresh(self, file_id: FileId) -> FileShape | None:
        """Read one file again; returns its shape, or None when it is no longer published."""
        records = await self._catalogue.manifests(file_id)
        if not records:
            self._put(file_id, None)
            return None
        shape = _shape(records[0])
        self._put(file_id, shape)
        return shape

    def _put(self, file_id: FileId, shape: FileShape | None) -> None:
        before = self._shapes.pop(file_id, None)
        if before == shape and before is not None:
            self._shapes[file_id] = before
            return
        self.version += 1
        self.segments -= before.segments if before is not None else 0
        if shape is not None:
            self._shapes[file_id] = shape
            self.segments += shape.segments

    def get(self, file_id: FileId) -> FileShape | None:
        """A published file."""
        return self._shapes.get(file_id)

    def all(self) -> list[FileShape]:
        """All published files, by id, so that no plan depends on the order of publication."""
        return [self._shapes[file_id] for file_id in sorted(self._shapes)]

    def parts(self, size: int) -> Iterator[list[FileShape]]:
        """The same in no order, so many at a time that others may have their turn between; as they are at first."""
        shapes = list(self._shapes.values())
        for start in range(0, len(shapes), size):
            yield shapes[start : start + size]


def _shape(record: ManifestRecord) -> FileShape:
    return FileShape(
        file_id=record.file_id,
        cause=record.cause,
        segments=record.segments,
        size_bytes=record.size_bytes,
        segment_size_bytes=record.segment_size_bytes,
    )
