"""The files that can be placed and matched, in memory: what a session's message needs to know of a file at once.

Kept in step with the catalogue by `refresh`; the catalogue stays the truth.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from distribute_io.ids import FileId
from distribute_io.stores.catalogue import PAGE_FILES_MAX, Catalogue, ManifestRecord
from distribute_io.stores.state import FileShape

SEGMENTS_PLANNED_MAX: Final = 200_000
"""Segments that one plan looks at: about 100 ms. Of larger catalogues each plan sees another part."""


class Shapes:
    """All published files. Caller's duties: `load` once; `refresh` for each file that was published or dropped."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._shapes: dict[FileId, FileShape] = {}

    async def load(self) -> None:
        """Read the whole catalogue."""
        after = ""
        while page := await self._catalogue.files(after=after, limit=PAGE_FILES_MAX):
            for record in page:
                self._shapes.setdefault(record.file_id, _shape(record))
            after = page[-1].payload_sha256

    async def refresh(self, file_id: FileId) -> FileShape | None:
        """Read one file again; returns its shape, or None when it is no longer published."""
        records = await self._catalogue.manifests(file_id)
        if not records:
            self._shapes.pop(file_id, None)
            return None
        shape = _shape(records[0])
        self._shapes[file_id] = shape
        return shape

    def get(self, file_id: FileId) -> FileShape | None:
        """A published file."""
        return self._shapes.get(file_id)

    def for_plan(self, held: Iterable[FileId], turn: int) -> list[FileShape]:
        """The files that a plan looks at: those in `held`, and as many others as fit, beginning `turn` places on."""
        shapes = {file_id: self._shapes[file_id] for file_id in held if file_id in self._shapes}
        budget = SEGMENTS_PLANNED_MAX - sum(shape.segments for shape in shapes.values())
        everything = list(self._shapes.values())
        start = turn % len(everything) if everything else 0
        for shape in (*everything[start:], *everything[:start]):
            if shape.file_id in shapes:
                continue
            budget -= shape.segments
            if budget < 0:
                break
            shapes[shape.file_id] = shape
        # By id, so that the plan does not depend on the order of publication.
        return [shapes[file_id] for file_id in sorted(shapes)]


def _shape(record: ManifestRecord) -> FileShape:
    return FileShape(
        file_id=record.file_id,
        cause=record.cause,
        segments=record.segments,
        size_bytes=record.size_bytes,
        segment_size_bytes=record.segment_size_bytes,
    )
