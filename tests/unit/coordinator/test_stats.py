"""Rounding, offload, need of late, and books that lose nothing but what was not written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from distribute_io.coordinator.books import Books, offload, rounded
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


def test_what_was_delivered_of_late_says_how_much_a_cause_needs_help(tmp_path: Path) -> None:
    now_s = 1_800_000_000.0
    books = Books(open_sqlite(tmp_path / "catalogue.sqlite"), clock_s=lambda: now_s)
    cause, file_id = KEY
    assert books.need(cause, donors=1) == 0.5
    books.book(cause, file_id, Totals(mirrors_bytes=10**12, pushed_mirrors_bytes=10**12))
    assert books.need(cause, donors=1) == 1.0
    assert books.need(CauseId("other"), donors=1) == 0.5
    now_s += 86_400
    books.book(cause, file_id, Totals(donors_bytes=10**9, rejected_bytes=5))
    assert books.need(cause, donors=1) == 0.01


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
