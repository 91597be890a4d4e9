"""What the coordinator's checks of mirrors found."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_COLUMNS: Final = (
    ("host", sa.Text, ""),
    ("state", sa.Text, "unchecked"),
    ("reason", sa.Text, ""),
    ("checked_at_us", sa.BigInteger, "0"),
    ("since_us", sa.BigInteger, "0"),
    ("next_check_us", sa.BigInteger, "0"),
    ("passes", sa.Integer, "0"),
    ("failures", sa.Integer, "0"),
    ("rate_bytes_per_s", sa.BigInteger, "0"),
)


def upgrade() -> None:
    """Add the columns; every mirror is due for its first check."""
    for name, kind, default in _COLUMNS:
        op.add_column("mirror", sa.Column(name, kind, nullable=False, server_default=default))
    op.create_index("ix_mirror_next_check_us", "mirror", ["next_check_us"])
    mirror = sa.table("mirror", sa.column("url", sa.Text), sa.column("host", sa.Text))
    connection = op.get_bind()
    for (url,) in connection.execute(sa.select(mirror.c.url)).all():
        connection.execute(sa.update(mirror).where(mirror.c.url == url).values(host=urlsplit(url).netloc))
