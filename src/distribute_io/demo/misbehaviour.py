"""What can be wrong with a mirror, as a value: the table behind `--misbehave`.

A mirror of the demo or of a test is told its faults as short texts, each `NAME` or `NAME=VALUE`:

| text | the mirror then |
| --- | --- |
| `flip` | flips one bit in every segment, whatever the segment size |
| `flip=N` | flips one bit in every N-th MiB of the file, the first MiB included |
| `truncate` | announces the whole length, sends half of it and closes the connection |
| `ignore-range` | answers 200 with the whole file to a range request |
| `die-after=BYTES` | shuts down, connections and all, when it has sent that much in total |
| `stall-after=BYTES` | sends that much of each answer, then nothing, and keeps the connection open |
| `redirect=URL` | answers 302 to the same path under URL |
| `busy=SECONDS` | answers 503 with `Retry-After: SECONDS` |
| `forbid-after=BYTES` | when it has sent that much in total, breaks off and answers 403 from then on |
| `errors=N` | answers its first N requests with 500 |
| `no-cors` | leaves out every CORS header, so that pages cannot use it |

The module only decides; `throttled_mirror` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from distribute_io.errors import UsageError

_KIB = 1024
_MIB = 1024 * 1024

# Every segment size of the manifest format is a multiple of this, so a flip at each multiple spoils every segment.
EVERY_SEGMENT_BYTES = 256 * _KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehaviour:
    """The faults of one mirror; the default is a good one."""

    flip_every_bytes: int | None = None
    truncate: bool = False
    ignore_range: bool = False
    die_after_bytes: int | None = None
    stall_after_bytes: int | None = None
    redirect_to: str | None = None
    busy_s: int | None = None
    forbid_after_bytes: int | None = None
    errors: int = 0
    no_cors: bool = False

    def delivered_bytes(self, length: int) -> int:
        """How much of an answer of `length` bytes is really sent before it breaks off or stalls."""
        sent = length // 2 if self.truncate else length
        return sent if self.stall_after_bytes is None else min(sent, self.stall_after_bytes)

    def tampered(self, offset: int, data: bytes) -> bytes:
        """`data`, which begins at `offset` of the file, as this mirror sends it."""
        if self.flip_every_bytes is None:
            return data
        first = -offset % self.flip_every_bytes
        if first >= len(data):
            return data
        spoilt = bytearray(data)
        for position in range(first, len(data), self.flip_every_bytes):
            spoilt[position] ^= 0x01
        return bytes(spoilt)


_Parser = Callable[[Misbehaviour, str | None], Misbehaviour]


def parse_misbehaviour(texts: Iterable[str]) -> Misbehaviour:
    """Read the texts of the table above; several are combined.

    Raises:
        UsageError: `bad_argument`, for an unknown name, a missing or superfluous value, or a number out of range.
    """
    fault = Misbehaviour()
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            parse = _PARSERS[name]
        except KeyError:
            known = ", ".join(sorted(_PARSERS))
            raise UsageError("bad_argument", f"unknown misbehaviour {name!r}; known: {known}") from None
        fault = parse(fault, value if equals else None)
    return fault


def _flip(fault: Misbehaviour, value: str | None) -> Misbehaviour:
    every = EVERY_SEGMENT_BYTES if value is None else _positive("flip", value) * _MIB
    return replace(fault, flip_every_bytes=every)


def _redirect(fault: Misbehaviour, value: str | None) -> Misbehaviour:
    if not value:
        raise UsageError("bad_argument", "redirect needs an address, as in redirect=http://127.0.0.1:8081")
    return replace(fault, redirect_to=value.rstrip("/"))


def _switch(name: str, apply: Callable[[Misbehaviour], Misbehaviour]) -> _Parser:
    def parse(fault: Misbehaviour, value: str | None) -> Misbehaviour:
        if value is not None:
            raise UsageError("bad_argument", f"{name} takes no value, got {value!r}")
        return apply(fault)

    return parse


def _number(name: str, apply: Callable[[Misbehaviour, int], Misbehaviour]) -> _Parser:
    def parse(fault: Misbehaviour, value: str | None) -> Misbehaviour:
        return apply(fault, _positive(name, value))

    return parse


def _positive(name: str, value: str | None) -> int:
    if value is None or not value.isascii() or not value.isdigit() or int(value) < 1:
        raise UsageError("bad_argument", f"{name} needs a whole number of at least 1, got {value!r}")
    return int(value)


_PARSERS: Mapping[str, _Parser] = {
    "flip": _flip,
    "truncate": _switch("truncate", lambda fault: replace(fault, truncate=True)),
    "ignore-range": _switch("ignore-range", lambda fault: replace(fault, ignore_range=True)),
    "die-after": _number("die-after", lambda fault, n: replace(fault, die_after_bytes=n)),
    "stall-after": _number("stall-after", lambda fault, n: replace(fault, stall_after_bytes=n)),
    "redirect": _redirect,
    "busy": _number("busy", lambda fault, n: replace(fault, busy_s=n)),
    "forbid-after": _number("forbid-after", lambda fault, n: replace(fault, forbid_after_bytes=n)),
    "errors": _number("errors", lambda fault, n: replace(fault, errors=n)),
    "no-cors": _switch("no-cors", lambda fault: replace(fault, no_cors=True)),
}
