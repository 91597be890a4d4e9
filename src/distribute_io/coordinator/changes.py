"""Follows what changes in the catalogue, whoever changed it: this process, or a `dio unpublish` beside it.

The audit is the log of changes. It is read after each change of our own and twice a second for those of others;
from here the placement learns what is there.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from distribute_io.coordinator.demand_desk import DemandDesk
from distribute_io.coordinator.library import Library
from distribute_io.coordinator.sessions import Sessions
from distribute_io.coordinator.shapes import Shapes
from distribute_io.errors import DistributeError
from distribute_io.ids import FileId
from distribute_io.stores.catalogue import AuditRecord, Catalogue

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5
_BATCH: Final = 1_000


class Changes:
    """Caller's duties: `begin` before anything may change, then run `run`."""

    def __init__(
        self,
        catalogue: Catalogue,
        shapes: Shapes,
        sessions: Sessions,
        demand: DemandDesk,
        library: Library | None,
    ) -> None:
        self._catalogue = catalogue
        self._shapes = shapes
        self._sessions = sessions
        self._demand = demand
        self._library = library
        self._seen = 0
        self._looking = asyncio.Lock()

    async def begin(self) -> None:
        """Note where the log ends, then read the catalogue as it is: nothing between the two is missed."""
        newest = await self._catalogue.audit(1)
        self._seen = newest[0].entry if newest else 0
        await self._shapes.load()
        self._demand.begin({shape.file_id for shape in self._shapes.all()})

    async def run(self) -> None:
        """Follow the log until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except DistributeError as error:
                log.warning("The catalogue's changes could not be read (%s); trying again.", error.code)

    async def look(self) -> None:
        """Act on what changed since the last look; when it returns, all that was written before it began is known."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        while entries := await self._catalogue.audit_after(self._seen, _BATCH):
            for file_id in dict.fromkeys(FileId(entry.subject) for entry in entries if _is_about_a_file(entry)):
                await self._file_changed(file_id)
            if any(entry.action == "cause_put" for entry in entries):
                await self._shapes.weigh()  # the next look at all donors reckons with it
            if self._library is not None and any(entry.action == "restore" for entry in entries):
                self._library.reconsider()
            self._seen = entries[-1].entry

    async def _file_changed(self, file_id: FileId) -> None:
        before = self._shapes.get(file_id)
        shape = await self._shapes.refresh(file_id)
        if shape is not None:
            if before is None:
                self._demand.published([file_id])
                await self._sessions.file_published(shape.cause)
            return
        self._demand.dropped(file_id)
        withdrawn = bool(await self._catalogue.withdrawn([file_id]))
        if withdrawn and self._library is not None:
            self._library.forget(file_id)
        await self._sessions.file_gone(file_id, withdrawn=withdrawn)


def _is_about_a_file(entry: AuditRecord) -> bool:
    return entry.action in ("publish", "unpublish")
