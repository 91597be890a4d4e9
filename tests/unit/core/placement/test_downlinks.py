"""How long a request waits for donors: by the file's size and by how fast downloads have gone."""

from __future__ import annotations

import random
from statistics import median

import numpy as np
import pytest

from distribute_io.core.placement.downlinks import (
    COUNTED_BYTES_MIN,
    COUNTED_S_MIN,
    FIRST,
    FIRST_BYTES_PER_S,
    KEPT,
    WAIT_MAX_S,
    WAIT_MIN_S,
    Downlinks,
    waits_s,
)

MIB = 1 << 20


def test_before_anything_was_seen_downloads_go_as_in_the_base_scenario() -> None:
    assert Downlinks().typical_bytes_per_s == FIRST_BYTES_PER_S


def test_a_few_downloads_decide_little_and_many_all() -> None:
    downlinks = Downlinks()
    for seen in range(1, FIRST + 1):
        downlinks.seen(10 * MIB, 1.0)
        assert downlinks.typical_bytes_per_s == (FIRST_BYTES_PER_S if 2 * seen < FIRST else 10 * MIB)


def test_the_typical_rate_is_the_median_of_the_last_downloads_whatever_single_ones_say() -> None:
    downlinks, rng = Downlinks(), random.Random(3)
    rates = [rng.lognormvariate(14.0, 1.0) for _ in range(KEPT + 100)]
    rates[-5:] = [1e15] * 5
    for rate in rates:
        downlinks.seen(100 * MIB, 100 * MIB / rate)
    assert len(downlinks.rates) == KEPT
    assert downlinks.typical_bytes_per_s == pytest.approx(median(rates[-KEPT:]))
    assert Downlinks(downlinks.rates).typical_bytes_per_s == downlinks.typical_bytes_per_s


def test_what_came_quickly_is_counted_where_it_shows_a_fast_line_and_no_time_is_a_short_one() -> None:
    downlinks = Downlinks()
    downlinks.seen(MIB, 1.0)  # the line may be much faster
    assert downlinks.rates == []
    downlinks.seen(COUNTED_BYTES_MIN, 0.0)
    downlinks.seen(MIB, COUNTED_S_MIN)
    downlinks.seen(MIB, 0.1)
    assert downlinks.rates == [COUNTED_BYTES_MIN / 1e-3, MIB / COUNTED_S_MIN, MIB / 0.1]


def test_some_small_downloads_that_stalled_do_not_make_all_lines_slow() -> None:
    downlinks = Downlinks()
    for number in range(20 * KEPT):
        downlinks.seen(MIB, 10.0 if number % 20 == 0 else 0.8)
    assert downlinks.typical_bytes_per_s >= MIB / 0.8


def test_an_empty_file_says_nothing_and_no_rate_is_nothing() -> None:
    downlinks = Downlinks()
    for _ in range(2 * FIRST):
        downlinks.seen(0, 9.0)
    assert downlinks.typical_bytes_per_s == FIRST_BYTES_PER_S
    assert waits_s(np.array([0, 10_000]), 0.0).tolist() == [WAIT_MIN_S, 5.0]


def test_a_request_waits_for_half_of_its_download_within_bounds() -> None:
    sizes = np.array([1, 50 * MIB, 2**50])
    assert waits_s(sizes, MIB).tolist() == [WAIT_MIN_S, 25.0, WAIT_MAX_S]
