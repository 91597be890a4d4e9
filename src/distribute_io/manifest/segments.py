"""How a file is cut into segments, and the two types that only verified bytes can have.

Rules (spec/manifest.md sections 6 and 8):

- The segment size follows from the file's size and from nothing else.
- All segments but the last have that size; an empty file has none.
- A segment is `bytes` until its SHA-256 matches, and only then a `VerifiedSegment`; a segment list is `bytes` until its
  own SHA-256 matches the manifest, and only then a `SegmentList`. Neither can be made in any other way.

Decides nothing about where bytes come from. `client/src/core/segments.ts` is the same in TypeScript.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, final

from distribute_io.errors import IntegrityError, ManifestError
from distribute_io.ids import SegmentDigest, SegmentIndex
from distribute_io.manifest.limits import SIZE_BYTES_MAX

DIGEST_BYTES: Final = 32
"""Length of a SHA-256 digest."""

_SEGMENT_SIZES: Final = (
    # (files below this size, segment size). Small files are cut finer so that they too come from several sources; the
    # steps above bound the segment list (8,192 entries at 8 GiB, 16,384 at 32 GiB).
    (4 * 2**20, 256 * 2**10),
    (8 * 2**30 + 1, 2**20),
    (32 * 2**30 + 1, 2 * 2**20),
)
_SEGMENT_SIZE_BYTES_MAX: Final = 4 * 2**20


def segment_size_bytes(size_bytes: int) -> int:
    """The segment size of a file: 256 KiB below 4 MiB, 1 MiB up to 8 GiB, 2 MiB up to 32 GiB, else 4 MiB.

    Raises:
        ManifestError: `manifest_bad_size` if the size is negative or above 1 TiB.
    """
    if not 0 <= size_bytes <= SIZE_BYTES_MAX:
        raise ManifestError("manifest_bad_size", f"A size of {size_bytes} bytes is not between 0 and 1 TiB.")
    for below_bytes, segment_bytes in _SEGMENT_SIZES:
        if size_bytes < below_bytes:
            return segment_bytes
    return _SEGMENT_SIZE_BYTES_MAX


def segment_count(size_bytes: int) -> int:
    """How many segments a file of `size_bytes` has: 0 for an empty file."""
    return -(-size_bytes // segment_size_bytes(size_bytes))


def segment_range(size_bytes: int, index: SegmentIndex) -> tuple[int, int]:
    """The half-open byte range `[start, end)` of a segment in its file.

    Raises:
        IndexError: if the file has no such segment.

    Example:
        >>> segment_range(300_000, SegmentIndex(1))
        (262144, 300000)
    """
    if not 0 <= index < segment_count(size_bytes):
        raise IndexError(f"a file of {size_bytes} bytes has no segment {index}")
    step = segment_size_bytes(size_bytes)
    return index * step, min((index + 1) * step, size_bytes)


@final
class VerifiedSegment:
    """Bytes whose SHA-256 was seen to be `digest`. Only `verify_segment` makes one; writers take nothing else.

    `data` is not copied: whoever owns the memory must not write into it while this value is in use.
    """

    __slots__ = ("data", "digest")

    data: bytes | bytearray | memoryview
    digest: SegmentDigest

    def __init__(self) -> None:
        raise TypeError("only verify_segment() makes a VerifiedSegment")


def verify_segment(data: bytes | bytearray | memoryview, expected: SegmentDigest) -> VerifiedSegment:
    """Turn bytes into a `VerifiedSegment`. Hashes in one call, which frees the GIL: call it in a thread.

    Args:
        data: the whole segment, contiguous. Kept, not copied.
        expected: its digest in the segment list.

    Raises:
        IntegrityError: `segment_mismatch`. The bytes are to be discarded and their source blamed.
    """
    if hashlib.sha256(data).digest() != expected:
        raise IntegrityError(
            "segment_mismatch", f"{len(data)} bytes were delivered that are not segment {expected.hex()[:16]}…."
        )
    segment = object.__new__(VerifiedSegment)
    segment.data = data
    segment.digest = expected
    return segment


@final
class SegmentList:
    """The digests of all segments of a file, in order, as its manifest names them; made by `verify_segment_list` alone.

    `len(list)` is the number of segments, `list[index]` a digest; iterating yields the digests in order.
    """

    __slots__ = ("data",)

    data: bytes
    """The raw list: 32 bytes for each segment."""

    def __init__(self) -> None:
        raise TypeError("only verify_segment_list() makes a SegmentList")

    def __len__(self) -> int:
        return len(self.data) // DIGEST_BYTES

    def __getitem__(self, index: SegmentIndex) -> SegmentDigest:
        if not 0 <= index < len(self):
            raise IndexError(f"no segment {index} in a list of {len(self)}")
        return SegmentDigest(self.data[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES])

    def __iter__(self) -> Iterator[SegmentDigest]:
        for start in range(0, len(self.data), DIGEST_BYTES):
            yield SegmentDigest(self.data[start : start + DIGEST_BYTES])


def verify_segment_list(data: bytes, *, size_bytes: int, segments_sha256: str) -> SegmentList:
    """Turn bytes into the `SegmentList` of a file.

    Args:
        data: the list as it came. The caller reads no more than `32 * segment_count(size_bytes) + 1` bytes of it.
        size_bytes: the file's size, out of its verified manifest.
        segments_sha256: the list's digest in hexadecimal, out of the same.

    Raises:
        IntegrityError: `segment_list_mismatch` if it is not the list that the manifest names: ask another source.
        ManifestError: `manifest_bad_size` if it is, but has another number of segments than the size demands.
    """
    if hashlib.sha256(data).hexdigest() != segments_sha256:
        raise IntegrityError("segment_list_mismatch", "The segment list is not the one that the manifest names.")
    expected_bytes = DIGEST_BYTES * segment_count(size_bytes)
    if len(data) != expected_bytes:
        raise ManifestError(
            "manifest_bad_size",
            f"The segment list has {len(data)} bytes where a file of {size_bytes} bytes needs {expected_bytes}.",
        )
    result = object.__new__(SegmentList)
    result.data = data
    return result
