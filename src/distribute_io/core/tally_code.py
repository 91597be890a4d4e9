"""The code under which a person's credit of several devices is added up: a secret of 128 bits, written for people.

- T1 28 digits of Crockford's base 32 (no I, L, O, U), in seven groups of four: 128 bits of secret, then 12 bits of
  check.
- T2 The check is FNV-1a of the secret's 16 bytes, 32 bits folded to 12: `(h ^ h >> 12 ^ h >> 24) & 0xfff`. It finds
  typing errors, 4,095 of 4,096; it protects nothing.
- T3 Read without regard to case, spaces and dashes; I and L are 1, O is 0.

`client/src/core/tally-code.ts` is its twin; vectors: `spec/vectors/tally-codes.json`.
"""

from __future__ import annotations

from typing import Final

from distribute_io.errors import UsageError

SECRET_BYTES: Final = 16
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 28
_GROUP: Final = 4
_CHECK_BITS: Final = 12
_READ_AS: Final = str.maketrans({"I": "1", "L": "1", "O": "0", " ": None, "-": None})


def write_tally_code(secret: bytes) -> str:
    """A secret of 16 bytes as text for people."""
    number = int.from_bytes(secret) << _CHECK_BITS | _check(secret)
    digits = "".join(_DIGITS[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))
    return "-".join(digits[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP))


def read_tally_code(text: str) -> bytes:
    """The secret of a code that a person typed.

    Raises:
        UsageError: `bad_argument`.
    """
    digits = text.upper().translate(_READ_AS)
    if len(digits) == _LENGTH and all(digit in _DIGITS for digit in digits):
        number = 0
        for digit in digits:
            number = number << 5 | _DIGITS.index(digit)
        secret = (number >> _CHECK_BITS).to_bytes(SECRET_BYTES)
        if number & (1 << _CHECK_BITS) - 1 == _check(secret):
            return secret
    raise UsageError("bad_argument", "This is no code: it has seven groups of four letters and digits; compare each.")


def _check(secret: bytes) -> int:
    value = 0x811C9DC5
    for byte in secret:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return (value ^ value >> 12 ^ value >> 24) & 0xFFF
