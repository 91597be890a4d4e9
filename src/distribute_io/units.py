"""Sizes and rates as people write them: `16MB`, `16MiB`, `1.5MB/s`, `10Mbit/s`.

Rules:

1. Decimal prefixes are powers of 1000 and binary ones (`KiB`, `MiB`, …) powers of 1024; the letter case of a unit
   does not matter, as nobody means a milli-byte. A bare number is in bytes.
2. Inside the program sizes are whole bytes and rates whole bytes per second; what is left of a byte is cut off.
3. Text is for people: it is rounded, and never parsed back.
"""

from __future__ import annotations

import re
from fractions import Fraction

from distribute_io.errors import UsageError

_PREFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY_PREFIXES = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*(?:([kmgt]i?)?(b|bit))?", re.ASCII | re.IGNORECASE)
_BITS_PER_BYTE = 8


def parse_size(text: str) -> int:
    """Bytes of a text like `16MB`.

    >>> parse_size("16MB"), parse_size("1.5 MiB"), parse_size("700")
    (16000000, 1572864, 700)

    Raises:
        UsageError: `bad_argument`, when it is no size.
    """
    size_bytes = _parse_amount(text)
    if size_bytes is None or "bit" in text.lower():
        raise UsageError("bad_argument", f"{text!r} is not a size; write it as 16MB or 16MiB")
    return size_bytes


def parse_rate(text: str) -> int:
    """Bytes per second of a text like `1.5MB/s` or `10Mbit/s`; the `/s` may be left out.

    >>> parse_rate("1.5MB/s"), parse_rate("10Mbit/s")
    (1500000, 1250000)

    Raises:
        UsageError: `bad_argument`, when it is no rate or less than one byte per second.
    """
    rate_bytes_per_s = _parse_amount(text.strip().removesuffix("/s"))
    if not rate_bytes_per_s:
        raise UsageError("bad_argument", f"{text!r} is not a rate; write it as 1.5MB/s or 10Mbit/s")
    return rate_bytes_per_s


def format_size(size_bytes: float) -> str:
    """A size for people: three figures, decimal prefix.

    >>> format_size(999), format_size(16_000_000), format_size(1_234_567_890)
    ('999 B', '16.0 MB', '1.23 GB')
    """
    for prefix in ("", "k", "M", "G", "T"):
        # 999.5 of a unit would be written as 1000 of it: that is the next unit's business.
        if abs(size_bytes) < 999.5 or prefix == "T":
            break
        size_bytes /= 1000
    if not prefix:
        return f"{size_bytes:.0f} B"
    digits = 2 if abs(size_bytes) < 9.995 else 1 if abs(size_bytes) < 99.95 else 0
    return f"{size_bytes:.{digits}f} {prefix}B"


def format_rate(rate_bytes_per_s: float) -> str:
    """A rate for people.

    >>> format_rate(8_000_000)
    '8.00 MB/s'
    """
    return f"{format_size(rate_bytes_per_s)}/s"


def format_count(count: int, thing: str, things: str | None = None) -> str:
    """How many, for people; `things` where the plural is not made by an s.

    >>> format_count(1, "file"), format_count(1_200, "file"), format_count(2, "person", "people")
    ('1 file', '1,200 files', '2 people')
    """
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def _parse_amount(text: str) -> int | None:
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        return None
    number, prefix, unit = match.groups()
    factor = (_PREFIXES | _BINARY_PREFIXES)[(prefix or "").lower()]
    amount = Fraction(number) * factor
    if unit and unit.lower() == "bit":
        amount /= _BITS_PER_BYTE
    return int(amount)
