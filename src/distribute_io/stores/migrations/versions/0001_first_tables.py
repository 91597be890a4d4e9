"""The first tables of the catalogue.

A migration is a record of what was done and never changes afterwards: it spells the tables out instead of reading
`sql_schema.py`. There is no way down: restore a backup instead.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "cause",
        sa.Column("cause", sa.Text, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("icon", sa.Text, nullable=False),
    )
    op.create_table(
        "segment_list",
        sa.Column("segments_sha256", sa.Text, primary_key=True),
        sa.Column("digests", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "manifest",
        sa.Column("payload_sha256", sa.Text, primary_key=True),
        sa.Column("added", sa.Integer, nullable=False, unique=True),
        sa.Column("file_id", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, sa.ForeignKey("cause.cause"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("segment_size_bytes", sa.Integer, nullable=False),
        sa.Column("segments_sha256", sa.Text, sa.ForeignKey("segment_list.segments_sha256"), nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("published_at", sa.Text, nullable=False),
        sa.Column("signed_by", sa.Text, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_manifest_file_id", "manifest", ["file_id"])
    op.create_index("ix_manifest_segments_sha256", "manifest", ["segments_sha256"])
    op.create_index("ix_manifest_cause_name", "manifest", ["cause", "name"])
    op.create_table(
        "name",
        sa.Column("cause", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("newest_version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "mirror",
        sa.Column("url", sa.Text, primary_key=True),
        sa.Column("file_id", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("location", sa.Text),
    )
    op.create_index("ix_mirror_file_id", "mirror", ["file_id"])
    op.create_table(
        "withdrawn",
        sa.Column("file_id", sa.Text, primary_key=True),
        sa.Column("at_s", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "token",
        sa.Column("token_id", sa.Text, primary_key=True),
        sa.Column("sha256", sa.Text, nullable=False, unique=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("causes", sa.Text, nullable=False),
        sa.Column("origins", sa.Text, nullable=False),
        sa.Column("created_at_s", sa.BigInteger, nullable=False),
        sa.Column("revoked_at_s", sa.BigInteger),
    )
    op.create_table(
        "library",
        sa.Column("path", sa.LargeBinary, primary_key=True),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("inode", sa.Text, nullable=False),
        sa.Column("file_id", sa.Text, nullable=False),
        sa.Column("payload_sha256", sa.Text, nullable=False),
    )
    op.create_table(
        "daily_total",
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("cause", sa.Text, primary_key=True),
        sa.Column("file_id", sa.Text, primary_key=True),
        sa.Column("donors_bytes", sa.BigInteger, nullable=False),
        sa.Column("mirrors_bytes", sa.BigInteger, nullable=False),
        sa.Column("pushed_mirrors_bytes", sa.BigInteger, nullable=False),
        sa.Column("pushed_donors_bytes", sa.BigInteger, nullable=False),
        sa.Column("rejected_bytes", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("entry", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at_s", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
    )
