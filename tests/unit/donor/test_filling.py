"""donor/filling.py: what is fetched next, and that nothing of it is believed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from distribute_io.donor.filling import Filler, Gap, Target, next_gap
from distribute_io.donor.store import SegmentStore
from distribute_io.errors import IntegrityError, ManifestError, RefusedError, SourceError
from distribute_io.ids import FileId
from distribute_io.manifest.build import sign_manifest
from distribute_io.transport.coordinator_api import CoordinatorApi
from distribute_io.transport.dial import HttpPolicy
from distribute_io.wire.http import FileEntry, Mirror
from tests.harness.publishing import Published, publish
from tests.harness.raw_server import RawServer, raw_server, response

A, B = FileId("a" * 64), FileId("b" * 64)
SEGMENT = 262_144
POLICY = HttpPolicy(allow_private=True, idle_timeout_s=5)


def test_first_lacking_run_of_the_most_valuable_file_comes_first() -> None:
    target: Target = ((B, ((2, 6),)), (A, ((0, 9),)))
    held = {B: ((2, 4),)}
    assert next_gap(target, lambda file_id: held.get(file_id, ()), frozenset()) == Gap(B, 4, 6)
    assert next_gap(target, lambda file_id: held.get(file_id, ()), frozenset({B})) == Gap(A, 0, 9)
    assert next_gap(target, lambda _: ((0, 9),), frozenset()) is None
    assert next_gap(((A, ((0, 100),)),), lambda _: (), frozenset()) == Gap(A, 0, 32)


class World:
    """A coordinator and a mirror in one, whose answers a test may spoil."""

    def __init__(self, published: Published) -> None:
        self.published = published
        self.data = published.data
        self.segments = published.segments
        self.manifest = published.manifest

    def answer(self, head: str) -> bytes:
        path = urlsplit(head.split(" ")[1]).path
        if path.endswith(".segments"):
            return response("200 OK", self.segments)
        if path.startswith("/api/v1/files/"):
            return response("200 OK", msgspec.json.encode(self.entry()))
        if path == "/down" and not self.drips:
            return response("404 Not Found")
        first, last = (int(word) for word in head.split("bytes=")[1].split("\r\n")[0].split("-"))
        content_range = f"bytes {first}-{last}/{len(self.data)}"
        whole = response("206 Partial Content", self.data[first : last + 1], Content_Range=content_range)
        # Or some of it, and then nothing more, with the connection open.
        return whole[: len(whole) - (last - first)] if path == "/down" else whole

    def entry(self) -> FileEntry:
        assert self.server is not None
        return FileEntry(
            file_id=self.published.manifest.sha256,
            name=self.manifest.name,
            size_bytes=self.manifest.size_bytes,
            cause=self.manifest.cause,
            manifests=[sign_manifest(self.manifest, [self.published.key])],
            mirrors=[Mirror(f"{self.server.url}/down", priority=1), Mirror(f"{self.server.url}/up", priority=2)],
            segments_url="/list.segments",
            session_url="/ws",
        )

    server: RawServer | None = None
    drips = False


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(publish(tmp_path / "www", size_bytes=4 * SEGMENT + 10))


def fill(world: World, folder: Path, *, limit_bytes: int = 10_000_000, wanted: int = 99) -> tuple[SegmentStore, bool]:
    with raw_server(world.answer) as server:
        world.server = server
        store = SegmentStore(folder, limit_bytes=limit_bytes)
        store.open()
        try:
            filler = Filler(CoordinatorApi(server.url, POLICY), store, policy=POLICY, segment_timeout_s=0.5)
            sizes: list[int] = []
            done = filler.fetch(
                Gap(world.published.manifest.sha256, 0, 5),
                still_wanted=lambda _file_id, index: index < wanted,
                make_room=lambda file_id, size: store.has_room_for(file_id, size),
                on_segment=lambda _file_id, size: sizes.append(size),
            )
            assert sum(sizes) == store.held_bytes
        finally:
            store.close()
        return store, done


def test_run_is_fetched_from_the_mirror_that_works(world: World, tmp_path: Path) -> None:
    store, done = fill(world, tmp_path / "store")
    assert done
    assert store.holdings(world.published.manifest.sha256) == ((0, 5),)
    assert world.server is not None
    assert sum("/up" in head for head in world.server.heads) == 5, "one request for each segment, with pauses between"


def test_mirror_that_takes_too_long_for_a_segment_is_left(world: World, tmp_path: Path) -> None:
    world.drips = True
    store, done = fill(world, tmp_path / "store")
    assert done
    assert store.holdings(world.published.manifest.sha256) == ((0, 5),)
    assert world.server is not None
    assert [head.split(" ")[1] for head in world.server.heads[-6:]] == ["/down", *["/up"] * 5]


def test_what_rests_breaks_off_and_goes_on_later(world: World, tmp_path: Path) -> None:
    world.drips = True
    store = SegmentStore(tmp_path / "store", limit_bytes=10_000_000)
    store.open()
    with raw_server(world.answer) as server:
        world.server = server
        filler = Filler(CoordinatorApi(server.url, POLICY), store, policy=POLICY, segment_timeout_s=60)

        def fetch() -> bool:
            return filler.fetch(
                Gap(world.published.manifest.sha256, 0, 5),
                still_wanted=lambda _file_id, _index: True,
                make_room=lambda _file_id, _size: True,
                on_segment=lambda _file_id, _size: None,
            )

        with ThreadPoolExecutor(1) as pool:
            fetching = pool.submit(fetch)
            deadline = time.monotonic() + 20
            while not any("/down" in head for head in server.heads):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            filler.rest(rests=True)
            assert fetching.result(timeout=20), "what rests is no failure"
        assert store.held_bytes == 0
        asked = len(server.heads)
        assert fetch()
        assert len(server.heads) == asked, "nobody is asked for anything"
        world.drips = False
        filler.rest(rests=False)
        assert fetch()
    assert store.holdings(world.published.manifest.sha256) == ((0, 5),)
    store.close()


def test_what_is_not_wanted_any_more_is_not_fetched(world: World, tmp_path: Path) -> None:
    store, done = fill(world, tmp_path / "store", wanted=2)
    assert done
    assert store.holdings(world.published.manifest.sha256) == ((0, 2),)


def test_full_store_ends_the_run(world: World, tmp_path: Path) -> None:
    store, done = fill(world, tmp_path / "store", limit_bytes=700_000)
    assert not done
    assert store.holdings(world.published.manifest.sha256) == ((0, 2),)


def test_wrong_bytes_are_not_kept(world: World, tmp_path: Path) -> None:
    world.data = b"\xff" + world.data[1:]
    with pytest.raises(IntegrityError) as caught:
        fill(world, tmp_path / "store")
    assert caught.value.code == "segment_mismatch"


def test_wrong_segment_list_is_not_believed(world: World, tmp_path: Path) -> None:
    world.segments = world.segments[::-1]
    with pytest.raises(IntegrityError) as caught:
        fill(world, tmp_path / "store")
    assert caught.value.code == "segment_list_mismatch"


def test_manifest_of_another_file_is_not_believed(world: World, tmp_path: Path) -> None:
    world.manifest = publish(tmp_path / "other", size_bytes=100, seed=5).manifest
    with pytest.raises((IntegrityError, ManifestError)):
        fill(world, tmp_path / "store")


def test_coordinator_that_is_not_there_is_named(tmp_path: Path) -> None:
    store = SegmentStore(tmp_path / "store", limit_bytes=10_000_000)
    store.open()
    filler = Filler(CoordinatorApi("http://127.0.0.1:9", POLICY), store, policy=POLICY)
    with pytest.raises(RefusedError) as caught:
        filler.fetch(Gap(A, 0, 1), still_wanted=lambda *_: True, make_room=lambda *_: True, on_segment=lambda *_: None)
    assert caught.value.code == "coordinator_unreachable"
    store.close()


def test_no_mirror_that_works_is_named(world: World, tmp_path: Path) -> None:
    world.data = world.data[:100]  # the mirrors hold a file of another size
    with pytest.raises(SourceError) as caught:
        fill(world, tmp_path / "store")
    assert caught.value.code in ("mirror_file_changed", "mirror_missing")
