"""The catalogue's tables (SQLAlchemy Core), for SQLite and PostgreSQL alike.

The migrations under `migrations/` make them; a test compares the two, so they cannot drift apart.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

cause = Table(
    "cause",
    metadata,
    Column("cause", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("icon", Text, nullable=False),
    Column("weight", Float, nullable=False, server_default="1"),
)

segment_list = Table(
    "segment_list",
    metadata,
    Column("segments_sha256", Text, primary_key=True),
    Column("digests", LargeBinary, nullable=False),
)

manifest = Table(
    "manifest",
    metadata,
    Column("payload_sha256", Text, primary_key=True),
    Column("added", Integer, nullable=False, unique=True),  # grows: "oldest first" must not hang on a clock
    Column("file_id", Text, nullable=False, index=True),
    Column("cause", Text, ForeignKey("cause.cause"), nullable=False),
    Column("name", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("segment_size_bytes", Integer, nullable=False),
    Column("segments_sha256", Text, ForeignKey("segment_list.segments_sha256"), nullable=False, index=True),
    Column("media_type", Text, nullable=False),
    Column("published_at", Text, nullable=False),
    Column("signed_by", Text, nullable=False),  # keys, separated by spaces
    Column("envelope", LargeBinary, nullable=False),
    Index(None, "cause", "name"),
)

name = Table(
    "name",
    metadata,
    Column("cause", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("newest_version", BigInteger, nullable=False),
)

mirror = Table(
    "mirror",
    metadata,
    Column("url", Text, primary_key=True),
    Column("file_id", Text, nullable=False, index=True),
    Column("priority", Integer, nullable=False),
    Column("location", Text),
    # What the coordinator's own checks found (core/mirror_health.py). The host is the URL's: checks are polite to it.
    Column("host", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False, server_default="unchecked"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("checked_at_us", BigInteger, nullable=False, server_default="0"),
    Column("since_us", BigInteger, nullable=False, server_default="0"),
    Column("next_check_us", BigInteger, nullable=False, server_default="0", index=True),
    Column("passes", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("rate_bytes_per_s", BigInteger, nullable=False, server_default="0"),
)

withdrawn = Table(
    "withdrawn",
    metadata,
    Column("file_id", Text, primary_key=True),
    Column("at_s", BigInteger, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("token_id", Text, primary_key=True),
    Column("sha256", Text, nullable=False, unique=True),
    Column("label", Text, nullable=False),
    Column("causes", Text, nullable=False),  # separated by spaces
    Column("origins", Text, nullable=False),  # separated by spaces
    Column("created_at_s", BigInteger, nullable=False),
    Column("revoked_at_s", BigInteger),
)

library = Table(
    "library",
    metadata,
    Column("path", LargeBinary, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("inode", Text, nullable=False),  # unsigned 64 bits do not fit a BIGINT
    Column("file_id", Text, nullable=False),
    Column("payload_sha256", Text, nullable=False),
)

daily_total = Table(
    "daily_total",
    metadata,
    Column("day", Text, primary_key=True),
    Column("cause", Text, primary_key=True),
    Column("file_id", Text, primary_key=True),
    Column("donors_bytes", BigInteger, nullable=False),
    Column("mirrors_bytes", BigInteger, nullable=False),
    Column("pushed_mirrors_bytes", BigInteger, nullable=False),
    Column("pushed_donors_bytes", BigInteger, nullable=False),
    Column("rejected_bytes", BigInteger, nullable=False),
)

tally = Table(
    "tally",
    metadata,
    Column("secret_sha256", Text, primary_key=True),
    Column("country", Text, primary_key=True),
    Column("bytes_total", BigInteger, nullable=False),
    Column("day", Text, nullable=False),  # the newest on which there was any credit
    Column("bytes_day", BigInteger, nullable=False),
)

note = Table(
    "note",
    metadata,
    Column("name", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("entry", Integer, primary_key=True, autoincrement=True),
    Column("at_s", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
)
