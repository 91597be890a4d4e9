"""What changes the SQL catalogue: each function is one job of the writing thread, inside its own savepoint.

The rules that it keeps are those of `catalogue.py`; the numbers in comments are theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

import sqlalchemy as sa
from msgspec import structs

from distribute_io.core.mirror_health import UNCHECKED
from distribute_io.errors import RefusedError
from distribute_io.ids import CauseId, FileId
from distribute_io.stores import sql_schema as schema
from distribute_io.stores.catalogue import (
    MIRRORS_PER_FILE_MAX,
    TALLIES_MAX,
    CauseRecord,
    DailyTotal,
    LibraryRecord,
    ManifestRecord,
    MirrorRecord,
    TallyGrowth,
    TokenRecord,
    Totals,
)


def _note(connection: sa.Connection, actor: str, action: str, subject: str, at_s: int) -> None:
    connection.execute(sa.insert(schema.audit).values(at_s=at_s, actor=actor, action=action, subject=subject))


def _exists(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> bool:
    return bool(connection.scalar(sa.select(sa.exists().where(condition))))


# --- files ---


def put_manifest(connection: sa.Connection, record: ManifestRecord, segments: bytes, *, actor: str, at_s: int) -> bool:
    """See `Catalogue.put_manifest`."""
    table = schema.manifest
    if not _exists(connection, schema.cause.c.cause == record.cause):
        raise RefusedError("unknown_cause", f"There is no cause {record.cause!r}: create it first.")
    if _exists(connection, schema.withdrawn.c.file_id == record.file_id):  # rule 5
        raise RefusedError("taken_down", "This file was taken down and is not accepted again.")
    known = connection.execute(
        sa.select(table.c.file_id).where(table.c.payload_sha256 == record.payload_sha256)
    ).first()
    if known is not None:
        connection.execute(
            sa.update(table)
            .where(table.c.payload_sha256 == record.payload_sha256)
            .values(signed_by=" ".join(record.signed_by), envelope=record.envelope)
        )
        return False
    _take_name(connection, record, actor=actor, at_s=at_s)
    if not _exists(connection, schema.segment_list.c.segments_sha256 == record.segments_sha256):
        connection.execute(
            sa.insert(schema.segment_list).values(segments_sha256=record.segments_sha256, digests=segments)
        )
    added = connection.scalar(sa.select(sa.func.coalesce(sa.func.max(table.c.added), 0)))
    connection.execute(
        sa.insert(table).values(
            payload_sha256=record.payload_sha256,
            added=(added or 0) + 1,
            file_id=record.file_id,
            cause=record.cause,
            name=record.name,
            version=record.version,
            size_bytes=record.size_bytes,
            segment_size_bytes=record.segment_size_bytes,
            segments_sha256=record.segments_sha256,
            media_type=record.media_type,
            published_at=record.published_at,
            signed_by=" ".join(record.signed_by),
            envelope=record.envelope,
        )
    )
    _note(connection, actor, "publish", record.file_id, at_s)
    return True


def _take_name(connection: sa.Connection, record: ManifestRecord, *, actor: str, at_s: int) -> None:
    """Rule 3: the name's first key owns it; a newer version replaces the older manifests of the name."""
    names, manifests = schema.name, schema.manifest
    where = (names.c.cause == record.cause) & (names.c.name == record.name)
    owner = connection.execute(sa.select(names.c.key, names.c.newest_version).where(where)).first()
    if owner is None:
        connection.execute(
            sa.insert(names).values(
                cause=record.cause, name=record.name, key=record.signed_by[0], newest_version=record.version
            )
        )
        return
    if owner.key not in record.signed_by:
        raise RefusedError("name_taken", f"The name {record.name!r} belongs to another key in {record.cause!r}.")
    if record.version <= owner.newest_version:
        raise RefusedError(
            "version_not_newer", f"Version {owner.newest_version} of {record.name!r} is there; send a higher one."
        )
    connection.execute(sa.update(names).where(where).values(newest_version=record.version))
    older = connection.execute(
        sa.select(manifests.c.payload_sha256).where(manifests.c.cause == record.cause, manifests.c.name == record.name)
    ).all()
    for row in older:
        file_id = _forget_manifest(connection, row.payload_sha256, keep_links_of=record.file_id)
        if file_id is not None and file_id != record.file_id:
            _note(connection, actor, "unpublish", file_id, at_s)


def _forget_manifest(connection: sa.Connection, payload_sha256: str, keep_links_of: FileId | None) -> FileId | None:
    """Drop a manifest, its list when nobody else needs it, and the file's links when no manifest of it is left."""
    table, lists = schema.manifest, schema.segment_list
    where = table.c.payload_sha256 == payload_sha256
    row = connection.execute(sa.select(table.c.file_id, table.c.segments_sha256).where(where)).first()
    if row is None:
        return None
    connection.execute(sa.delete(table).where(where))
    if not _exists(connection, table.c.segments_sha256 == row.segments_sha256):
        connection.execute(sa.delete(lists).where(lists.c.segments_sha256 == row.segments_sha256))
    if row.file_id != keep_links_of and not _exists(connection, table.c.file_id == row.file_id):
        connection.execute(sa.delete(schema.mirror).where(schema.mirror.c.file_id == row.file_id))
    return FileId(row.file_id)


def drop_manifest(connection: sa.Connection, payload_sha256: str, *, actor: str, at_s: int) -> bool:
    """See `Catalogue.drop_manifest`."""
    file_id = _forget_manifest(connection, payload_sha256, keep_links_of=None)
    if file_id is not None:
        _note(connection, actor, "unpublish", file_id, at_s)
    return file_id is not None


def withdraw(
    connection: sa.Connection, file_id: FileId, *, actor: str, at_s: int, causes: Collection[CauseId] | None
) -> tuple[CauseId, ...]:
    """See `Catalogue.withdraw`."""
    table = schema.manifest
    everywhere = connection.execute(
        sa.select(table.c.payload_sha256, table.c.cause).where(table.c.file_id == file_id)
    ).all()
    found = [row for row in everywhere if causes is None or row.cause in causes]
    for row in found:
        _forget_manifest(connection, row.payload_sha256, keep_links_of=None)
    if causes is not None and len(found) < max(len(everywhere), 1):
        if found:
            _note(connection, actor, "unpublish", file_id, at_s)
    elif not _exists(connection, schema.withdrawn.c.file_id == file_id):
        connection.execute(sa.insert(schema.withdrawn).values(file_id=file_id, at_s=at_s))
        _note(connection, actor, "unpublish", file_id, at_s)
    return tuple(sorted({CauseId(row.cause) for row in found}))


def restore(connection: sa.Connection, file_id: FileId, *, actor: str, at_s: int) -> bool:
    """See `Catalogue.restore`."""
    where = schema.withdrawn.c.file_id == file_id
    if not _exists(connection, where):
        return False
    connection.execute(sa.delete(schema.withdrawn).where(where))
    _note(connection, actor, "restore", file_id, at_s)
    return True


# --- links ---


def put_mirrors(
    connection: sa.Connection, mirrors: Sequence[MirrorRecord], *, replace: bool, actor: str, at_s: int
) -> None:
    """See `Catalogue.put_mirrors`."""
    table = schema.mirror
    for mirror in mirrors:
        if not _exists(connection, schema.manifest.c.file_id == mirror.file_id):
            raise RefusedError("unknown_file", "There is no such file: publish it first.")
        where = table.c.url == mirror.url
        owner = connection.scalar(sa.select(table.c.file_id).where(where))
        if owner is not None and owner != mirror.file_id and not replace:
            raise RefusedError("link_taken", f"The link {mirror.url} belongs to another file.")  # rule 4
        values = {"file_id": mirror.file_id, "priority": mirror.priority, "location": mirror.location}
        if owner is None:
            host = urlsplit(mirror.url).netloc
            connection.execute(sa.insert(table).values(url=mirror.url, host=host, **values))
            _note(connection, actor, "mirror_add", mirror.file_id, at_s)
        elif owner != mirror.file_id:
            connection.execute(sa.update(table).where(where).values(**values, **structs.asdict(UNCHECKED)))
        else:
            connection.execute(sa.update(table).where(where).values(**values))
            # Whoever says again that the mirror is there has mended it, perhaps: look at once.
            connection.execute(sa.update(table).where(where, table.c.state != "well").values(next_check_us=0))
    for file_id in {mirror.file_id for mirror in mirrors}:
        held = connection.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.file_id == file_id)) or 0
        if held > MIRRORS_PER_FILE_MAX:
            raise RefusedError("full", f"A file may have {MIRRORS_PER_FILE_MAX} mirrors.")


def remove_mirror(connection: sa.Connection, file_id: FileId, url: str, *, actor: str, at_s: int) -> bool:
    """See `Catalogue.remove_mirror`."""
    table = schema.mirror
    where = (table.c.url == url) & (table.c.file_id == file_id)
    if not _exists(connection, where):
        return False
    connection.execute(sa.delete(table).where(where))
    _note(connection, actor, "mirror_remove", file_id, at_s)
    return True


def hurry_check(connection: sa.Connection, mirror: MirrorRecord, at_us: int) -> bool:
    """See `Catalogue.hurry_check`."""
    table = schema.mirror
    where = (table.c.url == mirror.url) & (table.c.file_id == mirror.file_id)
    connection.execute(sa.update(table).where(where, table.c.next_check_us > at_us).values(next_check_us=at_us))
    return _exists(connection, where)


def put_health(connection: sa.Connection, mirror: MirrorRecord, *, due_us: int) -> bool:
    """See `Catalogue.put_health`."""
    table = schema.mirror
    where = (table.c.url == mirror.url) & (table.c.file_id == mirror.file_id)
    values = structs.asdict(mirror.health)
    values["next_check_us"] = sa.case(
        (table.c.next_check_us == due_us, mirror.health.next_check_us), else_=table.c.next_check_us
    )
    return connection.execute(sa.update(table).where(where).values(**values)).rowcount > 0


# --- causes ---


def put_cause(connection: sa.Connection, cause: CauseRecord, *, actor: str, at_s: int) -> None:
    """See `Catalogue.put_cause`."""
    table = schema.cause
    values = {"title": cause.title, "text": cause.text, "icon": cause.icon, "weight": cause.weight}
    if _exists(connection, table.c.cause == cause.cause):
        connection.execute(sa.update(table).where(table.c.cause == cause.cause).values(**values))
    else:
        connection.execute(sa.insert(table).values(cause=cause.cause, **values))
    _note(connection, actor, "cause_put", cause.cause, at_s)


# --- tokens ---


def put_token(connection: sa.Connection, token: TokenRecord, *, actor: str) -> None:
    """See `Catalogue.put_token`."""
    connection.execute(
        sa.insert(schema.token).values(
            token_id=token.token_id,
            sha256=token.sha256,
            label=token.label,
            causes=" ".join(token.causes),
            origins=" ".join(token.origins),
            created_at_s=token.created_at_s,
            revoked_at_s=token.revoked_at_s,
        )
    )
    _note(connection, actor, "token_create", token.token_id, token.created_at_s)


def revoke_token(connection: sa.Connection, token_id: str, *, actor: str, at_s: int) -> bool:
    """See `Catalogue.revoke_token`."""
    table = schema.token
    where = (table.c.token_id == token_id) & table.c.revoked_at_s.is_(None)
    if not _exists(connection, where):
        return False
    connection.execute(sa.update(table).where(where).values(revoked_at_s=at_s))
    _note(connection, actor, "token_revoke", token_id, at_s)
    return True


# --- the folder ---


def put_library(connection: sa.Connection, record: LibraryRecord) -> None:
    """See `Catalogue.put_library`."""
    remove_library(connection, record.path)
    connection.execute(
        sa.insert(schema.library).values(
            path=record.path,
            size_bytes=record.size_bytes,
            mtime_ns=record.mtime_ns,
            inode=str(record.inode),
            file_id=record.file_id,
            payload_sha256=record.payload_sha256,
        )
    )


def add_tallies(connection: sa.Connection, grown: Sequence[TallyGrowth]) -> None:
    """See `Catalogue.add_tallies`."""
    table = schema.tally
    rows: int | None = None  # counting takes a while: once, and only when there is a new one
    for growth in grown:
        where = (table.c.secret_sha256 == growth.secret_sha256) & (table.c.country == growth.country)
        known = connection.execute(sa.select(table.c.day).where(where)).first()
        if known is not None:
            day_before = table.c.bytes_day if known.day == growth.day else sa.literal(0)
            connection.execute(
                sa.update(table)
                .where(where)
                .values(
                    bytes_total=table.c.bytes_total + growth.bytes,
                    bytes_day=day_before + growth.bytes,
                    day=growth.day,
                )
            )
            continue
        if rows is None:
            rows = connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        if rows < TALLIES_MAX:
            rows += 1
            connection.execute(
                sa.insert(table).values(
                    secret_sha256=growth.secret_sha256,
                    country=growth.country,
                    bytes_total=growth.bytes,
                    day=growth.day,
                    bytes_day=growth.bytes,
                )
            )


def put_note(connection: sa.Connection, name: str, data: bytes) -> None:
    """See `Catalogue.put_note`."""
    connection.execute(sa.delete(schema.note).where(schema.note.c.name == name))
    connection.execute(sa.insert(schema.note).values(name=name, data=data))


def remove_library(connection: sa.Connection, path: bytes) -> None:
    """See `Catalogue.remove_library`."""
    connection.execute(sa.delete(schema.library).where(schema.library.c.path == path))


# --- the books ---


def add_totals(connection: sa.Connection, totals: Sequence[DailyTotal]) -> None:
    """See `Catalogue.add_totals`."""
    table = schema.daily_total
    for total in totals:
        where = (table.c.day == total.day) & (table.c.cause == total.cause) & (table.c.file_id == total.file_id)
        amounts = {field: getattr(total.totals, field) for field in Totals.__struct_fields__}
        if _exists(connection, where):
            grown = {table.c[field]: table.c[field] + amount for field, amount in amounts.items()}
            connection.execute(sa.update(table).where(where).values(grown))
        else:
            key = {"day": total.day, "cause": total.cause, "file_id": total.file_id}
            connection.execute(sa.insert(table).values(**key, **amounts))
