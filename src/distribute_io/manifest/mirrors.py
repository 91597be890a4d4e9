"""Which addresses a mirror may have (spec/manifest.md section 9).

Decides by the text alone, with one pattern for both languages; nothing is resolved here. Whether a resolved address is
one of the public Internet is told by `is_public_address`, which whoever connects must ask after resolving and after
each redirect.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from distribute_io.errors import ManifestError
from distribute_io.manifest.limits import URL_BYTES_MAX
from distribute_io.manifest.names import url_path

_URL: Final = re.compile(
    r"https?://"
    r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)"  # no user name or password; other alphabets as punycode
    r"(?::([0-9]{1,5}))?"
    r"""(?:[/?][!$-;=?-\[\]-~]*)?"""  # printable ASCII but " # < > and backslash: no fragment, nothing to misread
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def check_mirror_url(url: str) -> str:
    """Return `url` if it can be the address of a mirror: absolute, http or https, no user, no fragment, ASCII.

    Raises:
        ManifestError: `manifest_bad_mirror`.
    """
    match = _URL.fullmatch(url) if len(url) <= URL_BYTES_MAX else None
    if match is None or (match[1] is not None and not 1 <= int(match[1]) <= 65_535):
        raise ManifestError(
            "manifest_bad_mirror",
            f"{url[:80]!a} cannot be a mirror: give an absolute http or https address, without user name or #fragment, "
            f"percent-encoded, of at most {URL_BYTES_MAX} characters.",
        )
    return url


def mirror_url(address: str, name: str) -> str:
    """The address of file `name` on a mirror: `address` itself, or `address` and the name if it ends in `/`.

    Raises:
        ManifestError: `manifest_bad_mirror`.

    Example:
        >>> mirror_url("https://mirror.example/pub/", "a b.iso")
        'https://mirror.example/pub/a%20b.iso'
    """
    return check_mirror_url(address + url_path(name) if address.endswith("/") else address)


def is_public_address(address: str) -> bool:
    """Whether an IP address is one of the public Internet: not private, loopback, link-local, multicast or reserved.

    IPv4 addresses inside IPv6 ones (mapped, 6to4, NAT64) are judged as what they lead to. What is no address is not
    public.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast
