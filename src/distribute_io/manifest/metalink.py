"""Metalink 4 (RFC 5854): the same file described for other download programs.

The segment list becomes `<pieces>`, so that `aria2c` fetches from all mirrors at once and checks our segments piece by
piece. A metalink is not signed: it serves programs that know nothing of keys.

`html.escape` writes what XML needs, too; `xml.sax.saxutils` would load the standard library's HTTP client.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from distribute_io.manifest.segments import DIGEST_BYTES
from distribute_io.manifest.timestamps import format_timestamp
from distribute_io.wire.http import Mirror

METALINK_MEDIA_TYPE: Final = "application/metalink4+xml"
"""RFC 5854 section 7.1."""


def encode_metalink(
    *,
    name: str,
    size_bytes: int,
    sha256: str,
    segment_size_bytes: int,
    segments: bytes,
    published_at_s: int,
    mirrors: Sequence[Mirror],
) -> bytes:
    """The metalink of one file, in UTF-8.

    Args:
        name: safe by `names.check_name`, so it needs no check of RFC 5854 section 4.1.2.1 any more.
        sha256: of the whole file, hexadecimal.
        segments: the segment list, raw.
        mirrors: in any order; lower `priority` is asked first.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<metalink xmlns="urn:ietf:params:xml:ns:metalink">',
        f"  <published>{format_timestamp(published_at_s)}</published>",
        f'  <file name="{escape(name)}">',
        f"    <size>{size_bytes}</size>",
        f'    <hash type="sha-256">{sha256}</hash>',
    ]
    if segments:
        digests = (segments[start : start + DIGEST_BYTES].hex() for start in range(0, len(segments), DIGEST_BYTES))
        lines.append(f'    <pieces type="sha-256" length="{segment_size_bytes}">')
        lines.extend(f"      <hash>{digest}</hash>" for digest in digests)
        lines.append("    </pieces>")
    for mirror in mirrors:
        location = "" if mirror.location is None else f' location="{escape(mirror.location)}"'
        lines.append(f'    <url priority="{mirror.priority}"{location}>{escape(mirror.url)}</url>')
    lines += ["  </file>", "</metalink>", ""]
    return "\n".join(lines).encode()
