"""download/file_digest.py: the whole file's SHA-256, whatever order its segments come in and wherever they lie."""

from __future__ import annotations

import functools
import random
from pathlib import Path

import pytest

from distribute_io.download.file_digest import FileDigest
from distribute_io.download.part_file import PartFile
from distribute_io.ids import SegmentIndex
from distribute_io.manifest.segments import verify_segment
from tests.harness.publishing import Published, publish

SEGMENT = 262_144
SEGMENTS = 9


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path / "www", size_bytes=(SEGMENTS - 1) * SEGMENT + 17)


@pytest.mark.parametrize("share_offered", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_digest_is_that_of_the_file(published: Published, tmp_path: Path, seed: int, share_offered: float) -> None:
    rng = random.Random(seed)
    part = PartFile(tmp_path / "out", published.manifest, published.segment_list())
    part.open()
    digest = FileDigest(part, published.manifest.size_bytes)
    there: set[int] = set()
    released: list[int] = []
    offered = 0
    order = list(range(SEGMENTS))
    rng.shuffle(order)
    for index in order:
        data = published.data[index * SEGMENT : (index + 1) * SEGMENT]
        part.write(SegmentIndex(index), verify_segment(data, published.segment_list()[SegmentIndex(index)]))
        if rng.random() < share_offered:
            offered += 1
            digest.offer(index * SEGMENT, memoryview(data), functools.partial(released.append, index))
        there.add(index)
        front = next((each for each in range(SEGMENTS) if each not in there), SEGMENTS)
        digest.advance(min(front * SEGMENT, published.manifest.size_bytes))
    assert digest.result() == published.manifest.sha256
    digest.stop()
    part.close()
    assert sorted(released) == sorted(set(released)), "each memory is released once"
    assert len(released) == offered


def test_stopping_releases_what_waits(published: Published, tmp_path: Path) -> None:
    part = PartFile(tmp_path / "out", published.manifest, published.segment_list())
    part.open()
    digest = FileDigest(part, published.manifest.size_bytes)
    released: list[int] = []
    digest.offer(3 * SEGMENT, memoryview(bytes(SEGMENT)), lambda: released.append(3))
    digest.stop()
    assert released == [3]
    part.close()
