"""Which network addresses a stranger's URL may lead us to.

A manifest's mirrors are hints of whoever published it. Without this rule a manifest could make a downloader or a
coordinator send requests into its own network (server-side request forgery), so addresses that are not globally
reachable are refused unless the person who started the program allowed them (design.md section 4, Manifest).

This module only judges addresses; looking names up is the transport's business, and the transport connects to exactly
the address that was judged, so that a name cannot change its mind in between (DNS rebinding).
"""

from __future__ import annotations

import ipaddress


def is_public(address: str) -> bool:
    """Whether `address` (the text of an IPv4 or IPv6 address) is reachable in the public Internet.

    IPv4 addresses that are wrapped in IPv6 (mapped, 6to4, Teredo, NAT64) are judged by the address inside.

    >>> is_public("192.168.1.1"), is_public("::ffff:127.0.0.1"), is_public("9.9.9.9")
    (False, False, True)

    Raises:
        ValueError: when the text is no IP address.
    """
    # A zone ("fe80::1%eth0") only occurs with link-local addresses and is not part of the judgement.
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inside = _wrapped_ipv4(ip)
        if inside is not None:
            ip = inside
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def literal_address(host: str) -> str | None:
    """The IP address that a URL's host is, or None when it is a name.

    >>> literal_address("[::1]"), literal_address("example.org")
    ('::1', None)
    """
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        ipaddress.ip_address(text.split("%", 1)[0])
    except ValueError:
        return None
    return text


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _wrapped_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return None
