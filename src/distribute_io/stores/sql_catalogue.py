"""The durable catalogue over a SQL database by SQLAlchemy Core (contract: `catalogue.py`).

SQLite in WAL is the embedded default. Reads run in a small pool of threads, writes in one thread and in batches
(`batch_writer.py`), so the event loop never waits for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from distribute_io.errors import DistributeError, StoreError
from distribute_io.ids import CauseId, FileId
from distribute_io.stores import catalogue_writes as writes
from distribute_io.stores import sql_rows as rows
from distribute_io.stores import sql_schema as schema
from distribute_io.stores.batch_writer import BatchWriter
from distribute_io.stores.catalogue import (
    PAGE_FILES_MAX,
    AuditRecord,
    CauseRecord,
    CauseSize,
    DailyTotal,
    LibraryRecord,
    ManifestRecord,
    MirrorRecord,
    TallyGrowth,
    TallySum,
    TokenRecord,
    Totals,
)
from distribute_io.stores.migrate import upgrade

READERS: Final = 2
"""Threads that read. A look-up by key takes tens of microseconds, so two are enough for any load of one process."""

BUSY_TIMEOUT_MS: Final = 10_000
"""How long SQLite waits for another process (a `dio token create` beside the server) to finish writing."""

T = TypeVar("T")


def open_sqlite(path: Path) -> SqlCatalogue:
    """Open, and make or migrate, the catalogue in the file `path`. Blocks for some tens of milliseconds.

    Raises:
        StoreError: `catalogue_failed`, or `store_version` when a newer program wrote it.
    """
    # An error's text must not have a statement's values in it: names of files are no business of the log.
    engine = sa.create_engine(f"sqlite+pysqlite:///{path}", hide_parameters=True)
    sa.event.listen(engine, "connect", _set_pragmas)
    sa.event.listen(engine, "begin", _begin)
    try:
        upgrade(engine)
    except DistributeError:
        engine.dispose()
        raise
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        raise StoreError("catalogue_failed", f"The catalogue {path.name} cannot be opened: {error}") from error
    return SqlCatalogue(engine)


def _set_pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # pysqlite's own transaction handling commits behind one's back before some statements; SQLAlchemy's documented
    # cure is to switch it off and to send BEGIN ourselves, which savepoints need.
    connection.isolation_level = None
    cursor = connection.cursor()
    # NORMAL in WAL survives a crash of the process; a power failure may cost the last commits, never the file.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    # Readers must not take the write lock, and writers must take it first, or two processes that both read and then
    # write fail with "database is locked" at once, whatever the busy timeout says.
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


class SqlCatalogue:
    """Implements `Catalogue`. Owns the engine, the reading threads and the writing thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="catalogue-reader")
        self._writer = BatchWriter(engine.execution_options(writing=True))

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self._engine.dispose()

    async def _read(self, query: Callable[[sa.Connection], T]) -> T:
        def run() -> T:
            try:
                with self._engine.begin() as connection:
                    return query(connection)
            except sa.exc.SQLAlchemyError as error:
                problem = f"The catalogue could not be read: {type(error).__name__}."
                raise StoreError("catalogue_failed", problem) from error

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    async def _rows(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        # Any: a select of whole tables has no static row type; sql_rows turns each row into a typed record.
        return await self._read(lambda connection: connection.execute(query).all())

    # --- files ---

    async def put_manifest(
        self,
        record: ManifestRecord,
        segments: bytes,
        *,
        actor: str,
        at_s: int,
        mirrors: Sequence[MirrorRecord] = (),
        replace: bool = False,
    ) -> bool:
        def write(connection: sa.Connection) -> bool:
            is_new = writes.put_manifest(connection, record, segments, actor=actor, at_s=at_s)
            writes.put_mirrors(connection, mirrors, replace=replace, actor=actor, at_s=at_s)
            return is_new

        return await self._writer.run(write)

    async def manifests(self, file_id: FileId) -> tuple[ManifestRecord, ...]:
        table = schema.manifest
        found = await self._rows(sa.select(table).where(table.c.file_id == file_id).order_by(table.c.added))
        return tuple(rows.manifest(row) for row in found)

    async def manifest(self, payload_sha256: str) -> ManifestRecord | None:
        table = schema.manifest
        found = await self._rows(sa.select(table).where(table.c.payload_sha256 == payload_sha256))
        return rows.manifest(found[0]) if found else None

    async def newest_version(self, cause: CauseId, name: str) -> int:
        table = schema.name
        found = await self._rows(sa.select(table.c.newest_version).where(table.c.cause == cause, table.c.name == name))
        return int(found[0].newest_version) if found else 0

    async def segment_list(self, segments_sha256: str) -> bytes | None:
        table = schema.segment_list
        found = await self._rows(sa.select(table.c.digests).where(table.c.segments_sha256 == segments_sha256))
        return bytes(found[0].digests) if found else None

    async def files(self, *, cause: CauseId | None = None, after: str = "", limit: int) -> tuple[ManifestRecord, ...]:
        table = schema.manifest
        query = sa.select(table).where(table.c.payload_sha256 > after).order_by(table.c.payload_sha256)
        if cause is not None:
            query = query.where(table.c.cause == cause)
        return tuple(rows.manifest(row) for row in await self._rows(query.limit(min(limit, PAGE_FILES_MAX))))

    async def sizes(self) -> dict[CauseId, CauseSize]:
        table = schema.manifest
        each = sa.select(table.c.cause, table.c.file_id, table.c.size_bytes).distinct().subquery()
        sums = sa.select(
            each.c.cause, sa.func.count().label("files"), sa.func.sum(each.c.size_bytes).label("size_bytes")
        ).group_by(each.c.cause)
        return {CauseId(row.cause): CauseSize(int(row.files), int(row.size_bytes)) for row in await self._rows(sums)}

    async def drop_manifest(self, payload_sha256: str, *, actor: str, at_s: int) -> bool:
        return await self._writer.run(
            lambda connection: writes.drop_manifest(connection, payload_sha256, actor=actor, at_s=at_s)
        )

    async def withdraw(
        self, file_id: FileId, *, actor: str, at_s: int, causes: Collection[CauseId] | None = None
    ) -> tuple[CauseId, ...]:
        return await self._writer.run(
            lambda connection: writes.withdraw(connection, file_id, actor=actor, at_s=at_s, causes=causes)
        )

    async def restore(self, file_id: FileId, *, actor: str, at_s: int) -> bool:
        return await self._writer.run(lambda connection: writes.restore(connection, file_id, actor=actor, at_s=at_s))

    async def withdrawn(self, file_ids: Sequence[FileId]) -> frozenset[FileId]:
        table = schema.withdrawn
        found = await self._rows(sa.select(table.c.file_id).where(table.c.file_id.in_(list(file_ids))))
        return frozenset(FileId(row.file_id) for row in found)

    # --- links ---

    async def put_mirrors(self, mirrors: Sequence[MirrorRecord], *, replace: bool, actor: str, at_s: int) -> None:
        await self._writer.run(
            lambda connection: writes.put_mirrors(connection, mirrors, replace=replace, actor=actor, at_s=at_s)
        )

    async def remove_mirror(self, file_id: FileId, url: str, *, actor: str, at_s: int) -> bool:
        return await self._writer.run(
            lambda connection: writes.remove_mirror(connection, file_id, url, actor=actor, at_s=at_s)
        )

    async def mirrors(self, file_id: FileId) -> tuple[MirrorRecord, ...]:
        table = schema.mirror
        query = sa.select(table).where(table.c.file_id == file_id).order_by(table.c.priority, table.c.url)
        return tuple(rows.mirror(row) for row in await self._rows(query))

    async def mirrors_of(self, file_ids: Sequence[FileId]) -> dict[FileId, tuple[MirrorRecord, ...]]:
        table = schema.mirror
        query = sa.select(table).where(table.c.file_id.in_(list(file_ids))).order_by(table.c.priority, table.c.url)
        found: dict[FileId, tuple[MirrorRecord, ...]] = {}
        for record in map(rows.mirror, await self._rows(query)):
            found[record.file_id] = (*found.get(record.file_id, ()), record)
        return found

    async def due_mirrors(
        self, now_us: int, *, busy: Collection[str], resting: Collection[str], limit: int
    ) -> tuple[MirrorRecord, ...]:
        table = schema.mirror
        can_begin = table.c.host.not_in(list(resting)) | (table.c.next_check_us == 0)
        query = (
            sa.select(table)
            .where(table.c.next_check_us <= now_us, table.c.host.not_in(list(busy)), can_begin)
            .order_by(table.c.next_check_us, table.c.url)
            .limit(limit)
        )
        return tuple(rows.mirror(row) for row in await self._rows(query))

    async def hurry_check(self, mirror: MirrorRecord, at_us: int) -> bool:
        return await self._writer.run(lambda connection: writes.hurry_check(connection, mirror, at_us))

    async def put_health(self, mirror: MirrorRecord, *, due_us: int) -> bool:
        return await self._writer.run(lambda connection: writes.put_health(connection, mirror, due_us=due_us))

    async def file_of_link(self, url: str) -> FileId | None:
        table = schema.mirror
        found = await self._rows(sa.select(table.c.file_id).where(table.c.url == url))
        return FileId(found[0].file_id) if found else None

    # --- causes ---

    async def put_cause(self, cause: CauseRecord, *, actor: str, at_s: int) -> None:
        await self._writer.run(lambda connection: writes.put_cause(connection, cause, actor=actor, at_s=at_s))

    async def causes(self) -> tuple[CauseRecord, ...]:
        table = schema.cause
        return tuple(rows.cause(row) for row in await self._rows(sa.select(table).order_by(table.c.cause)))

    # --- tokens ---

    async def put_token(self, token: TokenRecord, *, actor: str) -> None:
        await self._writer.run(lambda connection: writes.put_token(connection, token, actor=actor))

    async def token_by_hash(self, sha256: str) -> TokenRecord | None:
        table = schema.token
        found = await self._rows(sa.select(table).where(table.c.sha256 == sha256))
        return rows.token(found[0]) if found else None

    async def tokens(self) -> tuple[TokenRecord, ...]:
        table = schema.token
        found = await self._rows(sa.select(table).order_by(table.c.created_at_s, table.c.token_id))
        return tuple(rows.token(row) for row in found)

    async def revoke_token(self, token_id: str, *, actor: str, at_s: int) -> bool:
        return await self._writer.run(
            lambda connection: writes.revoke_token(connection, token_id, actor=actor, at_s=at_s)
        )

    # --- the folder ---

    async def library(self) -> tuple[LibraryRecord, ...]:
        table = schema.library
        return tuple(rows.library(row) for row in await self._rows(sa.select(table).order_by(table.c.path)))

    async def put_library(self, record: LibraryRecord) -> None:
        await self._writer.run(lambda connection: writes.put_library(connection, record))

    async def remove_library(self, path: bytes) -> None:
        await self._writer.run(lambda connection: writes.remove_library(connection, path))

    # --- the books ---

    async def add_totals(self, totals: Sequence[DailyTotal]) -> None:
        await self._writer.run(lambda connection: writes.add_totals(connection, totals))

    async def totals_by_file(self) -> dict[tuple[CauseId, FileId], Totals]:
        table = schema.daily_total
        sums = [sa.func.sum(table.c[column]).label(column) for column in Totals.__struct_fields__]
        found = await self._rows(
            sa.select(table.c.cause, table.c.file_id, *sums).group_by(table.c.cause, table.c.file_id)
        )
        return {(CauseId(row.cause), FileId(row.file_id)): Totals(**_sums(row)) for row in found}

    async def add_tallies(self, grown: Sequence[TallyGrowth]) -> None:
        await self._writer.run(lambda connection: writes.add_tallies(connection, grown))

    async def tally(self, secret_sha256: str) -> tuple[TallySum, ...]:
        table = schema.tally
        found = await self._rows(
            sa.select(table).where(table.c.secret_sha256 == secret_sha256).order_by(table.c.country)
        )
        return tuple(TallySum(row.country, row.bytes_total, row.day, row.bytes_day) for row in found)

    # --- what was learned ---

    async def note(self, name: str) -> bytes | None:
        table = schema.note
        found = await self._rows(sa.select(table.c.data).where(table.c.name == name))
        return bytes(found[0].data) if found else None

    async def put_note(self, name: str, data: bytes) -> None:
        await self._writer.run(lambda connection: writes.put_note(connection, name, data))

    async def audit(self, limit: int) -> tuple[AuditRecord, ...]:
        table = schema.audit
        found = await self._rows(sa.select(table).order_by(table.c.entry.desc()).limit(limit))
        return tuple(rows.audit(row) for row in found)

    async def audit_after(self, entry: int, limit: int) -> tuple[AuditRecord, ...]:
        table = schema.audit
        query = sa.select(table).where(table.c.entry > entry).order_by(table.c.entry).limit(limit)
        return tuple(rows.audit(row) for row in await self._rows(query))


def _sums(row: sa.Row[Any]) -> dict[str, int]:
    return {column: int(getattr(row, column)) for column in Totals.__struct_fields__}
