"""download/segment_stream.py: verified segments leave in order, and count only then."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from queue import SimpleQueue

import pytest

from distribute_io.download.segment_stream import SegmentStream
from distribute_io.errors import StoreError, UsageError
from distribute_io.ids import SegmentDigest, SegmentIndex
from distribute_io.manifest.segments import VerifiedSegment, verify_segment

WORDS = [b"first ", b"second ", b"third"]


def segment(index: int) -> VerifiedSegment:
    data = WORDS[index]
    return verify_segment(data, SegmentDigest(hashlib.sha256(data).digest()))


def test_what_comes_early_waits_and_counts_when_it_has_left() -> None:
    reading, writing = os.pipe()
    posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
    kept: list[int] = []
    stream = SegmentStream(writing, 3)
    stream.attach(posted.put)
    for index in (2, 1, 0):
        stream.write(SegmentIndex(index), segment(index))
        stream.when_kept(SegmentIndex(index), lambda index=index: kept.append(index))  # type: ignore[misc]  # default
        if index:
            assert posted.empty()
    assert stream.result() == hashlib.sha256(b"".join(WORDS)).hexdigest()
    while not posted.empty():
        posted.get()()
    assert sorted(kept) == [0, 1, 2]
    assert os.read(reading, 100) == b"first second third"
    os.close(reading)
    os.close(writing)


def test_what_came_twice_leaves_once() -> None:
    reading, writing = os.pipe()
    stream = SegmentStream(writing, 1)
    stream.attach(lambda then: then())
    stream.write(SegmentIndex(0), segment(0))
    stream.result()
    stream.write(SegmentIndex(0), segment(0))
    assert os.read(reading, 100) == WORDS[0]
    os.close(reading)
    os.close(writing)


def test_reader_that_went_away_cancels() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = SegmentStream(writing, 1)
    stream.attach(lambda then: then())
    stream.write(SegmentIndex(0), segment(0))
    with pytest.raises(UsageError) as caught:
        stream.result()
    assert caught.value.code == "cancelled"
    os.close(writing)


def test_a_pipe_cannot_be_read_back() -> None:
    with pytest.raises(StoreError):
        SegmentStream(1, 1).read(0, memoryview(bytearray(1)))
