"""The STUN responder against the vectors of RFC 5769, made-up requests and noise."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.errors import UsageError
from distribute_io.transport.stun import StunServer
from distribute_io.transport.stun_message import MAGIC_COOKIE, respond

# RFC 5769 section 2.1: a request with SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME, MESSAGE-INTEGRITY, FINGERPRINT.
RFC_5769_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
# RFC 5769 section 2.2 answers 192.0.2.1:32853 as XOR-MAPPED-ADDRESS a147e112a643.
RFC_5769_MAPPED = bytes.fromhex("002000080001a147e112a643")
# Section 2.3: 2001:db8:1234:5678:11:2233:4455:6677, port 32853.
RFC_5769_MAPPED_V6 = bytes.fromhex("002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9")

TRANSACTION = bytes(range(12))


def request(body: bytes = b"", *, kind: int = 1, cookie: int = MAGIC_COOKIE, length: int | None = None) -> bytes:
    return struct.pack("!HHI12s", kind, len(body) if length is None else length, cookie, TRANSACTION) + body


def test_the_rfcs_request_gets_the_rfcs_address() -> None:
    answer = respond(RFC_5769_REQUEST, ("192.0.2.1", 32853))
    assert answer is not None
    assert answer[:2] == b"\x01\x01"
    assert answer[4:20] == RFC_5769_REQUEST[4:20]
    assert RFC_5769_MAPPED in answer
    checksum = zlib.crc32(answer[:-8]) ^ 0x5354554E
    assert answer[-8:] == struct.pack("!HHI", 0x8028, 4, checksum)
    assert struct.unpack("!H", answer[2:4])[0] == len(answer) - 20


def test_an_ipv6_address_is_mixed_with_the_transaction() -> None:
    answer = respond(RFC_5769_REQUEST, ("2001:db8:1234:5678:11:2233:4455:6677", 32853))
    assert answer is not None
    assert RFC_5769_MAPPED_V6 in answer


def test_a_mapped_ipv4_address_is_told_as_ipv4() -> None:
    assert respond(request(), ("::ffff:192.0.2.1", 1)) == respond(request(), ("192.0.2.1", 1))


def test_a_plain_request_gets_no_fingerprint() -> None:
    answer = respond(request(), ("192.0.2.1", 1))
    assert answer is not None
    assert b"\x80\x28" not in answer
    assert len(answer) <= 3 * 20


def test_an_unknown_required_attribute_is_named() -> None:
    answer = respond(request(struct.pack("!HHI", 0x7FFF, 4, 0)), ("192.0.2.1", 1))
    assert answer is not None
    assert answer[:2] == b"\x01\x11"
    assert struct.pack("!HHHBB", 0x0009, 21, 0, 4, 20) in answer
    assert struct.pack("!HHH", 0x000A, 2, 0x7FFF) in answer


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x00" * 19,
        request(kind=0x0101),
        request(kind=0x0003),
        request(cookie=0),
        request(length=4),
        request(b"\x80\x22\x00\x08abcd"),
        request(b"\x80\x22\x00"),
        request(struct.pack("!HHI", 0x8028, 4, 0)),
        RFC_5769_REQUEST[:-1] + b"\x00",
        RFC_5769_REQUEST + b"\x00\x00\x00\x00",
        request(b"\x80\x22\x00\x04abcd" * 67),
    ],
)
def test_what_is_no_binding_request_is_ignored(datagram: bytes) -> None:
    assert respond(datagram, ("192.0.2.1", 1)) is None


@given(st.binary(max_size=600))
def test_noise_never_raises(noise: bytes) -> None:
    respond(noise, ("192.0.2.1", 1))
    respond(request(noise), ("192.0.2.1", 1))


def test_both_ports_answer_and_show_the_same_address() -> None:
    async def scene() -> None:
        server = await StunServer.open("127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                client.bind(("127.0.0.1", 0))
                answers = []
                for port in server.ports:
                    await loop.sock_sendto(client, request(), ("127.0.0.1", port))
                    async with asyncio.timeout(5):
                        answers.append(await loop.sock_recv(client, 1000))
                assert answers[0] == answers[1] == respond(request(), client.getsockname())
        finally:
            server.close()
            await asyncio.sleep(0)

    asyncio.run(scene())


def test_a_taken_port_is_named() -> None:
    async def scene() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            with pytest.raises(UsageError) as caught:
                await StunServer.open("127.0.0.1", other.getsockname()[1])
            assert caught.value.code == "port_in_use"

    asyncio.run(scene())
