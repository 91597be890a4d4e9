"""The book of demand against a slow and obvious one: every request is kept, every sum is made anew."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.demand.book import DemandBook, Tuning
from distribute_io.ids import FileId

S = 1_000_000
START = 20_000 * 86_400 * S
TUNING = Tuning()
FILES = [FileId(name) for name in "abc"]
REGIONS = ["EU/DE", "NA/US"]


class Seen(NamedTuple):
    """One request, or the lost share of one."""

    file_id: FileId
    region: str
    at_us: int
    lost: float | None


class NaiveBook:
    """All that was seen, and the module's rules 1 to 3 in plain sums."""

    def __init__(self, seen: list[Seen], now_us: int) -> None:
        self.seen = seen
        self.now_us = now_us
        self.slow_s = TUNING.slow_half_life_s / math.log(2)
        self.fast_s = TUNING.fast_half_life_s / math.log(2)
        asked = [each for each in seen if each.lost is None]
        self.began_us = min((each.at_us for each in asked), default=0)

    def faded(self, life_s: float, *, file_id: FileId | None = None, region: str | None = None) -> float:
        """Requests, each counted by how much of it is not forgotten."""
        return sum(
            math.exp(-(self.now_us - each.at_us) / S / life_s)
            for each in self.seen
            if each.lost is None and file_id in (None, each.file_id) and region in (None, each.region)
        )

    def lost(self, file_id: FileId, region: str | None = None) -> float:
        return sum(
            each.lost * math.exp(-(self.now_us - each.at_us) / S / self.fast_s)
            for each in self.seen
            if each.lost is not None and each.file_id == file_id and region in (None, each.region)
        )

    def rates(self, file_id: FileId) -> dict[str, float]:
        """Downloads per second by region, of files that were all published at START."""
        watched_s = self.slow_s * (1 - math.exp(-(self.now_us - START) / S / self.slow_s))
        average_watched_s = self.slow_s * (1 - math.exp(-(self.now_us - (self.began_us or START)) / S / self.slow_s))
        average = (TUNING.first_s * TUNING.first_per_s + self.faded(self.slow_s)) / (
            TUNING.first_s + len(FILES) * average_watched_s
        )
        span_s = watched_s + TUNING.prior_requests / average
        every = self.faded(self.slow_s)
        usual = {region: self.faded(self.slow_s, region=region) / every for region in REGIONS} if every else {"": 1.0}
        here = [region for region in REGIONS if any((e.file_id, e.region) == (file_id, region) for e in self.seen)]
        shares = {region: share * TUNING.prior_requests / span_s for region, share in usual.items() if share > 0}
        off = 0.0
        for region in here:
            fast = self.faded(self.fast_s, file_id=file_id, region=region)
            slow_rate = shares.get(region, 0.0) + self.faded(self.slow_s, file_id=file_id, region=region) / span_s
            off += (fast - slow_rate * self.fast_s) ** 2 / (max(slow_rate * self.fast_s, 1.0) / 2)
            shares[region] = self.believed(slow_rate, fast)
        fast = self.faded(self.fast_s, file_id=file_id)
        total = (self.faded(self.slow_s, file_id=file_id) + TUNING.prior_requests) / span_s
        believed = self.believed(total, fast)
        others, sigmas = max(0, len(here) - 1), TUNING.rise_sigmas
        if believed != total or off > others + sigmas * math.sqrt(2 * others) + sigmas**2:
            total = believed
            if fast > 0:
                shares = {region: self.faded(self.fast_s, file_id=file_id, region=region) for region in here}
        elif sum(shares.values()) > 0:
            total = sum(shares.values())
        before = sum(shares.values())
        for region in here:
            fast = self.faded(self.fast_s, file_id=file_id, region=region)
            if fast > 0:
                shares[region] *= 1 + TUNING.loss_weight * min(1.0, self.lost(file_id, region) / fast)
        norm = sum(shares.values())
        total *= norm / before if before > 0 else 1.0
        shares = {region: share / norm for region, share in shares.items()} if norm > 0 else usual
        return {region: total * share for region, share in shares.items() if share >= 0.002}

    def believed(self, slow_rate: float, fast: float) -> float:
        foretold = slow_rate * self.fast_s
        noise = math.sqrt(max(foretold, 1.0) / 2)
        rises = fast - foretold > TUNING.rise_sigmas * noise and fast >= 3
        falls = foretold - fast > TUNING.rise_sigmas * noise
        return fast / self.fast_s if rises or falls else slow_rate


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Seen], int]:
    """Some bursts, each of one file in one region, at its own pace; and the moment of the question."""
    seen: list[Seen] = []
    at_us = START
    for _ in range(draw(st.integers(0, 6))):
        file_id, region = draw(st.sampled_from(FILES)), draw(st.sampled_from(REGIONS))
        gap_us = draw(st.sampled_from([0, S // 2, 7 * S, 90 * S, 900 * S]))
        lost = draw(st.none() | st.floats(0.01, 1.0))
        for _ in range(draw(st.integers(1, 25))):
            at_us += gap_us
            seen.append(Seen(file_id, region, at_us, None))
            if lost is not None:
                seen.append(Seen(file_id, region, at_us, lost))
    return seen, at_us + draw(st.integers(0, 4_000)) * S


@given(histories())
def test_rates_and_counts_are_the_obvious_ones(history: tuple[list[Seen], int]) -> None:
    seen, now_us = history
    book = DemandBook()
    for file_id in FILES:
        book.published(file_id, START)
    for each in seen:
        if each.lost is None:
            book.asked(each.file_id, each.region, "unrestricted", each.at_us)
        else:
            book.fell_through(each.file_id, each.region, each.lost, each.at_us)
    naive = NaiveBook(seen, now_us)
    expected = {
        each.file_id: {rates.region: rates.open_per_s + rates.restricted_per_s for rates in each.rates}
        for each in book.expectations(now_us)
    }
    assert set(expected) == set(FILES)
    for file_id in FILES:
        assert expected[file_id] == pytest.approx(naive.rates(file_id), rel=1e-6, abs=1e-12)
    for cell in book.state().cells:
        assert cell.at_us == now_us
        assert cell.slow == pytest.approx(naive.faded(naive.slow_s, file_id=cell.file_id, region=cell.region))
        assert cell.fast == pytest.approx(naive.faded(naive.fast_s, file_id=cell.file_id, region=cell.region))
        assert cell.lost == pytest.approx(naive.lost(cell.file_id, cell.region))


@given(histories(), st.integers(1, 4))
def test_cells_stay_within_their_bound_and_the_book_survives_a_restart(
    history: tuple[list[Seen], int], cells_max: int
) -> None:
    seen, now_us = history
    tuning = Tuning(cells_max=cells_max)
    book = DemandBook(tuning)
    for each in seen:
        book.asked(each.file_id, each.region, "unknown", each.at_us)
        assert len(book.state().cells) <= cells_max
    again = DemandBook(tuning, book.state())
    told, told_again = book.expectations(now_us), again.expectations(now_us)
    assert [each.file_id for each in told] == [each.file_id for each in told_again]
    for one, other in zip(told, told_again, strict=True):
        assert {r.region: r.open_per_s for r in one.rates} == pytest.approx(
            {r.region: r.open_per_s for r in other.rates}
        )
