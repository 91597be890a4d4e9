"""What a mirror's answer to a range request is worth (spec/mirror-answers.md); the twin of `core/mirror-answer.ts`.

Both run spec/vectors/mirror-answers.json. Pure: from the answer's head to the code of what is wrong with it, and from
failures to whether asking again can help.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

_RETRY_AFTER_S_MAX: Final = 86_400
"""A mirror that wants to be left alone for longer than a day is out for any download."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,16})-(\d{1,16})/(\d{1,16}|\*)", re.ASCII)
_DECIMAL = re.compile(r"\d{1,16}", re.ASCII)
_SECONDS = re.compile(r"\d+", re.ASCII)

_BY_STATUS: Final = {
    401: "mirror_forbidden",
    403: "mirror_forbidden",
    404: "mirror_missing",
    410: "mirror_missing",
    416: "mirror_file_changed",
    429: "mirror_busy",
    451: "mirror_forbidden",
    503: "mirror_busy",
}
"""Statuses that have a code of their own."""

_PERMANENT: Final = frozenset(
    {
        "mirror_ignores_range",
        "mirror_wrong_range",
        "mirror_file_changed",
        "mirror_missing",
        "mirror_insecure",
        "mirror_private_address",
        "mirror_redirects",
    }
)
"""What asking the same mirror again cannot mend."""

_SELDOM_PASSES: Final = frozenset({"mirror_forbidden", "mirror_no_cors", "mirror_local_network", "mirror_tls"})
"""What may pass (a guard against floods, an error page without CORS), but seldom does."""

_SELDOM_MAX: Final = 3
"""So many of `_SELDOM_PASSES` in a row are taken for the mirror's last word."""


class AnswerHead(NamedTuple):
    """Status and headers of an answer."""

    status: int
    header: Callable[[str], str | None]
    """A header by its name; None when it is not there or may not be seen."""


class AskedRange(NamedTuple):
    """What was asked for: bytes `[start, end)` of a file that has `size_bytes` by its manifest."""

    start: int
    end: int
    size_bytes: int


class Fault(NamedTuple):
    """Why an answer is not the range that was asked for."""

    code: str
    """Of the family `source`."""
    retry_after_us: int | None = None
    """When the mirror wants to be asked again, in microseconds from now; None: it said nothing."""


def judge_answer(head: AnswerHead, asked: AskedRange, *, hidden: bool, now_s: int) -> Fault | None:
    """Judge status and headers (RFC 9110, sections 14.4, 15.3.7 and 10.2.3); None: it is the range that was asked for.

    Args:
        head: the answer.
        asked: what was asked for.
        hidden: may headers be hidden? A page sees those of another origin only where the mirror exposes them: then
            what cannot be seen is not asked for, and the digests decide.
        now_s: the time, in seconds since 1970.
    """
    if head.status in (200, 206):
        encoding = head.header("Content-Encoding") or "identity"
        if encoding.strip().lower() != "identity":
            return Fault("mirror_wrong_range")
        code = _judge_whole(head, asked) if head.status == 200 else _judge_part(head, asked, hidden=hidden)
        return None if code is None else Fault(code)
    code = _BY_STATUS.get(head.status, "mirror_status")
    return Fault(code, _retry_after_us(head, now_s) if code == "mirror_busy" else None)


def _judge_whole(head: AnswerHead, asked: AskedRange) -> str | None:
    length_bytes = _decimal(head.header("Content-Length"))
    if length_bytes is not None and length_bytes != asked.size_bytes:
        return "mirror_file_changed"
    return None if (asked.start, asked.end) == (0, asked.size_bytes) else "mirror_ignores_range"


def _judge_part(head: AnswerHead, asked: AskedRange, *, hidden: bool) -> str | None:
    text = head.header("Content-Range")
    if text is not None or not hidden:
        found = _CONTENT_RANGE.fullmatch((text or "").strip())
        if found is None:
            return "mirror_wrong_range"
        first, last, size = found.groups()
        if size != "*" and int(size) != asked.size_bytes:
            return "mirror_file_changed"
        if (int(first), int(last) + 1) != (asked.start, asked.end):
            return "mirror_wrong_range"
    length_bytes = _decimal(head.header("Content-Length"))
    return None if length_bytes in (None, asked.end - asked.start) else "mirror_wrong_range"


def _retry_after_us(head: AnswerHead, now_s: int) -> int | None:
    """`Retry-After` in microseconds from now, in both its forms; None when absent or not understood."""
    text = (head.header("Retry-After") or "").strip()
    if _SECONDS.fullmatch(text):
        seconds = int(text[:9])
    else:
        until_s = _http_date_s(text)
        if until_s is None:
            return None
        # A date is compared with the mirror's own clock where it tells it, so that ours need not be right.
        own_s = _http_date_s(head.header("Date") or "")
        seconds = until_s - (now_s if own_s is None else own_s)
    return min(max(seconds, 0), _RETRY_AFTER_S_MAX) * 1_000_000


def last_modified_s(head: AnswerHead) -> int | None:
    """When the mirror's file was last changed, by its own word, in seconds since 1970; None when it does not say."""
    return _http_date_s(head.header("Last-Modified") or "")


def _http_date_s(text: str) -> int | None:
    """The form that all senders use (RFC 9110, section 5.6.7); those of old are not read."""
    try:
        moment = datetime.strptime(text.strip(), "%a, %d %b %Y %H:%M:%S GMT")
    except ValueError:
        return None
    return int(moment.replace(tzinfo=UTC).timestamp())


def _decimal(header: str | None) -> int | None:
    return int(header) if header is not None and _DECIMAL.fullmatch(header.strip()) else None


class FailureRow:
    """The failures of one mirror: says whether it is worth asking again."""

    def __init__(self) -> None:
        self._code: str | None = None
        self._count = 0

    def failed(self, code: str) -> bool:
        """It failed. Returns whether it will never deliver this file."""
        self._count = self._count + 1 if code == self._code else 1
        self._code = code
        return code in _PERMANENT or (code in _SELDOM_PASSES and self._count >= _SELDOM_MAX)

    def delivered(self) -> None:
        """It delivered something."""
        self._code = None
        self._count = 0


def is_replaced(last_modified: int | None, published_at_s: int) -> bool:
    """Was a mirror's file replaced after its manifest was made? By its own word: nothing proves it.

    Args:
        last_modified: by the mirror's word, in seconds since 1970; None: it does not say.
        published_at_s: of the manifest.
    """
    return last_modified is not None and last_modified > published_at_s


def judge_link(code: str, *, replaced: bool, pinned: bool) -> Literal["follow", "ban"] | None:
    """The link that was asked for was dropped with `code`: does it lead to another file by now (M6)?

    Args:
        code: of spec/errors.md.
        replaced: see `is_replaced`.
        pinned: did a pinned key sign the manifest?

    Returns:
        `follow`: the download ends, a page follows the link. `ban`: the link is banned as for any wrong bytes, and
        shown as changed. None: it is judged as any mirror.
    """
    if code == "mirror_file_changed":
        return "follow"
    if code != "segment_mismatch" or not replaced:
        return None
    return "ban" if pinned else "follow"
