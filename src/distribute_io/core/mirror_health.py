"""How well a mirror is, when it is looked at next, and whether downloaders are told of it.

Rules (reasons: docs/decisions/0016-mirrors-are-watched.md):

W1. A mirror is listed only after a check that it passed.
W2. What is proven leaves at once: other bytes, ranges ignored, a private address, a bad certificate. What may be a
    hiccup (no answer, an error status, too slow) leaves after a second look, which comes soon.
W3. A mirror whose bytes are right and which pages cannot read (no CORS, http for https pages) is listed for programs.
W4. After a failure the next look comes soon, then later and later; the more passes in a row, the later, too. Both
    double from `retry_us` up to `check_us`, with a jitter of a quarter. A mirror's own `Retry-After` is kept, for a day
    at most.
W5. An accusation brings the next look forward, by no more than one look in `retry_us`; with accusers of several
    networks by no more than one in HURRY_REST_US. Never to before now, nor to before what the mirror itself asked for
    (`Retry-After`): an accused mirror's host keeps its rest.
W6. When no mirror of a file that pages can use passed and we have no copy ourselves, those that are not *proven* wrong
    are listed all the same: it may be the coordinator that is cut off, and a try costs a downloader little. Their state
    says so.

Pure: the clock and chance are arguments. Times are microseconds since 1970, as they are kept over restarts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

MirrorState = Literal["unchecked", "well", "limited", "failing", "changed"]
"""`limited`: good for programs, not for pages. `changed`: other bytes are there."""

LIMITING: Final = frozenset({"mirror_no_cors", "mirror_insecure"})
"""Codes of rule W3."""

CHANGED: Final = frozenset({"mirror_file_changed", "segment_mismatch"})
"""Codes that say that the mirror answers, with another file."""

PROVEN: Final = CHANGED | {
    "mirror_ignores_range",
    "mirror_wrong_range",
    "mirror_private_address",
    "mirror_redirects",
    "mirror_tls",
}
"""Codes of rule W2 that a second look would only repeat."""

NEVER_LISTED: Final = PROVEN
"""Codes that rule W6 does not forgive: each wastes a downloader's time for certain, or worse."""

LOOKS_TO_LEAVE: Final = 2
"""Failures in a row after which a mirror that was well is left out."""

ACCUSERS_TO_HURRY: Final = 3
"""Networks whose accusations bring a look soonest, as many as keep a lying donor out."""

HURRY_REST_US: Final = 15_000_000
"""Between two looks at a mirror that many accuse. Accusers are forgotten with each look, so the same three networks may
come again after it: without a rest they would have the coordinator fetch segments without a pause."""

RETRY_AFTER_US_MAX: Final = 24 * 3600 * 1_000_000

COUNT_MAX: Final = 1_000_000
"""Counts stop here: enough for any rule, and a column's bound."""

_DOUBLINGS_MAX: Final = 32

_ASKS_FOR_REST: Final = "mirror_busy"
"""Code of an answer that may have a `Retry-After`."""


class Rhythm(Struct, frozen=True):
    """How often mirrors are looked at."""

    check_us: int
    """Longest time between two looks at one mirror."""
    retry_us: int
    """From a failure, or from the first pass, to the next look."""


class Health(Struct, frozen=True):
    """What is known of one mirror of one file."""

    state: MirrorState = "unchecked"
    reason: str = ""
    """Code of what the newest look found; empty when all was well. A mirror `well` with a reason is in doubt."""
    checked_at_us: int = 0
    """0: never."""
    since_us: int = 0
    """Since when the state is what it is; 0 with `unchecked`."""
    next_check_us: int = 0
    """0: at once."""
    passes: int = 0
    """In a row, up to now."""
    failures: int = 0
    """In a row, up to now."""
    rate_bytes_per_s: int = 0
    """Of the newest look that passed; 0: unknown."""


class Outcome(Struct, frozen=True):
    """What one look found."""

    code: str = ""
    """Empty when all was well; of `LIMITING` when only pages cannot use it."""
    rate_bytes_per_s: int = 0
    retry_after_us: int = 0

    @property
    def passed(self) -> bool:
        """Whether programs at least can use the mirror."""
        return not self.code or self.code in LIMITING


UNCHECKED: Final = Health()


def after_check(health: Health, outcome: Outcome, *, now_us: int, rhythm: Rhythm, chance: int) -> Health:
    """The health after one look (rules W2, W4).

    Args:
        chance: 0 to 1023, uniformly, for the jitter.
    """
    passes = min(health.passes + 1, COUNT_MAX) if outcome.passed else 0
    failures = 0 if outcome.passed else min(health.failures + 1, COUNT_MAX)
    state = _state_after(health, outcome, failures)
    doublings = min(passes or failures - 1, _DOUBLINGS_MAX)
    delay_us = min(rhythm.check_us, rhythm.retry_us << doublings)
    delay_us = delay_us * (768 + chance // 2) // 1024
    delay_us = max(delay_us, min(outcome.retry_after_us, RETRY_AFTER_US_MAX))
    return Health(
        state=state,
        reason=outcome.code,
        checked_at_us=now_us,
        since_us=health.since_us if state == health.state else now_us,
        next_check_us=now_us + delay_us,
        passes=passes,
        failures=failures,
        rate_bytes_per_s=outcome.rate_bytes_per_s if outcome.passed else health.rate_bytes_per_s,
    )


def _state_after(health: Health, outcome: Outcome, failures: int) -> MirrorState:
    if not outcome.code:
        return "well"
    if outcome.code in LIMITING:
        return "limited"
    if outcome.code in CHANGED:
        return "changed"
    was_listed = health.state in ("well", "limited")
    if was_listed and outcome.code not in PROVEN and failures < LOOKS_TO_LEAVE:
        return health.state
    return "failing"


def accused_check_us(health: Health, networks: int, *, now_us: int, rhythm: Rhythm) -> int:
    """When to look, after downloaders of so many networks complained since the newest look (W5); `now_us` or later."""
    rest_us = rhythm.retry_us
    if networks >= ACCUSERS_TO_HURRY:
        rest_us = min(rest_us, HURRY_REST_US)
    # A mirror that asked for a rest has said itself when to come back; whoever accuses it knows nothing better.
    asked_us = health.next_check_us if health.reason == _ASKS_FOR_REST else 0
    return max(now_us, health.checked_at_us + rest_us, asked_us)


def listed(healths: Sequence[Health], *, has_own: bool) -> tuple[bool, ...]:
    """Which mirrors of one file downloaders are told of (rules W1, W3, W6).

    Args:
        healths: of all mirrors of the file.
        has_own: whether the coordinator's own mirror has the file.

    >>> listed([Health("well"), Health("failing", "stalled"), Health()], has_own=False)
    (True, False, False)
    >>> listed([Health("changed", "segment_mismatch"), Health("failing", "stalled")], has_own=False)
    (False, True)
    >>> listed([Health("limited", "mirror_no_cors"), Health("failing", "stalled")], has_own=False)
    (True, True)
    """
    passed = tuple(health.state in ("well", "limited") for health in healths)
    if has_own or any(health.state == "well" for health in healths):
        return passed
    return tuple(health.reason not in NEVER_LISTED for health in healths)


def serves_pages(health: Health) -> bool:
    """Whether a page may be told of the mirror, as far as is known."""
    return health.state != "limited" and health.reason not in LIMITING
