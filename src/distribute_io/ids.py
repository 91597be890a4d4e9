"""Names for values that must not be mixed up, and their text forms.

Indices are 0-based, ranges are half-open. Digests travel as lower-case hexadecimal in JSON and as raw bytes in frames.
"""

from __future__ import annotations

from typing import NewType

FileId = NewType("FileId", str)
"""The whole file's SHA-256 as 64 lower-case hexadecimal digits. It names content."""

SegmentDigest = NewType("SegmentDigest", bytes)
"""A segment's SHA-256, 32 raw bytes. Peers and stores know a segment by it."""

SegmentIndex = NewType("SegmentIndex", int)
"""A segment's place in its file, 0-based."""

SegmentRange = tuple[int, int]
"""A half-open range `[start, end)` of segment indices."""

CauseId = NewType("CauseId", str)
"""A cause's name: 1 to 64 of `a-z 0-9 -`, beginning with a letter or digit."""

SessionId = NewType("SessionId", str)
"""One peer's connection to a coordinator. Random, 128 bits, hexadecimal. Never shown to other peers."""

MatchId = NewType("MatchId", str)
"""One introduction of a downloader to a donor. Random, 128 bits, 32 hexadecimal digits."""

SourceId = NewType("SourceId", str)
"""A mirror or a peer within one download."""

PublicKeyText = NewType("PublicKeyText", str)
"""`ed25519:` and the standard base64 of the 32 raw bytes of a public key."""
