"""The SQLite catalogue keeps the contract, and what only a file can show."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from distribute_io.errors import StoreError
from distribute_io.ids import CauseId
from distribute_io.stores import sql_schema
from distribute_io.stores.catalogue import Catalogue, CauseRecord
from distribute_io.stores.migrate import upgrade
from distribute_io.stores.sql_catalogue import open_sqlite
from tests.stores.catalogue_suite import CatalogueSuite


class TestSqliteCatalogue(CatalogueSuite):
    def open(self, folder: Path) -> Catalogue:
        return open_sqlite(folder / "catalogue.sqlite")


def test_the_migrations_make_exactly_the_declared_tables(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), sql_schema.metadata) == []
    engine.dispose()


def test_a_catalogue_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()
    with pytest.raises(StoreError) as caught:
        open_sqlite(path)
    assert caught.value.code == "store_version"


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(b"this is not a database, but long enough to be taken for one" * 20)
    with pytest.raises(StoreError) as caught:
        open_sqlite(path)
    assert caught.value.code == "catalogue_failed"
    assert "catalogue.sqlite" in caught.value.message


def test_an_error_does_not_say_what_the_statement_was_about(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    catalogue = open_sqlite(path)

    async def put() -> None:
        try:
            with sqlite3.connect(path) as connection:
                connection.execute("DROP TABLE cause")
            connection.close()
            await catalogue.put_cause(CauseRecord(cause=CauseId("private-name"), title="T"), actor="cli", at_s=1)
        finally:
            await catalogue.close()

    with pytest.raises(StoreError) as caught:
        asyncio.run(put())
    assert "private-name" not in f"{caught.value}{caught.value.__cause__}"
