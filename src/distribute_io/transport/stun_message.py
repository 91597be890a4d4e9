"""STUN messages (RFC 8489, Binding only): the answer to a question, the question itself, and what an answer says. Pure.

Parsed by hand, because that doubled the answers per second of a library.

Rules:

1. A Binding request is answered, with XOR-MAPPED-ADDRESS, SOFTWARE and, if the request had one, FINGERPRINT.
2. Everything else is ignored without an answer: malformed, other methods and classes, a wrong fingerprint.
3. A request with a comprehension-required attribute that we do not know gets 420 with its type (section 6.3.1).
4. An answer to a request of 28 bytes and more is at most 3 times as long, so the responder is no good as an amplifier.
"""

from __future__ import annotations

import ipaddress
import struct
import zlib
from typing import Final

MAGIC_COOKIE: Final = 0x2112A442
DATAGRAM_BYTES_MAX: Final = 548
"""What fits every path unfragmented (RFC 8489 section 6.1); more is nobody's Binding request."""

_HEADER: Final = struct.Struct("!HHI12s")
_ATTRIBUTE: Final = struct.Struct("!HH")
_BINDING_REQUEST: Final = 0x0001
_BINDING_SUCCESS: Final = 0x0101
_BINDING_ERROR: Final = 0x0111
_UNKNOWN_ATTRIBUTES: Final = 0x000A
_ERROR_CODE: Final = 0x0009
_XOR_MAPPED_ADDRESS: Final = 0x0020
_SOFTWARE: Final = 0x8022
_FINGERPRINT: Final = 0x8028
_FINGERPRINT_XOR: Final = 0x5354554E
_COMPREHENSION_OPTIONAL: Final = 0x8000
_KNOWN_REQUIRED: Final = frozenset({0x0006, 0x0008, 0x0024, 0x0025})
"""USERNAME, MESSAGE-INTEGRITY, PRIORITY, USE-CANDIDATE: of connectivity checks that went astray, harmless here."""

_UNKNOWN_TOLD_MAX: Final = 4
_SOFTWARE_VALUE: Final = b"distribute-io"

Address = tuple[str, int]


def respond(datagram: bytes, source: Address) -> bytes | None:
    """The answer to a datagram that came from `source`, or None where there is none. Pure.

    Args:
        datagram: as it came.
        source: IP address (IPv4, or IPv6 without its zone) and port of the sender.
    """
    request = _parse(datagram)
    if request is None:
        return None
    transaction, unknown, has_fingerprint = request
    if unknown:
        told = unknown[:_UNKNOWN_TOLD_MAX]
        reason = _attribute(_ERROR_CODE, struct.pack("!HBB", 0, 4, 20) + b"Unknown Attribute")
        body = reason + _attribute(_UNKNOWN_ATTRIBUTES, struct.pack(f"!{len(told)}H", *told))
        return _message(_BINDING_ERROR, transaction, body, has_fingerprint=has_fingerprint)
    body = _attribute(_XOR_MAPPED_ADDRESS, _xor_address(source, transaction)) + _attribute(_SOFTWARE, _SOFTWARE_VALUE)
    return _message(_BINDING_SUCCESS, transaction, body, has_fingerprint=has_fingerprint)


def binding_request(transaction: bytes) -> bytes:
    """The question: 12 random bytes say which one it is."""
    return _message(_BINDING_REQUEST, transaction, b"", has_fingerprint=True)


def mapped_address(datagram: bytes, transaction: bytes) -> Address | None:
    """Where the responder saw the asker, or None where this is no answer to that question."""
    if not _HEADER.size <= len(datagram) <= DATAGRAM_BYTES_MAX:
        return None
    kind, length, cookie, answered = _HEADER.unpack_from(datagram)
    is_answer = kind == _BINDING_SUCCESS and cookie == MAGIC_COOKIE and answered == transaction
    if not is_answer or length != len(datagram) - _HEADER.size:
        return None
    at = _HEADER.size
    while at + _ATTRIBUTE.size <= len(datagram):
        attribute, size = _ATTRIBUTE.unpack_from(datagram, at)
        value = datagram[at + _ATTRIBUTE.size : at + _ATTRIBUTE.size + size]
        if attribute == _XOR_MAPPED_ADDRESS and len(value) == size and size in (8, 20):
            key = struct.pack("!I", MAGIC_COOKIE) + transaction
            plain = bytes(a ^ b for a, b in zip(value[4:], key, strict=False))
            return str(ipaddress.ip_address(plain)), struct.unpack("!H", value[2:4])[0] ^ (MAGIC_COOKIE >> 16)
        at += _ATTRIBUTE.size + size + -size % 4
    return None


def _parse(datagram: bytes) -> tuple[bytes, list[int], bool] | None:
    """Transaction id, unknown required attributes and whether there is a fingerprint; None for what is ignored."""
    if not _HEADER.size <= len(datagram) <= DATAGRAM_BYTES_MAX:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(datagram)
    if kind != _BINDING_REQUEST or cookie != MAGIC_COOKIE or length % 4 or length != len(datagram) - _HEADER.size:
        return None
    unknown: list[int] = []
    at = _HEADER.size
    while at < len(datagram):
        attribute, size = _ATTRIBUTE.unpack_from(datagram, at)
        value_at = at + _ATTRIBUTE.size
        following = value_at + size + -size % 4
        if following > len(datagram):
            return None
        if attribute == _FINGERPRINT:
            # The last attribute of a message, over everything before it (section 14.7).
            expected = zlib.crc32(datagram[:at]) ^ _FINGERPRINT_XOR
            is_right = size == 4 and datagram[value_at:following] == struct.pack("!I", expected)
            return (transaction, unknown, True) if is_right and following == len(datagram) else None
        if attribute < _COMPREHENSION_OPTIONAL and attribute not in _KNOWN_REQUIRED:
            unknown.append(attribute)
        at = following
    return transaction, unknown, False


def _xor_address(source: Address, transaction: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS (section 14.2): rewriting middleboxes do not recognise the address."""
    address = ipaddress.ip_address(source[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    family = 1 if address.version == 4 else 2
    key = struct.pack("!I", MAGIC_COOKIE) + transaction
    mixed = bytes(a ^ b for a, b in zip(address.packed, key, strict=False))
    return struct.pack("!BBH", 0, family, source[1] ^ (MAGIC_COOKIE >> 16)) + mixed


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _message(kind: int, transaction: bytes, body: bytes, *, has_fingerprint: bool) -> bytes:
    if not has_fingerprint:
        return _HEADER.pack(kind, len(body), MAGIC_COOKIE, transaction) + body
    # The length in the header counts the fingerprint, also for the checksum (section 14.7).
    covered = _HEADER.pack(kind, len(body) + 8, MAGIC_COOKIE, transaction) + body
    checksum = zlib.crc32(covered) ^ _FINGERPRINT_XOR
    return covered + _attribute(_FINGERPRINT, struct.pack("!I", checksum))
