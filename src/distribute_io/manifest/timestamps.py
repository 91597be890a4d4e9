"""Time stamps of manifests: RFC 3339 in UTC with whole seconds, `2026-11-22T18:30:00Z`, and nothing else.

One form only, so that no two programs read one stamp differently: no offsets, no fractions, no leap seconds, no lower
case. Inside the program they are integer seconds since 1970 (UTC).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from distribute_io.errors import ManifestError

_FORM: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})Z", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

TIME_S_MAX: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, the last one that four digits of a year can write."""


def parse_timestamp(text: str) -> int:
    """Seconds since 1970 of a time stamp from 1970 to 9999.

    Raises:
        ManifestError: `manifest_bad_time` for another form or a day that does not exist.

    Example:
        >>> parse_timestamp("1970-01-02T00:00:01Z")
        86401
    """
    match = _FORM.fullmatch(text)
    if match is not None:
        year, month, day, hour, minute, second = map(int, match.groups())
        try:
            seconds = (datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
        except ValueError:
            seconds = -1
        if seconds >= 0:
            return seconds
    raise ManifestError("manifest_bad_time", f"{text[:40]!a} is no time stamp like 2026-11-22T18:30:00Z.")


def format_timestamp(time_s: int) -> str:
    """The time stamp of `time_s` seconds since 1970.

    Raises:
        ManifestError: `manifest_bad_time` if it lies outside 1970 to 9999.
    """
    if not 0 <= time_s <= TIME_S_MAX:
        raise ManifestError("manifest_bad_time", f"{time_s} seconds since 1970 cannot be written as a time stamp.")
    return (_EPOCH + timedelta(seconds=time_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
