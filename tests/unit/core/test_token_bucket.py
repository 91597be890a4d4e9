"""The bucket never lets more through than its rate, and is exact about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.token_bucket import TokenBucket


def test_a_full_bucket_lets_its_burst_through_at_once() -> None:
    bucket = TokenBucket(rate_bytes_per_s=1000, burst_bytes=500, now_us=0)
    assert bucket.available_bytes(0) == 500
    assert bucket.reserve(500, 0) == 0
    assert bucket.available_bytes(0) == 0


def test_reservations_queue_behind_each_other() -> None:
    bucket = TokenBucket(rate_bytes_per_s=1000, burst_bytes=0, now_us=0)
    assert [bucket.reserve(100, 0) for _ in range(3)] == [100_000, 200_000, 300_000]


def test_the_level_never_grows_beyond_the_burst() -> None:
    bucket = TokenBucket(rate_bytes_per_s=1000, burst_bytes=10, now_us=0)
    assert bucket.available_bytes(3_600_000_000) == 10


def test_a_new_rate_counts_from_now_on() -> None:
    bucket = TokenBucket(rate_bytes_per_s=1000, burst_bytes=0, now_us=0)
    bucket.reserve(1000, 0)
    bucket.set_rate(4000, 500_000)
    assert bucket.rate_bytes_per_s == 4000
    assert bucket.reserve(0, 500_000) == 125_000


def test_a_clock_that_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(rate_bytes_per_s=1000, burst_bytes=0, now_us=1_000_000)
    assert bucket.available_bytes(0) == 0
    assert bucket.available_bytes(1_000_000) == 0


@pytest.mark.parametrize(("rate", "burst"), [(0, 0), (-1, 0), (1, -1)])
def test_impossible_limits_are_refused(rate: int, burst: int) -> None:
    with pytest.raises(ValueError, match="must"):
        TokenBucket(rate_bytes_per_s=rate, burst_bytes=burst, now_us=0)


def test_an_impossible_new_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        TokenBucket(rate_bytes_per_s=1, burst_bytes=0, now_us=0).set_rate(0, 0)


@given(
    rate=st.integers(1, 10**9),
    burst=st.integers(0, 10**7),
    pieces=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)), max_size=40),
)
def test_no_stretch_of_time_carries_more_than_rate_and_burst(
    rate: int, burst: int, pieces: list[tuple[int, int]]
) -> None:
    bucket = TokenBucket(rate_bytes_per_s=rate, burst_bytes=burst, now_us=0)
    now_us = 0
    sent: list[tuple[int, int]] = []
    for pause_us, size in pieces:
        now_us += pause_us
        sent.append((now_us + bucket.reserve(size, now_us), size))
    for first, (start_us, _) in enumerate(sent):
        total = 0
        for end_us, size in sent[first:]:
            total += size
            # Each wait is rounded up to a microsecond, so a stretch may be one shorter.
            assert (total - sent[first][1]) * 1_000_000 <= rate * (end_us - start_us + 1) + burst * 1_000_000
