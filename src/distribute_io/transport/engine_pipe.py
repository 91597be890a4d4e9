"""What a program and its WebRTC child process say to each other, over one pair of sockets.

Each message is four bytes of length (big-endian) and a MessagePack array. Both ends are ours and of one version, so a
message that cannot be read is a bug, and ends the conversation. A number, which the program gives, names a connection.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final, Generic, Literal, TypeVar, cast

import msgspec
from msgspec import Struct

from distribute_io.transport.webrtc import IceCandidate

_LENGTH_BYTES: Final = 4

DescribeKind = Literal["create_offer", "accept_offer", "accept_answer"]


class Connect(Struct, frozen=True, array_like=True, tag="connect"):
    """Make a connection with this number."""

    peer: int
    stun: list[str]


class Describe(Struct, frozen=True, array_like=True, tag="describe"):
    """Call this method of the connection; `Described` with the same `call` answers."""

    peer: int
    call: int
    kind: DescribeKind
    sdp: str


class AddCandidate(Struct, frozen=True, array_like=True, tag="add_candidate"):
    """The other end's candidate."""

    peer: int
    candidate: IceCandidate


class Send(Struct, frozen=True, array_like=True, tag="send"):
    """Send this frame."""

    peer: int
    frame: bytes


class Close(Struct, frozen=True, array_like=True, tag="close"):
    """End the connection, and say nothing more of it."""

    peer: int


ToChild = Connect | Describe | AddCandidate | Send | Close


class Described(Struct, frozen=True, array_like=True, tag="described"):
    """The answer to `Describe`: our description, or None when the engine cannot use the other end's."""

    peer: int
    call: int
    sdp: str | None


class CandidateFound(Struct, frozen=True, array_like=True, tag="candidate_found"):
    """A candidate of ours."""

    peer: int
    candidate: IceCandidate


class Opened(Struct, frozen=True, array_like=True, tag="opened"):
    """The channel can send."""

    peer: int


class Received(Struct, frozen=True, array_like=True, tag="received"):
    """A frame came."""

    peer: int
    frame: bytes


class Left(Struct, frozen=True, array_like=True, tag="left"):
    """Of all bytes that were to be sent so many left the channel's buffer."""

    peer: int
    left_bytes: int


class Ended(Struct, frozen=True, array_like=True, tag="ended"):
    """The connection is over."""

    peer: int
    code: str


ToParent = Described | CandidateFound | Opened | Received | Left | Ended

_Said = TypeVar("_Said", bound=Struct)
_Heard = TypeVar("_Heard", bound=Struct)


class Pipe(asyncio.Protocol, Generic[_Said, _Heard]):
    """One end of the conversation. What is said before `open` is done is sent after.

    Args:
        heard: the union of messages that come in.
        on_message: called for each, on the loop.
        on_lost: called once when the other end is gone; not after `close`.
    """

    def __init__(self, heard: object, on_message: Callable[[_Heard], None], on_lost: Callable[[], None]) -> None:
        # The decoder's type is a union of structs, which `type[_Heard]` cannot name.
        self._decoder = cast("msgspec.msgpack.Decoder[_Heard]", msgspec.msgpack.Decoder(cast(Any, heard)))
        self._encoder = msgspec.msgpack.Encoder()
        self._on_message = on_message
        self._on_lost: Callable[[], None] | None = on_lost
        self._transport: asyncio.WriteTransport | None = None
        self._early: list[bytes] = []
        self._buffer = bytearray()

    async def open(self, sock: socket.socket) -> None:
        """Begin to read and write; the socket is the pipe's from here on."""
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self, sock)

    def send(self, message: _Said) -> None:
        """Say something. Bounded by what callers bound: the frames of a channel that are not gone yet."""
        data = self._encoder.encode(message)
        whole = len(data).to_bytes(_LENGTH_BYTES, "big") + data
        if self._transport is None:
            self._early.append(whole)
        else:
            self._transport.write(whole)

    def close(self) -> None:
        """End it; the other end reads what was said before, then the end."""
        self._on_lost = None
        if self._transport is not None:
            self._transport.close()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.WriteTransport, transport)  # of a socket, so it can be written to
        early, self._early = self._early, []
        self._transport.writelines(early)
        if self._on_lost is None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._buffer += data
        at = 0
        with memoryview(self._buffer) as view:
            while len(view) - at >= _LENGTH_BYTES:
                end = at + _LENGTH_BYTES + int.from_bytes(view[at : at + _LENGTH_BYTES], "big")
                if end > len(view):
                    break
                message = self._decoder.decode(view[at + _LENGTH_BYTES : end])
                at = end
                if self._on_lost is not None:
                    self._on_message(message)
        del self._buffer[:at]

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost()
