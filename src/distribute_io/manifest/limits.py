"""Every bound of manifests, with its reason. `spec/vectors/manifest/limits.json` holds the same for TypeScript."""

from __future__ import annotations

from typing import Final

FORMAT: Final = 1
"""The payload format that this version writes and reads."""

PAYLOAD_TYPE: Final = "application/vnd.distribute-io.manifest+json"
"""The DSSE payload type; it is signed together with the payload."""

SIZE_BYTES_MAX: Final = 2**40
"""The largest file: 1 TiB. Bounds the segment list, which a page keeps in memory, to 8 MiB."""

SEGMENTS_MAX: Final = 262_144
"""Segments of the largest file (1 TiB in segments of 4 MiB)."""

SEGMENT_LIST_BYTES_MAX: Final = SEGMENTS_MAX * 32
"""The longest segment list, so that nobody reads more from a source that promises one."""

PAYLOAD_BYTES_MAX: Final = 16_384
"""The signed bytes of one envelope: a name of 1 KiB, doubly escaped, and room for fields that are yet to come."""

DOCUMENT_BYTES_MAX: Final = 65_536
"""A manifest document without its inline segment list: eight signatures and some 200 mirrors fit."""

DOCUMENT_WITH_SEGMENTS_BYTES_MAX: Final = DOCUMENT_BYTES_MAX + (SEGMENT_LIST_BYTES_MAX + 2) // 3 * 4
"""A manifest document with its inline segment list (base64)."""

DEPTH_MAX: Final = 16
"""Nested arrays and objects in any JSON of a manifest; ours need four."""

SIGNATURES_MAX: Final = 8
"""Signatures of one envelope. Each costs one verification per pinned key."""

PINS_MAX: Final = 16
"""Keys that one caller may pin; with SIGNATURES_MAX it bounds the verifications of a hostile envelope to 128."""

MIRRORS_MAX: Final = 256
"""Mirrors of one document; the largest distributions have some 150."""

NAME_BYTES_MAX: Final = 1_024
"""A name in UTF-8, folders included. Fits every path limit but that of old Windows programs."""

NAME_PART_BYTES_MAX: Final = 255
"""One part of a name in UTF-8: what ext4, APFS, NTFS and OPFS store."""

MEDIA_TYPE_BYTES_MAX: Final = 127
"""Type or subtype of a media type (RFC 6838 section 4.2)."""

URL_BYTES_MAX: Final = 2_048
"""A mirror's URL or that of a segment list."""

CLOCK_SKEW_S: Final = 86_400
"""What a clock may be wrong by, in either direction, before a manifest counts as expired or as not yet valid."""

INTEGER_MAX: Final = 2**53 - 1
"""The largest integer that JSON carries unharmed through every language."""
