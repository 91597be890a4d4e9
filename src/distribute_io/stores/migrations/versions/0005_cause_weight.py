"""What a download of a cause's files counts when donors are planned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; causes that are there count as they did."""
    op.add_column("cause", sa.Column("weight", sa.Float, nullable=False, server_default="1"))
