"""Which NAT class this machine has, as the two ports of the coordinator's STUN responder show it.

Rules:

1. One UDP socket asks both ports of the one host, by its IPv4 address: IPv6 is not translated as a rule. Seen from both
   under one address and port, the mapping does not depend on the destination's port: `unrestricted`. Seen under two, it
   does: `restricted` (RFC 4787 section 4.1).
2. Without two answers nothing is claimed: `unknown`. A question is asked again after `_AGAIN_S`, `_TIMES` times in all.
3. Two places are asked, however many are named, and a private one only where the coordinator itself is: nobody else's
   network is asked for a stranger.
4. That is all that two ports can show: filters, and mappings by address alone, are found by what introductions come to
   (`core/reach.py`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
from collections.abc import Sequence
from typing import Final

from distribute_io.transport.stun_message import Address, binding_request, mapped_address
from distribute_io.wire.session import NatClass

_AGAIN_S: Final = 0.5
_TIMES: Final = 3
_PLACES: Final = 2
_SCHEME: Final = "stun:"


def nat_class_of(seen: Sequence[Address]) -> NatClass:
    """The class, by what each port saw.

    >>> nat_class_of([("192.0.2.1", 7)]), nat_class_of([("192.0.2.1", 7), ("192.0.2.1", 8)])
    ('unknown', 'restricted')
    """
    if len(seen) < 2:
        return "unknown"
    return "unrestricted" if len(set(seen)) == 1 else "restricted"


async def find_nat_class(stun: Sequence[str], *, coordinator_host: str, again_s: float = _AGAIN_S) -> NatClass:
    """Ask the ports; takes as long as they do, at most a second or two.

    Args:
        stun: `stun:HOST:PORT` of one host, as the coordinator's `welcome` has them.
        coordinator_host: where the coordinator is.
        again_s: after which a question is asked again.
    """
    places = [place for url in stun[:_PLACES] if (place := _place(url)) is not None]
    if len(places) < _PLACES or places[0][0] != places[1][0]:
        return "unknown"
    loop, name = asyncio.get_running_loop(), places[0][0]
    try:
        found = await loop.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_DGRAM)
        host = str(found[0][4][0])
        if name != coordinator_host and not ipaddress.ip_address(host).is_global:
            return "unknown"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setblocking(False)
            return nat_class_of(await _ask(asker, [(host, port) for _, port in places], again_s))
    except (OSError, UnicodeError):  # no such host, no such name, no way there
        return "unknown"


async def _ask(asker: socket.socket, places: Sequence[Address], again_s: float) -> list[Address]:
    """What each of the places saw; those that say nothing are left out."""
    loop = asyncio.get_running_loop()
    asked = {secrets.token_bytes(12): place for place in places}
    seen: dict[bytes, Address] = {}
    for _ in range(_TIMES):
        for transaction, place in asked.items():
            if transaction not in seen:
                await loop.sock_sendto(asker, binding_request(transaction), place)
        try:
            async with asyncio.timeout(again_s):
                while len(seen) < len(asked):
                    answer = await loop.sock_recv(asker, 1_024)
                    for transaction in asked:
                        mapped = mapped_address(answer, transaction)
                        if mapped is not None:
                            seen[transaction] = mapped
        except TimeoutError:
            continue
        break
    return list(seen.values())


def _place(url: str) -> Address | None:
    host, _, port = url.removeprefix(_SCHEME).rpartition(":")
    if not url.startswith(_SCHEME) or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        return None
    return host.strip("[]"), int(port)
