"""The values of this package: what a manifest says, and what is known about who signed it.

All are immutable. A `Manifest` is known to be well-formed only when it comes from `parse_payload`, and that somebody
signed it is known of a `VerifiedManifest` alone.
"""

from __future__ import annotations

from typing import Final, final

from msgspec import Struct

from distribute_io.ids import CauseId, FileId, PublicKeyText


class Manifest(Struct, frozen=True, kw_only=True):
    """What a publisher states about one file. Field names are those of the payload (spec/manifest.md section 4)."""

    name: str
    """File name, folders separated by `/`; safe by the rules of `names.check_name`."""
    size_bytes: int
    media_type: str
    sha256: FileId
    """Of the whole file, hexadecimal: also the file's id."""
    segment_size_bytes: int
    segments_sha256: str
    """SHA-256 of the segment list, hexadecimal."""
    cause: CauseId
    version: int
    """Grows per key, cause and name."""
    published_at_s: int
    """Seconds since 1970 (UTC); a time stamp in the payload."""
    expires_at_s: int | None = None
    """The same; None: never."""


@final
class VerifiedManifest(Struct, frozen=True, kw_only=True):
    """A manifest with the proof of who signed it: what `verify_envelope` returns, and nothing else should make.

    `pinned` tells the two kinds of trust apart: True means that one of the caller's pinned keys signed it, False that
    the signatures fit keys which the envelope itself names. Only the first may be shown as "verified".
    """

    manifest: Manifest
    signed_by: tuple[PublicKeyText, ...]
    """Keys whose signatures were verified, at least one, in the order of the envelope."""
    pinned: bool
    payload_sha256: str
    """SHA-256 of the signed bytes, hexadecimal: the key of the catalogue."""


DEFAULT_MEDIA_TYPE: Final = "application/octet-stream"
"""For files whose name does not tell (RFC 2046 section 4.5.1)."""
