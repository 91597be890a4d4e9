"""Rounding, offload, need, and books that lose nothing but what was not written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from distribute_io.coordinator.books import Books
from distribute_io.coordinator.stats import need, offload, rounded
from distribute_io.errors import StoreError
from distribute_io.ids import CauseId, FileId
from distribute_io.stores.catalogue import Totals
from distribute_io.stores.sql_catalogue import SqlCatalogue, open_sqlite

KEY = (CauseId("main"), FileId("1" * 64))


@pytest.mark.parametrize(
    ("exact", "told"), [(0, 0), (7, 7), (99, 99), (100, 100), (104, 100), (105, 110), (999, 1_000), (123_456, 120_000)]
)
def test_counts_of_people_have_two_digits(exact: int, told: int) -> None:
    assert rounded(exact) == told


def test_offload_counts_all_fills_and_what_was_thrown_away() -> None:
    assert offload(Totals()) == (0.0, 0.0)
    totals = Totals(donors_bytes=60, mirrors_bytes=40, pushed_mirrors_bytes=10, pushed_donors_bytes=5, rejected_bytes=5)
    assert offload(totals) == (0.6, 0.4)
    assert offload(Totals(mirrors_bytes=100, pushed_mirrors_bytes=50)) == (0.0, -0.5)


def test_need_is_the_mirrors_share_or_the_lack_of_donors() -> None:
    assert need(Totals(donors_bytes=75, mirrors_bytes=25), donors=0) == 0.25
    assert need(Totals(), donors=0) == 1.0
    assert need(Totals(), donors=3) == 0.25


class Failing(SqlCatalogue):
    """A catalogue whose disk is full."""

    fails = True

    async def add_totals(self, totals: object) -> None:
        if self.fails:
            raise StoreError("catalogue_failed", "disk full")
        await super().add_totals(totals)  # type: ignore[arg-type]  # handed on as it came


def test_what_could_not_be_written_is_kept_and_written_later(tmp_path: Path) -> None:
    async def scene() -> None:
        catalogue = open_sqlite(tmp_path / "catalogue.sqlite")
        catalogue.__class__ = Failing
        assert isinstance(catalogue, Failing)
        books = Books(catalogue, clock_s=lambda: 1_800_000_000.0)
        await books.load()
        books.book(*KEY, Totals(donors_bytes=5))
        with pytest.raises(StoreError):
            await books.write()
        books.book(*KEY, Totals(donors_bytes=7))
        assert books.sums()[KEY] == Totals(donors_bytes=12)
        catalogue.fails = False
        await books.write()
        await books.write()
        assert await catalogue.totals_by_file() == {KEY: Totals(donors_bytes=12)}
        again = Books(catalogue, clock_s=lambda: 1_800_000_000.0)
        await again.load()
        assert again.sums() == {KEY: Totals(donors_bytes=12)}
        await catalogue.close()

    asyncio.run(scene())
