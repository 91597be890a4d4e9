"""Rows of the catalogue's tables as typed records."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from distribute_io.core.mirror_health import Health
from distribute_io.ids import CauseId, FileId, PublicKeyText
from distribute_io.stores.catalogue import (
    AuditRecord,
    CauseRecord,
    LibraryRecord,
    ManifestRecord,
    MirrorRecord,
    TokenRecord,
)

Row = sa.Row[Any]  # Any: a select of a whole table has no static row type; the functions below give it one


def manifest(row: Row) -> ManifestRecord:
    """A row of `manifest`."""
    return ManifestRecord(
        payload_sha256=row.payload_sha256,
        file_id=FileId(row.file_id),
        cause=CauseId(row.cause),
        name=row.name,
        version=row.version,
        size_bytes=row.size_bytes,
        segment_size_bytes=row.segment_size_bytes,
        segments_sha256=row.segments_sha256,
        media_type=row.media_type,
        published_at=row.published_at,
        signed_by=tuple(PublicKeyText(key) for key in row.signed_by.split()),
        envelope=bytes(row.envelope),
    )


def mirror(row: Row) -> MirrorRecord:
    """A row of `mirror`."""
    health = Health(
        state=row.state,
        reason=row.reason,
        checked_at_us=row.checked_at_us,
        since_us=row.since_us,
        next_check_us=row.next_check_us,
        passes=row.passes,
        failures=row.failures,
        rate_bytes_per_s=row.rate_bytes_per_s,
    )
    return MirrorRecord(
        file_id=FileId(row.file_id), url=row.url, priority=row.priority, location=row.location, health=health
    )


def cause(row: Row) -> CauseRecord:
    """A row of `cause`."""
    return CauseRecord(cause=CauseId(row.cause), title=row.title, text=row.text, icon=row.icon, weight=row.weight)


def token(row: Row) -> TokenRecord:
    """A row of `token`."""
    return TokenRecord(
        token_id=row.token_id,
        sha256=row.sha256,
        label=row.label,
        causes=tuple(row.causes.split()),
        origins=tuple(row.origins.split()),
        created_at_s=row.created_at_s,
        revoked_at_s=row.revoked_at_s,
    )


def library(row: Row) -> LibraryRecord:
    """A row of `library`."""
    return LibraryRecord(
        path=bytes(row.path),
        size_bytes=row.size_bytes,
        mtime_ns=row.mtime_ns,
        inode=int(row.inode),
        file_id=FileId(row.file_id),
        payload_sha256=row.payload_sha256,
    )


def audit(row: Row) -> AuditRecord:
    """A row of `audit`."""
    return AuditRecord(entry=row.entry, at_s=row.at_s, actor=row.actor, action=row.action, subject=row.subject)
