"""Alembic's entry: runs the migrations on the connection that `stores/migrate.py` hands over."""

from __future__ import annotations

from alembic import context

from distribute_io.stores.sql_schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
