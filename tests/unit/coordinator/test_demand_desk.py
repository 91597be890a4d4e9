"""What the coordinator remembers of demand: it outlives a restart, and is not found anew for each plan."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from distribute_io.coordinator.app import open_catalogue
from distribute_io.coordinator.books import Books
from distribute_io.coordinator.config import CoordinatorConfig
from distribute_io.coordinator.demand_desk import EXPECTED_FOR_US_PER_FILE, NOTE, DemandDesk
from distribute_io.coordinator.hour_books import HOUR_US
from distribute_io.coordinator.session import Session
from distribute_io.coordinator.stats import Statistics
from distribute_io.core.demand.book import Announcement
from distribute_io.core.placement.downlinks import FIRST
from distribute_io.ids import CauseId, FileId, SessionId
from distribute_io.stores.catalogue import CauseRecord, Totals
from distribute_io.stores.memory_state import MemoryState

S = 1_000_000
MIB = 1 << 20
FILE = FileId("f")
CAUSE = CauseId("main")


class Clock:
    now_us = 10**15

    def __call__(self) -> int:
        return self.now_us


def a_session(number: int) -> Session:
    return Session(SessionId(f"{number:032x}"), network="n", region="EU/DE", now_us=0)


async def rate(desk: DemandDesk) -> float:
    return sum(rates.open_per_s + rates.restricted_per_s for each in await desk.expectations() for rates in each.rates)


def test_a_restart_is_no_time_without_requests(tmp_path: Path) -> None:
    async def play() -> None:
        clock = Clock()
        catalogue = open_catalogue(CoordinatorConfig(data_dir=str(tmp_path)))
        try:
            desk = DemandDesk(catalogue, clock_us=clock)
            desk.published([FILE])
            for number in range(600):
                clock.now_us += S // 10
                desk.asked(a_session(number), FILE)
            await desk.write()
            before = await rate(desk)
            clock.now_us += 600 * S
            again = DemandDesk(catalogue, clock_us=clock)
            await again.load()
            assert await rate(again) == pytest.approx(before)
        finally:
            await catalogue.close()

    asyncio.run(play())


def test_forecasts_are_told_by_region_file_and_cause_beside_what_came(tmp_path: Path) -> None:
    async def play() -> None:
        clock = Clock()
        clock.now_us -= clock.now_us % HOUR_US
        catalogue = open_catalogue(CoordinatorConfig(data_dir=str(tmp_path)))
        try:
            await catalogue.put_cause(CauseRecord(CAUSE, "Main"), actor="cli", at_s=1)
            desk = DemandDesk(catalogue, clock_us=clock)
            books = Books(catalogue, clock_s=lambda: clock.now_us / S)
            statistics = Statistics(
                catalogue,
                MemoryState(),
                books,
                desk.regions,
                desk.hours,
                cause_of={FILE: CAUSE}.get,
                session_url="",
                contact="",
                clock_us=clock,
            )
            desk.published([FILE])
            books.book(CAUSE, FILE, Totals(mirrors_bytes=1))
            foretold = await rate(desk) * 3_600  # of the hour that begins now
            desk.hours.turn()
            for number in range(144):
                desk.asked(a_session(number), FILE)
                clock.now_us += 25 * S
            report = await statistics.report()
            (cause,), (file,), (region, *_) = report.causes, report.files, report.regions
            for told in (report, cause, file):
                assert (told.forecast_last_hour, told.came_last_hour) == (round(foretold, 1), 140)
            assert (region.region, region.came_last_hour) == ("EU/DE", 140)
            assert sum(each.forecast_last_hour for each in report.regions) == pytest.approx(foretold, abs=0.2)
        finally:
            await catalogue.close()

    asyncio.run(play())


def test_how_fast_downloads_go_is_learned_once_a_session_and_outlives_a_restart(tmp_path: Path) -> None:
    async def play() -> None:
        clock = Clock()
        catalogue = open_catalogue(CoordinatorConfig(data_dir=str(tmp_path)))
        try:
            desk = DemandDesk(catalogue, clock_us=clock)
            for number in range(FIRST):
                session = a_session(number)
                desk.downloaded(session, FILE, 80 * MIB)  # it never wanted it
                desk.asked(session, FILE)
                clock.now_us -= S
                desk.downloaded(a_session(number), FILE, 80 * MIB)
                clock.now_us += 9 * S
                desk.downloaded(session, FILE, 80 * MIB)
                desk.downloaded(session, FILE, 80 * MIB)
            assert desk.downlinks.rates == [10 * MIB] * FIRST
            await desk.write()
            again = DemandDesk(catalogue, clock_us=clock)
            await again.load()
            assert again.downlinks.typical_bytes_per_s == 10 * MIB
        finally:
            await catalogue.close()

    asyncio.run(play())


def test_what_is_expected_is_kept_for_a_while_and_not_beyond_news(tmp_path: Path) -> None:
    async def play() -> None:
        clock = Clock()
        catalogue = open_catalogue(CoordinatorConfig(data_dir=str(tmp_path)))
        try:
            desk = DemandDesk(catalogue, clock_us=clock)
            desk.published([FILE])
            first = await desk.expectations()
            desk.asked(a_session(1), FILE)
            assert await desk.expectations() is first
            clock.now_us += EXPECTED_FOR_US_PER_FILE
            second = await desk.expectations()
            assert second is not first
            await desk.announce(Announcement(file_id=FileId("g"), release_at_us=clock.now_us + 60 * S, downloads=100))
            assert [each.file_id for each in await desk.expectations()] == [FILE, "g"]
            desk.dropped(FILE)
            assert [each.file_id for each in await desk.expectations()] == ["g"]
        finally:
            await catalogue.close()

    asyncio.run(play())


def test_an_announced_release_survives_a_kill_and_not_its_file(tmp_path: Path) -> None:
    async def play() -> None:
        clock = Clock()
        catalogue = open_catalogue(CoordinatorConfig(data_dir=str(tmp_path)))
        try:
            desk = DemandDesk(catalogue, clock_us=clock)
            for name, lead_s in (("f", 900), ("g", 600), ("old", -7 * 86_400)):
                release_at_us = clock.now_us + lead_s * S
                await desk.announce(Announcement(file_id=FileId(name), release_at_us=release_at_us, downloads=100))
            # Nothing else is written: it was killed. What else was learned is of another version, say.
            await catalogue.put_note(NOTE, b"another form")
            again = DemandDesk(catalogue, clock_us=clock)
            await again.load()
            assert [(each.file_id, each.lead_s) for each in await again.expectations()] == [("f", 900), ("g", 600)]
            again.begin({FILE})
            assert {each.file_id for each in await again.expectations() if each.lead_s} == {FILE}
        finally:
            await catalogue.close()

    asyncio.run(play())
