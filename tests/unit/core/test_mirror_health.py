"""When a mirror is left out, when it comes back, and when it is looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.core.mirror_health import (
    ACCUSERS_TO_HURRY,
    HURRY_REST_US,
    LIMITING,
    PROVEN,
    RETRY_AFTER_US_MAX,
    UNCHECKED,
    Health,
    Outcome,
    Rhythm,
    accused_check_us,
    after_check,
    listed,
    serves_pages,
)

SECOND_US = 1_000_000
RHYTHM = Rhythm(check_us=900 * SECOND_US, retry_us=15 * SECOND_US)
NO_JITTER = 512
HICCUPS = ("mirror_unreachable", "mirror_status", "mirror_busy", "stalled", "mirror_truncated", "mirror_too_slow")
PASS = Outcome(rate_bytes_per_s=5_000_000)

outcomes = st.builds(
    Outcome,
    code=st.sampled_from(("", *HICCUPS, *sorted(PROVEN | LIMITING))),
    rate_bytes_per_s=st.integers(0, 10**9),
    retry_after_us=st.integers(0, 10 * RETRY_AFTER_US_MAX),
)


def run(*codes: str, start: Health = UNCHECKED) -> Health:
    """The health after looks that found these codes, each as soon as it was due."""
    health = start
    for code in codes:
        health = after_check(
            health,
            Outcome(code, 1 if not code else 0),
            now_us=max(health.next_check_us, SECOND_US),
            rhythm=RHYTHM,
            chance=NO_JITTER,
        )
    return health


def delay_s(health: Health) -> float:
    return (health.next_check_us - health.checked_at_us) / SECOND_US


def test_a_new_mirror_is_listed_only_after_it_passed() -> None:
    assert listed([UNCHECKED, run("")], has_own=False) == (False, True)


def test_a_new_mirror_that_fails_once_is_not_listed() -> None:
    assert run("stalled").state == "failing"


@pytest.mark.parametrize("code", HICCUPS)
def test_a_hiccup_gets_a_second_look_soon_before_it_is_left_out(code: str) -> None:
    doubted = run("", "", "", code)
    assert (doubted.state, doubted.reason, delay_s(doubted)) == ("well", code, 15)
    assert run(code, start=doubted).state == "failing"
    assert run("", start=doubted) == run("", "", "", code, "")
    assert run("", start=doubted).reason == ""


@pytest.mark.parametrize("code", sorted(PROVEN))
def test_what_is_proven_is_left_out_at_once_and_never_listed_for_want_of_better(code: str) -> None:
    health = run("", "", code)
    assert health.state in ("failing", "changed")
    assert listed([health], has_own=False) == (False,)


def test_a_changed_file_is_told_apart_from_a_dead_mirror() -> None:
    assert run("", "mirror_file_changed").state == "changed"
    assert run("", "segment_mismatch").state == "changed"
    assert run("", "mirror_unreachable", "mirror_unreachable").state == "failing"


@pytest.mark.parametrize("code", sorted(LIMITING))
def test_right_bytes_that_pages_cannot_read_are_for_programs(code: str) -> None:
    health = run(code)
    assert health.state == "limited"
    assert listed([health], has_own=False) == (True,)
    assert not serves_pages(health)
    assert not serves_pages(run("stalled", start=health))
    assert serves_pages(run("", start=health))


def test_one_pass_brings_a_mirror_back() -> None:
    health = run("", "mirror_status", "mirror_status", "mirror_status", "")
    assert (health.state, health.reason, health.failures) == ("well", "", 0)


def test_looks_double_after_failures_and_after_passes_up_to_the_longest() -> None:
    failures = [delay_s(run("", *["stalled"] * count)) for count in range(1, 9)]
    assert failures == [15, 30, 60, 120, 240, 480, 900, 900]
    passes = [delay_s(run(*[""] * count)) for count in range(1, 8)]
    assert passes == [30, 60, 120, 240, 480, 900, 900]


def test_a_mirror_that_asks_to_be_left_alone_is_for_a_day_at_most() -> None:
    def wait_s(retry_after_us: int) -> float:
        busy = Outcome("mirror_busy", retry_after_us=retry_after_us)
        return delay_s(after_check(run(""), busy, now_us=SECOND_US, rhythm=RHYTHM, chance=0))

    assert wait_s(3_600 * SECOND_US) == 3_600
    assert wait_s(100 * RETRY_AFTER_US_MAX) == 24 * 3_600


def test_since_says_when_the_state_began() -> None:
    well = run("", "", "")
    assert well.since_us == SECOND_US
    left = run("stalled", "stalled", start=well)
    assert left.since_us == left.checked_at_us


def test_one_accuser_waits_longer_than_several_networks() -> None:
    slow = Rhythm(check_us=3_600 * SECOND_US, retry_us=600 * SECOND_US)
    health = run("", "", "", "", "")
    now_us = health.checked_at_us + SECOND_US
    assert accused_check_us(health, 1, now_us=now_us, rhythm=slow) == health.checked_at_us + slow.retry_us
    several = accused_check_us(health, ACCUSERS_TO_HURRY, now_us=now_us, rhythm=slow)
    assert several == health.checked_at_us + HURRY_REST_US
    late_us = health.checked_at_us + HURRY_REST_US + 1
    assert accused_check_us(health, ACCUSERS_TO_HURRY, now_us=late_us, rhythm=slow) == late_us


def test_no_number_of_accusers_overrides_what_a_mirror_asked_for() -> None:
    rhythm = Rhythm(check_us=600_000_000, retry_us=5_000_000)
    outcome = Outcome(code="mirror_busy", retry_after_us=3_600_000_000)
    health = after_check(Health(), outcome, now_us=0, rhythm=rhythm, chance=0)
    assert accused_check_us(health, 100, now_us=60_000_000, rhythm=rhythm) == 3_600_000_000


@given(
    st.integers(0, 10**12), st.integers(1, 10**12), st.integers(0, 10), st.integers(1, 10**10), st.integers(1, 10**10)
)
def test_no_number_of_accusers_takes_a_mirrors_rest_away(
    checked_at_us: int, now_us: int, networks: int, check_us: int, retry_us: int
) -> None:
    health = Health("well", checked_at_us=checked_at_us)
    rhythm = Rhythm(check_us=check_us, retry_us=retry_us)
    at_us = accused_check_us(health, networks, now_us=now_us, rhythm=rhythm)
    assert at_us >= now_us > 0  # 0 would be "at once", which passes the host's rest over
    assert at_us - checked_at_us >= min(retry_us, HURRY_REST_US)
    assert at_us <= max(now_us, checked_at_us + retry_us)
    assert at_us <= accused_check_us(health, 1, now_us=now_us, rhythm=rhythm)


def test_when_none_is_well_those_that_may_be_are_listed() -> None:
    down, wrong, fresh = run("mirror_unreachable"), run("segment_mismatch"), UNCHECKED
    assert listed([down, wrong, fresh], has_own=False) == (True, False, True)
    assert listed([down, wrong, fresh], has_own=True) == (False, False, False)
    assert listed([down, wrong, run("")], has_own=False) == (False, False, True)


@pytest.mark.parametrize("code", sorted(LIMITING))
def test_a_mirror_that_only_programs_can_use_does_not_leave_pages_without_any(code: str) -> None:
    limited, down, wrong = run(code), run("mirror_unreachable"), run("segment_mismatch")
    assert listed([limited, down, wrong, UNCHECKED], has_own=False) == (True, True, False, True)
    assert listed([limited, down, wrong, UNCHECKED], has_own=True) == (True, False, False, False)
    assert listed([limited, down, run("")], has_own=False) == (True, False, True)


@given(st.lists(st.tuples(outcomes, st.integers(0, 1023), st.integers(0, 10**10)), min_size=1, max_size=40))
def test_whatever_looks_find_the_rules_hold(looks: list[tuple[Outcome, int, int]]) -> None:
    health, now_us = UNCHECKED, SECOND_US
    for outcome, chance, late_us in looks:
        before = health
        now_us = max(now_us, health.next_check_us) + late_us
        health = after_check(health, outcome, now_us=now_us, rhythm=RHYTHM, chance=chance)
        wait_us = health.next_check_us - now_us
        assert RHYTHM.retry_us * 3 // 4 <= wait_us
        assert wait_us <= max(RHYTHM.check_us * 5 // 4, min(outcome.retry_after_us, RETRY_AFTER_US_MAX))
        assert (health.passes > 0) == outcome.passed == (health.failures == 0)
        assert health.since_us <= health.checked_at_us == now_us
        assert (health.since_us == now_us) or (health.state == before.state)
        assert health.state != "unchecked"
        if outcome.passed:
            assert listed([health], has_own=True) == (True,)
        if outcome.code in PROVEN or health.failures > 1:
            assert listed([health], has_own=True) == (False,)


@given(st.lists(st.lists(outcomes, max_size=4), max_size=6), st.booleans())
def test_a_mirror_that_is_proven_wrong_is_never_listed(histories: list[list[Outcome]], has_own: bool) -> None:
    healths = []
    for history in histories:
        health = UNCHECKED
        for outcome in history:
            health = after_check(health, outcome, now_us=health.next_check_us + 1, rhythm=RHYTHM, chance=0)
        healths.append(health)
    told = listed(healths, has_own=has_own)
    for health, is_listed in zip(healths, told, strict=True):
        assert not (is_listed and health.reason in PROVEN)
    passing = [health.state in ("well", "limited") for health in healths]
    if has_own or any(health.state == "well" for health in healths):
        assert list(told) == passing
    else:
        assert list(told) == [health.reason not in PROVEN for health in healths]
    assert all(is_listed for is_listed, is_passing in zip(told, passing, strict=True) if is_passing)
