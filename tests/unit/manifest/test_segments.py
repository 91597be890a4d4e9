from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.errors import DistributeError, IntegrityError, ManifestError
from distribute_io.ids import SegmentDigest, SegmentIndex
from distribute_io.manifest.limits import SEGMENT_LIST_BYTES_MAX, SEGMENTS_MAX, SIZE_BYTES_MAX
from distribute_io.manifest.segments import (
    SegmentList,
    VerifiedSegment,
    segment_count,
    segment_range,
    segment_size_bytes,
    verify_segment,
    verify_segment_list,
)
from tests.unit.manifest.verdicts import verdict

KIB, MIB, GIB = 2**10, 2**20, 2**30
sizes = st.integers(0, SIZE_BYTES_MAX) | st.integers(0, 40 * GIB) | st.integers(0, 10 * MIB)


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (0, 256 * KIB),
        (4 * MIB - 1, 256 * KIB),
        (4 * MIB, MIB),
        (8 * GIB, MIB),
        (8 * GIB + 1, 2 * MIB),
        (32 * GIB, 2 * MIB),
        (32 * GIB + 1, 4 * MIB),
        (SIZE_BYTES_MAX, 4 * MIB),
    ],
)
def test_the_segment_size_follows_from_the_size(size_bytes: int, expected: int) -> None:
    assert segment_size_bytes(size_bytes) == expected


@pytest.mark.parametrize("size_bytes", [-1, SIZE_BYTES_MAX + 1])
def test_sizes_out_of_range_are_refused(size_bytes: int) -> None:
    with pytest.raises(ManifestError) as caught:
        segment_size_bytes(size_bytes)
    assert caught.value.code == "manifest_bad_size"


@given(sizes)
def test_segments_tile_the_file(size_bytes: int) -> None:
    count = segment_count(size_bytes)
    assert count <= SEGMENTS_MAX
    assert count * 32 <= SEGMENT_LIST_BYTES_MAX
    if count == 0:
        assert size_bytes == 0
        return
    assert segment_range(size_bytes, SegmentIndex(0))[0] == 0
    assert segment_range(size_bytes, SegmentIndex(count - 1))[1] == size_bytes
    middle = SegmentIndex(count // 2)
    start, end = segment_range(size_bytes, middle)
    assert 0 < end - start <= segment_size_bytes(size_bytes)
    if middle:
        assert segment_range(size_bytes, SegmentIndex(middle - 1))[1] == start


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_segment_beyond_the_file(index: int) -> None:
    with pytest.raises(IndexError):
        segment_range(700_000, SegmentIndex(index))


def test_only_matching_bytes_become_a_verified_segment() -> None:
    data = b"some bytes"
    digest = SegmentDigest(hashlib.sha256(data).digest())
    segment = verify_segment(data, digest)
    assert segment.data is data
    assert segment.digest == digest
    with pytest.raises(IntegrityError) as caught:
        verify_segment(b"Some bytes", digest)
    assert caught.value.code == "segment_mismatch"


def test_nothing_else_makes_one() -> None:
    with pytest.raises(TypeError):
        VerifiedSegment()
    with pytest.raises(TypeError):
        SegmentList()
    segment = verify_segment(b"", SegmentDigest(hashlib.sha256(b"").digest()))
    with pytest.raises(AttributeError):
        segment.note = "x"  # type: ignore[attr-defined]  # that there is no room for more is the point


def test_a_segment_list_is_read_by_index() -> None:
    data = bytes(range(96))
    found = verify_segment_list(data, size_bytes=700_000, segments_sha256=hashlib.sha256(data).hexdigest())
    assert len(found) == 3
    assert found[SegmentIndex(1)] == data[32:64]
    assert list(found) == [data[:32], data[32:64], data[64:]]
    assert found.data == data
    for index in (-1, 3):
        with pytest.raises(IndexError):
            found[SegmentIndex(index)]


@given(st.binary(max_size=100), st.integers(0, 2 * MIB), st.booleans())
def test_any_other_list_is_refused(data: bytes, size_bytes: int, signed: bool) -> None:
    stated = hashlib.sha256(data if signed else data + b"x").hexdigest()
    said = verdict(lambda: verify_segment_list(data, size_bytes=size_bytes, segments_sha256=stated))
    if isinstance(said, DistributeError):
        assert said.code == ("manifest_bad_size" if signed else "segment_list_mismatch")
        assert not signed or len(data) != 32 * segment_count(size_bytes)
    else:
        assert len(said) == segment_count(size_bytes)
