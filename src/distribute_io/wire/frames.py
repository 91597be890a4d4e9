"""Peer frames: what two peers say on a data channel (spec/peer-frames.md).

One data-channel message is one frame. Integers are big-endian. `decode` turns bytes into one frame value or raises
`RemoteProtocolError`; nothing downstream checks shapes again. It does not know what is allowed when: that is
`core.peer_taker` and `core.peer_giver`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from distribute_io.errors import RemoteProtocolError
from distribute_io.wire.limits import FRAME_BYTES_MAX, RUNS_MAX, SEGMENT_BYTES_MAX

ROLE_DOWNLOADER: Final = 0
ROLE_DONOR: Final = 1

REFUSAL_CODES: Final = {1: "not_held", 2: "busy", 3: "over_budget", 4: "peer_refused"}
"""Numbers of `Refuse.code` and the error codes that they stand for."""

BYE_CODES: Final = {
    0: "peer_closed",
    1: "busy",
    2: "over_budget",
    3: "ticket_unknown",
    4: "frame_unexpected",
    5: "flood",
}
"""Numbers of `Bye.code` and the error codes that they stand for; other numbers read as `peer_closed`."""

HELLO_BYTES: Final = 56
DATA_HEADER_BYTES: Final = 12
_U53_MAX: Final = 2**53 - 1

_HELLO: Final = struct.Struct(">BBBx16s32sI")
_HOLDINGS: Final = struct.Struct(">BBH")
_REQUEST: Final = struct.Struct(">BxxxI32sII")
_DATA: Final = struct.Struct(">BxxxII")
_GRANT: Final = struct.Struct(">BxxxIQ")
_CANCEL: Final = struct.Struct(">BxxxI")
_REFUSE: Final = struct.Struct(">BxHI")
_RECEIPT: Final = struct.Struct(">BxxxQ32s")
_BYE: Final = struct.Struct(">BxH")


class HelloFrame(Struct, frozen=True):
    """First frame of each side. `proof` is of spec/peer-frames.md section 3."""

    version: int
    role: int
    match_id: bytes
    proof: bytes
    frame_bytes_max: int


class HoldingsFrame(Struct, frozen=True):
    """What the donor holds of the match's file, as `(start, count)` runs. Replaces an earlier statement.

    `more` is true when a statement is too long for one frame and goes on in the next.
    """

    runs: tuple[tuple[int, int], ...]
    more: bool = False


class RequestFrame(Struct, frozen=True):
    """Asks for `length` bytes from `offset` within the segment of this digest."""

    request_id: int
    digest: bytes
    offset: int
    length: int


class DataFrame(Struct, frozen=True):
    """Bytes of a request, from `offset` within the segment. `payload` is a view into the message received."""

    request_id: int
    offset: int
    payload: memoryview


class GrantFrame(Struct, frozen=True):
    """The downloader allows `granted_bytes` of payload in all on this channel; `window_bytes` is its present window."""

    window_bytes: int
    granted_bytes: int


class CancelFrame(Struct, frozen=True):
    """The downloader wants no more of this request."""

    request_id: int


class RefuseFrame(Struct, frozen=True):
    """The donor does not serve this request; `code` is of `REFUSAL_CODES`."""

    request_id: int
    code: int


class ReceiptFrame(Struct, frozen=True):
    """The downloader verified `bytes_total` of payload in this match; the donor forwards it to the coordinator."""

    bytes_total: int
    mac: bytes


class ByeFrame(Struct, frozen=True):
    """The last frame of either side; `code` is of `BYE_CODES`."""

    code: int


Frame = (
    HelloFrame
    | HoldingsFrame
    | RequestFrame
    | DataFrame
    | GrantFrame
    | CancelFrame
    | RefuseFrame
    | ReceiptFrame
    | ByeFrame
)


def encode(frame: Frame) -> bytes:
    """The bytes of a frame.

    Data frames are better made with `data_header` and the payload, which spares a copy where the channel can gather.
    """
    match frame:
        case HelloFrame(version, role, match_id, proof, frame_bytes_max):
            return _HELLO.pack(1, version, role, match_id, proof, frame_bytes_max)
        case HoldingsFrame(runs, more):
            flat = [number for run in runs for number in run]
            return _HOLDINGS.pack(2, int(more), len(runs)) + struct.pack(f">{len(flat)}I", *flat)
        case RequestFrame(request_id, digest, offset, length):
            return _REQUEST.pack(3, request_id, digest, offset, length)
        case DataFrame(request_id, offset, payload):
            return data_header(request_id, offset) + payload
        case GrantFrame(window_bytes, granted_bytes):
            return _GRANT.pack(5, window_bytes, granted_bytes)
        case CancelFrame(request_id):
            return _CANCEL.pack(6, request_id)
        case RefuseFrame(request_id, code):
            return _REFUSE.pack(7, code, request_id)
        case ReceiptFrame(bytes_total, mac):
            return _RECEIPT.pack(8, bytes_total, mac)
        case ByeFrame(code):
            return _BYE.pack(9, code)


def data_header(request_id: int, offset: int) -> bytes:
    """The 12 bytes before the payload of a data frame."""
    return _DATA.pack(4, request_id, offset)


def decode(message: bytes) -> Frame:
    """Parse one data-channel message.

    Raises:
        RemoteProtocolError: `frame_too_large`, `frame_unknown` or `frame_malformed`.
    """
    if len(message) > FRAME_BYTES_MAX:
        raise RemoteProtocolError("frame_too_large", f"A frame of {len(message)} bytes exceeds {FRAME_BYTES_MAX}.")
    if not message:
        raise RemoteProtocolError("frame_malformed", "A frame is empty.")
    parser = _PARSERS.get(message[0])
    if parser is None:
        raise RemoteProtocolError("frame_unknown", f"There is no frame of type {message[0]}.")
    try:
        return parser(message)
    except struct.error as error:
        raise RemoteProtocolError("frame_malformed", f"A frame of type {message[0]} has a wrong length.") from error


def _malformed(what: str) -> RemoteProtocolError:
    return RemoteProtocolError("frame_malformed", what)


def _parse_hello(message: bytes) -> HelloFrame:
    _, version, role, match_id, proof, frame_bytes_max = _HELLO.unpack(message)
    if role not in (ROLE_DOWNLOADER, ROLE_DONOR):
        raise _malformed(f"A hello has the unknown role {role}.")
    if not 1024 <= frame_bytes_max <= FRAME_BYTES_MAX:
        raise _malformed(f"A hello's largest frame of {frame_bytes_max} bytes is out of range.")
    return HelloFrame(version, role, match_id, proof, frame_bytes_max)


def _parse_holdings(message: bytes) -> HoldingsFrame:
    _, flags, count = _HOLDINGS.unpack_from(message)
    if flags > 1 or count > RUNS_MAX or len(message) != _HOLDINGS.size + 8 * count:
        raise _malformed("Holdings have a wrong length, flag or count.")
    flat = struct.unpack_from(f">{2 * count}I", message, _HOLDINGS.size)
    runs = tuple(zip(flat[::2], flat[1::2], strict=True))
    end = -1
    for start, length in runs:
        if start <= end or length == 0:
            raise _malformed("Holdings must be ascending runs that neither overlap nor touch.")
        end = start + length
    if end > 2**32:
        raise _malformed("Holdings reach beyond the largest segment index.")
    return HoldingsFrame(runs, flags == 1)


def _parse_request(message: bytes) -> RequestFrame:
    _, request_id, digest, offset, length = _REQUEST.unpack(message)
    if length == 0 or offset + length > SEGMENT_BYTES_MAX:
        raise _malformed("A request is empty or reaches beyond the largest segment.")
    return RequestFrame(request_id, digest, offset, length)


def _parse_data(message: bytes) -> DataFrame:
    _, request_id, offset = _DATA.unpack_from(message)
    payload = memoryview(message)[DATA_HEADER_BYTES:]
    if not payload or offset + len(payload) > SEGMENT_BYTES_MAX:
        raise _malformed("A data frame is empty or reaches beyond the largest segment.")
    return DataFrame(request_id, offset, payload)


def _parse_grant(message: bytes) -> GrantFrame:
    _, window_bytes, granted_bytes = _GRANT.unpack(message)
    if granted_bytes > _U53_MAX:
        raise _malformed("A grant exceeds 2^53 - 1.")
    return GrantFrame(window_bytes, granted_bytes)


def _parse_cancel(message: bytes) -> CancelFrame:
    _, request_id = _CANCEL.unpack(message)
    return CancelFrame(request_id)


def _parse_refuse(message: bytes) -> RefuseFrame:
    _, code, request_id = _REFUSE.unpack(message)
    if code not in REFUSAL_CODES:
        raise _malformed(f"A refusal has the unknown code {code}.")
    return RefuseFrame(request_id, code)


def _parse_receipt(message: bytes) -> ReceiptFrame:
    _, bytes_total, mac = _RECEIPT.unpack(message)
    if bytes_total > _U53_MAX:
        raise _malformed("A receipt exceeds 2^53 - 1.")
    return ReceiptFrame(bytes_total, mac)


def _parse_bye(message: bytes) -> ByeFrame:
    _, code = _BYE.unpack(message)
    return ByeFrame(code)


_PARSERS: Final[dict[int, Callable[[bytes], Frame]]] = {
    1: _parse_hello,
    2: _parse_holdings,
    3: _parse_request,
    4: _parse_data,
    5: _parse_grant,
    6: _parse_cancel,
    7: _parse_refuse,
    8: _parse_receipt,
    9: _parse_bye,
}
