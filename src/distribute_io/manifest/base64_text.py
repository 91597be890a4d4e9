"""Standard base64 (RFC 4648 section 4) in its one canonical form.

Decoders differ in what they forgive (line breaks, missing padding, stray bits in the last digit), so nothing is
forgiven: what does not come out the same when it is encoded again is refused.
"""

from __future__ import annotations

import base64
import binascii


def encode_base64(data: bytes) -> str:
    """`data` as standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes | None:
    """The bytes of canonical standard base64, or None if `text` is anything else."""
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError:
        # binascii.Error and UnicodeEncodeError are ValueErrors.
        return None
    return data if encode_base64(data) == text else None
