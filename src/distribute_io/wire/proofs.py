"""The two MACs of the peer protocol (spec/peer-frames.md sections 3 and 6), both HMAC-SHA-256 (RFC 2104)."""

from __future__ import annotations

import hmac
import re
from typing import Final

_FINGERPRINT: Final = re.compile(r"^a=fingerprint:sha-256 ((?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})\s*$", re.MULTILINE)


def fingerprint_of(sdp: str) -> bytes | None:
    """The first SHA-256 DTLS fingerprint of a session description (RFC 8122), 32 raw bytes; None if there is none."""
    found = _FINGERPRINT.search(sdp)
    return bytes.fromhex(found[1].replace(":", "")) if found else None


def ticket_proof(
    secret: bytes, *, role: int, match_id: bytes, offerer_fingerprint: bytes, answerer_fingerprint: bytes
) -> bytes:
    """What the peer of `role` puts in its hello: proof that this very connection is the one that was introduced.

    Args:
        secret: the ticket's secret, 32 bytes.
        role: of the peer that makes the proof, so that it cannot be sent back as one's own.
        match_id: 16 raw bytes.
        offerer_fingerprint: of the session description that was the offer, 32 bytes.
        answerer_fingerprint: of the answer, 32 bytes.
    """
    message = b"distribute.io/ticket/1" + bytes([role]) + match_id + offerer_fingerprint + answerer_fingerprint
    return hmac.digest(secret, message, "sha256")


def receipt_mac(receipt_secret: bytes, *, match_id: bytes, bytes_total: int) -> bytes:
    """The MAC of a cumulative receipt. Only the downloader and the coordinator know `receipt_secret` (32 bytes)."""
    return hmac.digest(receipt_secret, b"distribute.io/receipt/1" + match_id + bytes_total.to_bytes(8, "big"), "sha256")
