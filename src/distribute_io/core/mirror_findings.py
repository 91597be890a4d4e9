"""From what one look at a mirror saw to what it means: for programs, for pages, and in words.

Used by the coordinator, which needs the code of the worst finding, and by `dio doctor`, which shows all of them.

Rules:

1. A finding is `fail` when no client can use the mirror, `pages` when only pages cannot, `note` when it works and
   could be better, `ok` otherwise. The outcome is the first `fail`, else the first `pages`.
2. What a browser checks is judged as a browser does: the header is needed on every answer of a chain of redirects, and
   after a redirect to another origin the page's origin is sent as `null`, which only `*` allows
   (Fetch, section 4.4, HTTP-redirect fetch).
3. The request that pages send (`Range: bytes=a-b` and no other header of ours) needs no preflight: none is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from distribute_io.core.mirror_answer import AnswerHead, AskedRange, Fault, judge_answer
from distribute_io.core.mirror_health import Outcome
from distribute_io.units import format_rate, format_size

PAGE_ORIGIN: Final = "https://page.example"
"""The origin that a look pretends to come from: of nobody (RFC 2606), so that only a rule for all can let it in."""

CERTIFICATE_DAYS_MIN: Final = 14
"""With less left, a certificate that renews itself would have done so."""

Level = Literal["ok", "note", "pages", "fail"]


class Hop(Struct, frozen=True):
    """One answer of a chain of redirects; the last is the one that counts."""

    url: str
    status: int
    headers: Mapping[str, str]
    """Those that matter, names in lower case."""

    @property
    def origin(self) -> str:
        """Of its URL."""
        split = urlsplit(self.url)
        return f"{split.scheme}://{split.netloc}"


class Observation(Struct, frozen=True, kw_only=True):
    """What one request for the range `[start, end)` saw."""

    url: str
    start: int
    end: int
    hops: tuple[Hop, ...] = ()
    code: str = ""
    """Why it broke off, of the `source` family; empty when it did not."""
    trouble: str = ""
    """The same in words."""
    received_bytes: int = 0
    sha256: str = ""
    """Of the body, hexadecimal; empty when it is not whole."""
    body_us: int = 0
    """From the answer's head to the end of its body."""
    certificate_until_s: int | None = None
    """Seconds since 1970; None without TLS."""

    @property
    def rate_bytes_per_s(self) -> int:
        """Of the body, as far as it came."""
        return self.received_bytes * 1_000_000 // max(self.body_us, 1)


class Expected(Struct, frozen=True, kw_only=True):
    """What the answer should be like; None and empty: not known."""

    size_bytes: int | None = None
    sha256: str = ""
    """Of the range that was asked for."""
    page_scheme: Literal["http", "https"] = "https"
    """Of the pages that are to use the mirror."""


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    topic: str
    """One word, for people: `answer`, `CORS`, …"""
    level: Level
    text: str
    code: str = ""
    """Of spec/errors.md, for `fail` and `pages`."""


def judge(seen: Observation, expected: Expected, *, now_s: int) -> tuple[Finding, ...]:
    """All findings, in the order in which they are worth reading."""
    findings = [*_answer(seen, now_s), *_certificate(seen, now_s), *_redirects(seen)]
    final = seen.hops[-1] if seen.hops else None
    if final is not None and final.status in (200, 206):
        findings += [*_range(seen, final), *_size(seen, final, expected), *_type(final)]
        findings += [*_cors(seen), *_scheme(seen, expected), *_headers(final)]
        findings += [*_bytes(seen, expected), *_speed(seen)]
    return tuple(findings)


def outcome(seen: Observation, findings: tuple[Finding, ...], *, now_s: int) -> Outcome:
    """The one code that counts (rule 1)."""
    worst = next((finding for level in ("fail", "pages") for finding in findings if finding.level == level), None)
    busy = worst is not None and worst.code == "mirror_busy" and seen.hops
    retry_after_us = _fault(seen, seen.hops[-1], now_s).retry_after_us if busy else None
    return Outcome("" if worst is None else worst.code, seen.rate_bytes_per_s, retry_after_us or 0)


def _answer(seen: Observation, now_s: int) -> list[Finding]:
    if not seen.hops:
        return [Finding("answer", "fail", seen.trouble, seen.code or "mirror_unreachable")]
    final = seen.hops[-1]
    name = urlsplit(final.url).netloc
    if final.status in (200, 206):
        return [Finding("answer", "ok", f"{name} answers ({final.status})")]
    if seen.code == "mirror_redirects":
        return [Finding("answer", "fail", seen.trouble, seen.code)]
    if 300 <= final.status < 400:
        return [Finding("answer", "fail", seen.trouble or f"status {final.status}", seen.code or "mirror_redirects")]
    meaning = _STATUS_WORDS.get(final.status, "")
    fault = _fault(seen, final, now_s)
    return [Finding("answer", "fail", f"{name} answers with status {final.status}{meaning}", fault.code)]


def _fault(seen: Observation, final: Hop, now_s: int) -> Fault:
    """What an answer without the file is worth, by the rule that downloaders judge by."""
    asked = AskedRange(seen.start, seen.end, seen.end)
    head = AnswerHead(final.status, lambda name: final.headers.get(name.lower()))
    return judge_answer(head, asked, hidden=False, now_s=now_s) or Fault("mirror_status")


_STATUS_WORDS: Final = {
    401: ": it wants a password",
    403: ": it refuses",
    404: ": there is no such file",
    410: ": the file is gone",
    416: ": the file there is shorter",
    429: ": it asks to be left alone",
    451: ": it refuses, for legal reasons",
    503: ": it asks to be left alone",
}


def _certificate(seen: Observation, now_s: int) -> list[Finding]:
    if seen.certificate_until_s is None:
        return []
    days = (seen.certificate_until_s - now_s) // 86_400
    if days < CERTIFICATE_DAYS_MIN:
        return [Finding("certificate", "note", f"valid, but for {days} more days only: is its renewal working?")]
    return [Finding("certificate", "ok", f"valid for {days} more days")]


def _redirects(seen: Observation) -> list[Finding]:
    if len(seen.hops) < 2:
        return []
    places = [urlsplit(hop.url).netloc for hop in seen.hops]
    return [Finding("redirects", "ok", " → ".join(places))]


def _range(seen: Observation, final: Hop) -> list[Finding]:
    encoding = final.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        text = (
            f"the file is sent compressed ({encoding[:20]}), which was not asked for: ranges would be of something else"
        )
        return [Finding("range", "fail", text, "mirror_wrong_range")]
    if final.status == 200:
        if (seen.start, seen.end) == (0, _length(final)):
            return [Finding("range", "ok", "the whole file was asked for and came")]
        return [Finding("range", "fail", "sends the whole file where a range was asked", "mirror_ignores_range")]
    first, last, _total = content_range(final.headers.get("content-range", ""))
    if (first, last) != (seen.start, seen.end - 1):
        said = final.headers.get("content-range", "") or "nothing"
        text = f"asked for bytes {seen.start}-{seen.end - 1}, and its Content-Range says: {said[:60]}"
        return [Finding("range", "fail", text, "mirror_wrong_range")]
    return [Finding("range", "ok", f"bytes {first}-{last} as asked (206)")]


def _size(seen: Observation, final: Hop, expected: Expected) -> list[Finding]:
    size = size_told(final)
    if size is None:
        return [Finding("size", "note", "not told")]
    if expected.size_bytes is None:
        return [Finding("size", "ok", f"{size} bytes ({format_size(size)})")]
    if size != expected.size_bytes:
        text = f"{size} bytes, where the file has {expected.size_bytes}: another file is there"
        return [Finding("size", "fail", text, "mirror_file_changed")]
    return [Finding("size", "ok", f"{size} bytes, as published")]


def _type(final: Hop) -> list[Finding]:
    kind = final.headers.get("content-type", "").partition(";")[0].strip().lower()
    path = urlsplit(final.url).path.lower()
    if kind == "text/html" and not path.endswith((".html", ".htm", ".xhtml")):
        return [Finding("type", "note", "text/html: is this the file, or a page about it?")]
    return [Finding("type", "ok", kind[:60] or "none told")]


def _cors(seen: Observation) -> list[Finding]:
    origin, before = PAGE_ORIGIN, ""
    for hop in seen.hops:
        if before and hop.origin != before:
            origin = "null"
        before = hop.origin
        allowed = hop.headers.get("access-control-allow-origin", "").strip()
        if allowed in ("*", origin):
            continue
        place = urlsplit(hop.url).netloc
        if not allowed:
            text = f"{place} sends no Access-Control-Allow-Origin: pages of other origins cannot read from it"
        elif origin == "null":
            text = (
                f"{place} comes after a redirect from another host, where browsers say `Origin: null`: "
                f"it needs Access-Control-Allow-Origin: * and sends {allowed[:60]}"
            )
        else:
            text = f"{place} lets only pages of {allowed[:60]} read from it: Access-Control-Allow-Origin: * lets all"
        return [Finding("CORS", "pages", text, "mirror_no_cors")]
    final = seen.hops[-1].headers
    if final.get("access-control-allow-origin") != "*" and "origin" not in final.get("vary", "").lower():
        text = "allowed, but it names the origin without `Vary: Origin`: a cache gives one page the answer for another"
        return [Finding("CORS", "note", text)]
    return [Finding("CORS", "ok", "pages of other origins may read from it")]


def _scheme(seen: Observation, expected: Expected) -> list[Finding]:
    plain = next((hop for hop in seen.hops if urlsplit(hop.url).scheme == "http"), None)
    if plain is None or expected.page_scheme == "http" or _is_own_machine(plain.url):
        return []
    return [Finding("CORS", "pages", "plain http: a page on https may not use it", "mirror_insecure")]


def _is_own_machine(url: str) -> bool:
    """Hosts that an https page may ask by http (Secure Contexts, section 3.1)."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host.endswith(".localhost") or host.startswith("127.") or host == "::1"


def _headers(final: Hop) -> list[Finding]:
    exposed = {word.strip().lower() for word in final.headers.get("access-control-expose-headers", "").split(",")}
    missing = [name for name in ("Content-Range", "ETag") if name.lower() not in exposed and "*" not in exposed]
    if not final.headers.get("access-control-allow-origin"):
        return []  # that is what is wrong
    if missing:
        text = (
            f"Access-Control-Expose-Headers lacks {' and '.join(missing)}: a page sees a wrong range only by its digest"
        )
        return [Finding("headers", "note", text)]
    if not (final.headers.get("etag") or final.headers.get("last-modified")):
        return [Finding("headers", "note", "neither ETag nor Last-Modified: a browser's own download cannot resume")]
    return [Finding("headers", "ok", "a page can read what it needs")]


def _bytes(seen: Observation, expected: Expected) -> list[Finding]:
    if seen.code:
        return [Finding("bytes", "fail", seen.trouble, seen.code)]
    if not seen.sha256:
        return []  # the head was wrong already, and nothing was read
    if not expected.sha256:
        return [Finding("bytes", "note", "not compared: there is nothing to compare them with")]
    what = f"bytes {seen.start}-{seen.end - 1}"
    if seen.sha256 != expected.sha256:
        return [Finding("bytes", "fail", f"{what} are not the file's", "segment_mismatch")]
    return [Finding("bytes", "ok", f"{what} are the file's")]


def _speed(seen: Observation) -> list[Finding]:
    if seen.code or not seen.received_bytes:
        return []
    return [Finding("speed", "ok", f"{format_rate(seen.rate_bytes_per_s)} over {format_size(seen.received_bytes)}")]


def content_range(text: str) -> tuple[int | None, int | None, int | None]:
    """First byte, last byte and total of a `Content-Range`; None for what is not told.

    >>> content_range("bytes 0-9/100"), content_range("bytes */100"), content_range("")
    ((0, 9, 100), (None, None, 100), (None, None, None))
    """
    unit, _, rest = text.strip().partition(" ")
    span, slash, total = rest.strip().partition("/")
    if unit.lower() != "bytes" or not slash:
        return None, None, None
    first, _, last = span.partition("-")
    return _number(first), _number(last), _number(total)


def size_told(final: Hop) -> int | None:
    """The size of the whole file, as an answer tells it."""
    return _length(final) if final.status == 200 else content_range(final.headers.get("content-range", ""))[2]


def _length(final: Hop) -> int | None:
    return _number(final.headers.get("content-length", "").strip())


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else None
