"""Links as the catalogue compares them: one spelling for each address, and the origin that a token's scope names.

Two links are the same when a browser would send the same request for them (WHATWG URL, RFC 3986 section 6.2.2): scheme
and host in lower case, default port left out, dot segments resolved, percent-encodings in one form, no fragment. The
query counts: `?id=` makes another file.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from distribute_io.errors import RefusedError

LINK_CHARS_MAX: Final = 2_048
"""Longest link that is looked up; the bound of a mirror's URL."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ESCAPE: Final = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_SAFE: Final = "/%:@!$&'()*+,;=-._~"


def normalised(link: str) -> str:
    """The one spelling of a link.

    Raises:
        RefusedError: `bad_request` when it is no absolute http or https address, has a user name, or is too long.

    >>> normalised("HTTPS://Example.org:443/a/./%7euser/b%2fc?x=1#top")
    'https://example.org/a/~user/b%2Fc?x=1'
    """
    scheme, host, path, query = _parts(link)
    return f"{scheme}://{host}{_clean_path(path)}{'?' + _clean_escapes(query) if query else ''}"


def origin(link: str) -> str:
    """The origin of a link (RFC 6454), as a token's scope names it.

    Raises:
        RefusedError: as `normalised`.

    >>> origin("https://Example.org:8443/a")
    'https://example.org:8443'
    """
    scheme, host, _path, _query = _parts(link)
    return f"{scheme}://{host}"


def path_of(normal: str) -> str:
    """The decoded path of a normalised link, without the leading slash."""
    return unquote(urlsplit(normal).path).removeprefix("/")


def _parts(link: str) -> tuple[str, str, str, str]:
    problem = RefusedError("bad_request", "A link must be an absolute http or https address without a user name.")
    if len(link) > LINK_CHARS_MAX or any(character <= " " for character in link):
        raise problem
    try:
        split = urlsplit(link)
        host, port = split.hostname, split.port
        host = host.encode("idna").decode("ascii") if host is not None and not host.isascii() else host
    except ValueError:  # a port that is no number, a bracket that does not close, a name that punycode cannot write
        raise problem from None
    if split.scheme not in _DEFAULT_PORTS or not host or split.username is not None:
        raise problem
    if ":" in host:
        host = f"[{host}]"
    if port is not None and port != _DEFAULT_PORTS[split.scheme]:
        host = f"{host}:{port}"
    return split.scheme, host, split.path, split.query


def _clean_path(path: str) -> str:
    parts: list[str] = []
    names = path.split("/")[1:] if path.startswith("/") else path.split("/")
    for place, part in enumerate(names):
        last = place == len(names) - 1
        plain = part.lower().replace("%2e", ".")
        if plain == "..":
            parts = parts[:-1]
        elif plain != ".":
            parts.append(part)
            continue
        if last:
            parts.append("")
    return "/" + _clean_escapes(quote("/".join(parts), safe=_PATH_SAFE))


def _clean_escapes(text: str) -> str:
    """Escapes in capitals, and those of unreserved characters undone (RFC 3986 section 6.2.2)."""

    def clean(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else f"%{match[1].upper()}"

    return _ESCAPE.sub(clean, text)
