"""Demand: what is asked fades, crowds are seen, announcements lead, state is bounded and survives a restart."""

from __future__ import annotations

import random
from collections.abc import Generator

import msgspec
import numpy as np
import pytest

from distribute_io.core.demand.book import Announcement, DemandBook, DemandState, Tuning, after_pause
from distribute_io.core.demand.cells import REGIONS_MAX
from distribute_io.core.demand.estimate import moved_at
from distribute_io.core.demand.season import Season, SeasonState
from distribute_io.core.placement.model import Expectation
from distribute_io.ids import FileId

S = 1_000_000
HOUR = 3_600 * S
START = 20_000 * 24 * HOUR
A, B = FileId("a"), FileId("b")


def per_s(expected: Expectation) -> float:
    return sum(rates.open_per_s + rates.restricted_per_s for rates in expected.rates)


def of(book: DemandBook, file_id: FileId, now_us: int) -> Expectation:
    return next(expected for expected in book.expectations(now_us) if expected.file_id == file_id)


def drained(
    steps: Generator[object, None, tuple[dict[str, float], dict[FileId, float]]],
) -> tuple[dict[str, float], dict[FileId, float]]:
    """What a look says at its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: tuple[dict[str, float], dict[FileId, float]] = end.value
            return found


def ask(
    book: DemandBook, file_id: FileId, *, since_us: int, until_us: int, per_s: float, region: str = "EU/DE"
) -> None:
    """A Poisson stream of requests."""
    rng = random.Random(7)
    at_us = float(since_us)
    while (at_us := at_us + rng.expovariate(per_s) * S) < until_us:
        book.asked(file_id, region, "unrestricted", int(at_us))


def test_the_estimate_comes_near_the_rate() -> None:
    book = DemandBook()
    book.published(A, START)
    ask(book, A, since_us=START, until_us=START + 3 * HOUR, per_s=0.05)
    assert per_s(of(book, A, START + 3 * HOUR)) == pytest.approx(0.05, rel=0.2)


def test_what_is_not_asked_any_more_fades() -> None:
    book = DemandBook()
    ask(book, A, since_us=START, until_us=START + HOUR, per_s=0.1)
    before = per_s(of(book, A, START + HOUR))
    assert per_s(of(book, A, START + 3 * HOUR)) < 0.45 * before


def test_a_new_file_is_worth_something_before_anybody_asked_and_less_as_time_goes() -> None:
    book = DemandBook()
    book.published(A, START)
    fresh, old = per_s(of(book, A, START)), per_s(of(book, A, START + HOUR))
    assert fresh == pytest.approx(1 / 30)
    assert old < fresh / 4


def test_a_crowd_is_believed_at_once_and_noise_is_not() -> None:
    book = DemandBook()
    book.published(A, START)
    ask(book, A, since_us=START, until_us=START + HOUR, per_s=0.02)
    calm = per_s(of(book, A, START + HOUR))
    assert calm == pytest.approx(0.02, rel=0.5)
    ask(book, A, since_us=START + HOUR, until_us=START + HOUR + 60 * S, per_s=1.0)
    assert per_s(of(book, A, START + HOUR + 60 * S)) > 10 * calm


def test_a_crowd_that_moves_on_is_seen_before_any_one_place_of_it_is() -> None:
    book = DemandBook()
    book.published(A, START)
    for second in range(0, 300, 3):
        book.asked(A, "EU/DE" if second < 240 else "NA/US", "unknown", START + second * S)
    rates = {each.region: each.open_per_s + each.restricted_per_s for each in of(book, A, START + 300 * S).rates}
    assert rates["NA/US"] > rates["EU/DE"]  # the slow counts say four to one the other way


@pytest.mark.parametrize("cells", [1, 3, 30, 60, 100, 200])
def test_many_places_are_no_reason_to_see_crowds(cells: int) -> None:
    by_chance = np.random.default_rng(cells).chisquare(cells, 20_000)
    assert (by_chance > float(moved_at(np.array(cells), 4.0))).mean() < 0.001
    # A crowd that goes from five of them to five others is seen still.
    assert 10 * 6.0**2 + cells - 10 > float(moved_at(np.array(cells), 4.0))


def test_regions_and_restricted_networks_are_told_apart() -> None:
    book = DemandBook()
    for second in range(400):
        book.asked(A, "EU/DE/AS1/n-00000001", "restricted" if second % 2 else "unrestricted", START + second * S)
        book.asked(B, "NA/US", "unrestricted", START + second * S)
    rates = {row.region: row for row in of(book, A, START + 400 * S).rates}
    assert rates["EU/DE"].restricted_per_s == pytest.approx(rates["EU/DE"].open_per_s, rel=0.1)
    assert "NA/US" not in rates or rates["NA/US"].open_per_s < rates["EU/DE"].open_per_s / 20
    (other,) = (row for row in of(book, B, START + 400 * S).rates if row.region == "NA/US")
    assert other.restricted_per_s < other.open_per_s / 10


def test_what_fell_through_raises_the_value_at_once_and_is_forgotten() -> None:
    book = DemandBook()
    for second in range(600):
        book.asked(A, "", "unknown", START + second * S)
    before = per_s(of(book, A, START + 600 * S))
    for _ in range(100):
        book.fell_through(A, "", 1.0, START + 600 * S)
    assert per_s(of(book, A, START + 600 * S)) == pytest.approx((1.0 + Tuning().loss_weight) * before, rel=0.01)
    book.asked(A, "", "unknown", START + 1_800 * S)
    assert per_s(of(book, A, START + 1_800 * S)) < before


def test_what_fell_through_in_one_region_raises_nothing_in_another() -> None:
    book = DemandBook()
    for second in range(600):
        book.asked(A, ("EU/DE", "NA/US")[second % 2], "unknown", START + second * S)
    before = by_region(book, A, START + 600 * S)
    for _ in range(100):
        book.fell_through(A, "EU/DE", 1.0, START + 600 * S)
    after = by_region(book, A, START + 600 * S)
    assert after["EU/DE"] == pytest.approx((1.0 + Tuning().loss_weight) * before["EU/DE"], rel=0.001)
    assert after["NA/US"] == pytest.approx(before["NA/US"], rel=0.001)


def by_region(book: DemandBook, file_id: FileId, now_us: int) -> dict[str, float]:
    return {rates.region: rates.open_per_s + rates.restricted_per_s for rates in of(book, file_id, now_us).rates}


def test_what_is_counted_of_an_announced_release_is_not_expected_twice() -> None:
    book = DemandBook()
    book.published(A, START)
    book.announce(Announcement(file_id=A, release_at_us=START + 900 * S, downloads=1_000))
    announced = per_s(book.expectations(START)[0])
    both: list[float] = []
    for second in range(901, 1_200):
        book.asked(A, "", "unknown", START + second * S)
        both = [per_s(expected) for expected in book.expectations(START + second * S) if expected.file_id == A]
        assert len(both) == 2
        assert sum(both) == pytest.approx(max(announced * 0.5 ** ((second - 900) / 1_200), both[0]))
    assert both[0] > announced
    assert both[1] == 0.0


def test_an_announced_release_leads_and_goes() -> None:
    book = DemandBook()
    book.published(A, START)
    book.announce(Announcement(file_id=A, release_at_us=START + 900 * S, downloads=1_000, regions=("EU/DE", "NA")))
    (before,) = book.expectations(START)
    assert before.lead_s == 900.0
    assert {row.region for row in before.rates} == {"EU/DE", "NA"}
    assert per_s(before) == pytest.approx(1_000 * 0.693147 / 1_200, rel=1e-3)
    during = [expected for expected in book.expectations(START + 1_500 * S) if expected.lasts_s < 1e9]
    assert [expected.lead_s for expected in during] == [0.0]
    assert per_s(during[0]) < per_s(before)
    assert all(expected.lasts_s > 1e9 for expected in book.expectations(START + 3 * HOUR))


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
def test_a_release_that_is_announced_during_a_look_is_of_the_next(turns: int) -> None:
    book = DemandBook()
    book.published(A, START)
    expected, downloads = book.expected(START), book.downloads(START, 3_600.0)
    for _ in range(turns):
        next(expected)
        next(downloads)
    book.announce(Announcement(file_id=B, release_at_us=START + 60 * S, downloads=9, regions=("EU/DE",)))
    assert all(each.file_id == A for some in expected for each in some)
    by_region, by_file = drained(downloads)
    assert "EU/DE" not in by_region
    assert B not in by_file
    assert of(book, B, START).lead_s == 60.0


def test_many_releases_leave_room_for_others_between_them() -> None:
    book = DemandBook()
    for number in range(64):
        file_id = FileId(f"{number:064x}")
        book.announce(Announcement(file_id=file_id, release_at_us=START + S, downloads=9, regions=("EU/DE", "EU")))
    turns = list(book.expected(START))
    assert len(turns) > 64 // 16
    assert len(turns[-1]) == 64


def test_regions_of_a_release_that_are_one_when_coarse_have_all_of_it() -> None:
    book = DemandBook()
    book.announce(
        Announcement(file_id=A, release_at_us=START, downloads=1_000, regions=("EU/DE/AS1", "EU/DE/AS2", "EU/FR"))
    )
    (release,) = book.expectations(START)
    assert per_s(release) == pytest.approx(1_000 * 0.693147 / 1_200, rel=1e-3)
    assert shares_of(release) == pytest.approx({"EU/DE": 2 / 3, "EU/FR": 1 / 3})


def shares_of(release: Expectation) -> dict[str, float]:
    return {row.region: (row.open_per_s + row.restricted_per_s) / per_s(release) for row in release.rates}


def test_an_announced_continent_is_its_countries_by_what_is_usual_there() -> None:
    book = DemandBook()
    for number, region in enumerate(["EU/DE", "EU/DE", "EU/DE", "EU/FR", "NA/US", "NA/US"]):
        book.asked(B, region, "unknown", START + number)
    book.announce(Announcement(file_id=A, release_at_us=START + HOUR, downloads=1_000, regions=("EU", "AS/JP")))
    release = of(book, A, START + HOUR)
    assert shares_of(release) == pytest.approx({"EU/DE": 3 / 8, "EU/FR": 1 / 8, "AS/JP": 1 / 2}, rel=1e-3)
    assert per_s(release) == pytest.approx(1_000 * 0.693147 / 1_200, rel=1e-3)


def test_regions_that_are_only_announced_take_no_number_for_ever() -> None:
    book = DemandBook()
    regions = tuple(f"made-up-{number}" for number in range(REGIONS_MAX + 9))
    book.announce(Announcement(file_id=A, release_at_us=START, downloads=1_000, regions=regions))
    release = of(book, A, START)
    assert len(release.rates) <= REGIONS_MAX
    assert per_s(release) == pytest.approx(1_000 * 0.693147 / 1_200, rel=0.05)
    for number in range(REGIONS_MAX - 1):
        book.asked(B, f"real-{number}", "unknown", START)
    by_region, _ = drained(book.downloads(START + S, 3_600.0))
    assert all(by_region[f"real-{number}"] > 0 for number in range(REGIONS_MAX - 1))


def test_what_is_asked_elsewhere_takes_nothing_from_the_announced_region() -> None:
    book = DemandBook()
    book.published(A, START)
    book.announce(Announcement(file_id=A, release_at_us=START, downloads=10_000, regions=("AS/JP",)))
    ask(book, A, since_us=START, until_us=START + 60 * S, per_s=3.0, region="EU/DE")
    there: dict[str, float] = {}
    for expected in book.expectations(START + 60 * S):
        for row in expected.rates:
            there[row.region] = there.get(row.region, 0.0) + row.open_per_s + row.restricted_per_s
    announced = 10_000 * 0.693147 / 1_200 * 0.5 ** (60 / 1_200)
    assert there["AS/JP"] == pytest.approx(announced, rel=1e-3)
    assert there["EU/DE"] > 1.0


def test_room_is_made_before_it_is_needed() -> None:
    book = DemandBook(Tuning(cells_max=64))
    for number in range(61):
        book.asked(FileId(f"{number}"), "EU/DE", "unknown", START + number * S)
    assert list(book.make_room(START + 61 * S)) == [None]
    assert [cell.file_id for cell in book.state().cells] == [f"{number}" for number in range(3, 61)]
    assert list(book.make_room(START + 61 * S)) == []
    assert len(book.state().cells) == 58


def test_who_is_asked_for_after_the_choice_is_not_forgotten() -> None:
    book = DemandBook(Tuning(cells_max=64))
    for number in range(64):
        book.asked(FileId(f"{number}"), "EU/DE", "unknown", START + number * S)
    book.asked(FileId("a new one"), "EU/DE", "unknown", START + 64 * S)  # the four least are chosen, 0 is forgotten
    known = {cell.file_id for cell in book.state().cells}
    (first,) = {f"{number}" for number in range(64)} - known
    chosen = [f"{number}" for number in range(4) if f"{number}" != first]
    book.asked(FileId(chosen[0]), "EU/DE", "unknown", START + 65 * S)
    book.dropped(FileId(chosen[1]))
    for number in range(3):
        book.asked(FileId(f"another {number}"), "EU/DE", "unknown", START + (66 + number) * S)
    known = {cell.file_id for cell in book.state().cells}
    assert len(known) == 64
    assert chosen[0] in known
    assert chosen[2] not in known


def test_a_class_that_is_found_late_counts_for_what_was_asked() -> None:
    early, late = DemandBook(), DemandBook()
    for number in range(50):
        early.asked(A, "EU/DE", "restricted", START + number * S)
        late.asked(A, "EU/DE", "unknown", START + number * S)
        late.nat_found("EU/DE", "restricted", 1)
    assert early.expectations(START + 60 * S) == late.expectations(START + 60 * S)


def test_cells_are_bounded_and_the_hot_ones_stay() -> None:
    book = DemandBook(Tuning(cells_max=64))
    for second in range(2_000):
        book.asked(A, "EU/DE", "unknown", START + second * S)
        book.asked(FileId(f"once-{second}"), "EU/DE", "unknown", START + second * S)
    state = book.state()
    assert len(state.cells) <= 64
    assert max(state.cells, key=lambda cell: cell.slow).file_id == A


def test_a_million_files_take_no_more_than_the_bound_and_the_most_wanted_are_told_in_small_parts() -> None:
    tuning = Tuning(cells_max=512, files_max=100)
    book, rng = DemandBook(tuning), random.Random(3)
    for second in range(20_000):  # each of a file of a million; file 7 stands out
        number = 7 if second % 5 == 0 else rng.randrange(1_000_000)
        book.asked(FileId(f"{number}"), f"EU/{number % 9:02d}", "unknown", START + second * S)
    parts = list(book.expected(START + 20_000 * S))
    told = [expected for part in parts for expected in part]
    assert len(told) == 100
    assert told[0].file_id == "7"
    assert max(map(len, parts)) <= 64
    # What is forgotten leaves nothing: its number is used again.
    assert len(book._files) <= 512 + 1


def test_what_is_expected_can_be_told_to_another_process() -> None:
    book = DemandBook()
    ask(book, A, since_us=START, until_us=START + HOUR, per_s=0.1)
    book.fell_through(A, "EU/DE", 0.5, START + HOUR)
    book.announce(Announcement(file_id=B, release_at_us=START + 2 * HOUR, downloads=10))
    told = list(book.expectations(START + HOUR))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=list[Expectation]) == [
        msgspec.structs.replace(expected, rates=list(expected.rates)) for expected in told
    ]


def test_downloads_to_come_are_the_sums_of_what_is_expected() -> None:
    book = DemandBook()
    book.published(A, START)
    ask(book, A, since_us=START, until_us=START + HOUR, per_s=0.1)
    ask(book, B, since_us=START, until_us=START + HOUR, per_s=0.02, region="NA/US")
    book.announce(Announcement(file_id=A, release_at_us=START + HOUR + 900 * S, downloads=500, regions=("AS/JP",)))
    by_region, by_file = drained(book.downloads(START + HOUR, 3_600.0))
    files: dict[str, float] = {}
    regions: dict[str, float] = {}
    for expected in book.expectations(START + HOUR):
        seconds = min(3_600.0 - expected.lead_s, expected.lasts_s)
        for rates in expected.rates:
            downloads = seconds * (rates.open_per_s + rates.restricted_per_s)
            files[expected.file_id] = files.get(expected.file_id, 0.0) + downloads
            regions[rates.region] = regions.get(rates.region, 0.0) + downloads
    assert by_file == pytest.approx(files)
    assert {region: value for region, value in by_region.items() if value} == pytest.approx(regions)
    assert regions["AS/JP"] > 400


def test_a_file_that_takes_the_place_of_a_dropped_one_has_nothing_of_it() -> None:
    book, fresh = DemandBook(), DemandBook()
    for each in (book, fresh):
        each.published(A, START)
        ask(each, A, since_us=START, until_us=START + HOUR, per_s=0.1)
    book.published(B, START)
    book.asked(B, "NA/US", "unknown", START)
    book.dropped(B)
    c = FileId("c")
    for each in (book, fresh):
        each.asked(c, "EU/DE", "unknown", START + HOUR)
    assert of(book, c, START + HOUR).rates[0].open_per_s == pytest.approx(
        of(fresh, c, START + HOUR).rates[0].open_per_s, rel=1e-3
    )


def test_what_was_learned_survives_a_restart() -> None:
    book = DemandBook()
    book.published(A, START)
    book.announce(Announcement(file_id=B, release_at_us=START + 900 * S, downloads=10))
    ask(book, A, since_us=START, until_us=START + HOUR, per_s=0.1)
    data = msgspec.msgpack.encode(book.state())
    again = DemandBook(state=msgspec.msgpack.decode(data, type=DemandState))
    assert again.expectations(START + HOUR) == book.expectations(START + HOUR)
    assert again.state() == book.state()


def test_a_dropped_file_is_forgotten() -> None:
    book = DemandBook()
    book.published(A, START)
    book.asked(A, "EU/DE", "unknown", START)
    book.asked(B, "EU/DE", "unknown", START)
    book.dropped(A)
    assert [expected.file_id for expected in book.expectations(START)] == [B]


def test_the_hours_of_a_day_foretell_the_next_half_hour() -> None:
    season = Season(SeasonState())
    for day in range(4):
        for hour in range(24):
            for _ in range(40 if 8 <= hour < 20 else 4):
                season.asked("EU/DE", START + (day * 24 + hour) * HOUR)
    morning, noon, evening = (season.correction("EU/DE", START + 4 * 24 * HOUR + hour * HOUR) for hour in (8, 14, 20))
    assert morning > 1.2
    assert noon == pytest.approx(1.0, abs=0.05)
    assert evening < 0.8
    assert season.correction("NA/US", START) == 1.0


@pytest.mark.parametrize(("days", "counts"), [(2, False), (4, True)])
def test_the_hours_of_the_day_count_once_there_are_three_days_of_them(days: int, *, counts: bool) -> None:
    book = DemandBook()
    for hour in range(days * 24 + 8):
        for minute in range(0, 60, 1 if 8 <= hour % 24 < 20 else 10):
            book.asked(A, "EU/DE", "unknown", START + hour * HOUR + minute * 60 * S)
    now_us = START + days * 24 * HOUR + 8 * HOUR - 60 * S  # before eight in the morning
    (told,) = book.expectations(now_us)
    plain = DemandBook(Tuning(season_after_s=1e9), book.state())
    (level,) = plain.expectations(now_us)
    assert (per_s(told) > 1.2 * per_s(level)) == counts
    if not counts:
        assert per_s(told) == pytest.approx(per_s(level))


def test_a_pause_of_the_coordinator_is_no_time_without_requests() -> None:
    book = DemandBook()
    book.published(A, START)
    ask(book, A, since_us=START, until_us=START + HOUR, per_s=10.0)
    release = Announcement(file_id=B, release_at_us=START + 3 * HOUR, downloads=100)
    book.announce(release)
    before = per_s(of(book, A, START + HOUR))
    paused = DemandBook(state=after_pause(book.state(), HOUR))
    assert per_s(of(paused, A, START + 2 * HOUR)) == pytest.approx(before)
    assert per_s(of(DemandBook(state=book.state()), A, START + 2 * HOUR)) < 0.5 * before
    assert paused.state().announced == [release]
    assert after_pause(DemandState(), HOUR) == DemandState()
