"""Brings a catalogue's database to the schema of this version (Alembic), at every start.

A database that a newer version wrote is refused with `store_version`, never touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from distribute_io.errors import StoreError

MIGRATIONS: Final = Path(__file__).with_name("migrations")


def upgrade(engine: sa.Engine) -> None:
    """Make the tables, or bring them up to date. Does nothing when they are.

    Raises:
        StoreError: `store_version` when the database is of a newer version.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.execution_options(writing=True).begin() as connection:
        present = MigrationContext.configure(connection).get_current_heads()
        if not known.issuperset(present):
            raise StoreError(
                "store_version", "A newer version of Distribute.io wrote the catalogue: use that version, or a backup."
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
