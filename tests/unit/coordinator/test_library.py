"""The folder and the catalogue in step, with real files and a real catalogue."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from distribute_io.coordinator.library import Library
from distribute_io.coordinator.library_shelf import Progress
from distribute_io.ids import CauseId, FileId
from distribute_io.manifest.keys import SigningKey
from distribute_io.stores.catalogue import Catalogue, CauseRecord, ManifestRecord
from distribute_io.stores.sql_catalogue import open_sqlite

CAUSE = CauseId("main")
KEY = SigningKey.generate()
PATIENCE_S = 20.0


class Scene:
    """A folder, its catalogue and a library that follows it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "folder"
        self.data_dir = self.folder / "data"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.catalogue: Catalogue
        self.library: Library

    def write(self, name: str, text: str, *, age_s: float = 10) -> FileId:
        """Write a file that stands still since `age_s`."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        then = time.time() - age_s
        os.utime(path, (then, then))
        return FileId(hashlib.sha256(text.encode()).hexdigest())

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():  # noqa: ASYNC110 - files and threads set no event
                await asyncio.sleep(0.02)

    async def settled(self) -> Progress:
        """Wait until everything that is there is ready."""

        async def is_ready() -> bool:
            progress = self.library.progress()
            return progress.walked and progress.files == progress.files_ready

        await self.until(is_ready)
        return self.library.progress()

    async def names(self) -> dict[str, ManifestRecord]:
        return {record.name: record for record in await self.catalogue.files(limit=1_000)}

    def run(
        self,
        play: Callable[[], Awaitable[None]],
        *,
        key: SigningKey = KEY,
        rescan_s: float = 0.2,
        life_s: int | None = None,
    ) -> None:
        async def announced() -> None:
            """Nobody needs to know."""

        async def scene() -> None:
            self.catalogue = open_sqlite(self.data_dir / "catalogue.sqlite")
            await self.catalogue.put_cause(CauseRecord(cause=CAUSE, title="Main"), actor="cli", at_s=1)
            self.library = Library(
                folder=self.folder,
                data_dir=self.data_dir,
                cause=CAUSE,
                key=key,
                catalogue=self.catalogue,
                rescan_s=rescan_s,
                settle_ms=50,
                hash_files=2,
                life_s=life_s,
            )
            following = asyncio.create_task(self.library.run(announced))
            try:
                await play()
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                await self.catalogue.close()

        asyncio.run(scene())


def test_what_lies_there_is_published_with_signed_manifests(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    first, second = scene.write("a.txt", "one"), scene.write("sub/a.txt", "two")
    empty = scene.write("empty", "")

    async def play() -> None:
        progress = await scene.settled()
        assert (progress.files, progress.size_bytes, progress.ready_bytes) == (3, 6, 6)
        found = await scene.names()
        assert {name: record.file_id for name, record in found.items()} == {
            "a.txt": first,
            "sub/a.txt": second,
            "empty": empty,
        }
        assert all(record.signed_by == (KEY.public_key,) for record in found.values())
        assert scene.library.names_of(first) == ("a.txt",)
        shelved = scene.library.get("a.txt")
        assert shelved is not None
        assert scene.library.path(shelved).read_text() == "one"

    scene.run(play)


def test_added_changed_and_removed_files_are_noticed(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    old = scene.write("changes.txt", "old")
    scene.write("goes.txt", "goes")

    async def play() -> None:
        await scene.settled()
        before = (await scene.names())["changes.txt"]
        new = scene.write("changes.txt", "new")
        scene.write("comes.txt", "comes")
        (scene.folder / "goes.txt").unlink()

        async def is_followed() -> bool:
            found = await scene.names()
            remembered = {record.path for record in await scene.catalogue.library()}
            followed = set(found) == {"changes.txt", "comes.txt"} and found["changes.txt"].file_id == new
            return followed and remembered == {b"changes.txt", b"comes.txt"}

        await scene.until(is_followed)
        after = (await scene.names())["changes.txt"]
        assert after.version > before.version
        assert await scene.catalogue.manifests(old) == ()
        assert scene.library.names_of(old) == ()
        assert scene.library.get("goes.txt") is None
        assert [record.path for record in await scene.catalogue.library()] == [b"changes.txt", b"comes.txt"]

    scene.run(play)


def test_a_change_of_a_file_whose_name_is_not_utf_8_is_noticed_like_any_other(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write("first.txt", "first")

    async def play() -> None:
        await scene.settled()
        for round_ in range(2):  # the notice of such a name ends the watch; the next one must follow
            await asyncio.sleep(1.5)
            scene.write(os.fsdecode(b"bad\xff%d" % round_), f"bad {round_}")

            async def is_followed(name: str = f"bad%FF{round_}") -> bool:
                return name in await scene.names()

            await scene.until(is_followed)
        await asyncio.sleep(2.5)  # the watch is in place again
        scene.write("good.txt", "good")

        async def is_there() -> bool:
            return "good.txt" in await scene.names()

        await scene.until(is_there)

    scene.run(play, rescan_s=300)


def test_a_restart_reads_no_unchanged_file_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write("a.txt", "one")
    scene.write("b.txt", "two")
    versions: dict[str, int] = {}

    async def first() -> None:
        await scene.settled()
        versions.update({name: record.version for name, record in (await scene.names()).items()})

    async def second() -> None:
        await scene.settled()
        assert {name: record.version for name, record in (await scene.names()).items()} == versions

    scene.run(first)
    # Were it read again, its size and time being the same, these bytes would come to light.
    path = scene.folder / "a.txt"
    status = path.stat()
    path.write_text("ONE")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    scene.run(second)


def test_a_file_changed_while_the_coordinator_was_down_is_published_anew(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write("a.txt", "old")
    scene.write("gone.txt", "gone")

    async def first() -> None:
        await scene.settled()

    async def second() -> None:
        await scene.settled()
        found = await scene.names()
        assert {name: record.file_id for name, record in found.items()} == {"a.txt": new}

    scene.run(first)
    new = scene.write("a.txt", "new", age_s=5)
    (scene.folder / "gone.txt").unlink()
    scene.run(second)


def test_a_touched_file_gets_no_new_version(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write("a.txt", "one")

    async def play() -> None:
        await scene.settled()
        before = await scene.names()
        touched = scene.folder / "a.txt"
        os.utime(touched, (time.time() - 3, time.time() - 3))

        async def is_followed() -> bool:
            (record,) = await scene.catalogue.library()
            return record.mtime_ns == touched.stat().st_mtime_ns

        await scene.until(is_followed)
        assert await scene.names() == before

    scene.run(play)


def test_a_file_that_is_being_written_is_served_and_hashed_when_it_stands_still(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write("grows.txt", "a", age_s=-3_600)  # a time ahead of us: only standing still counts

    async def play() -> None:
        async def is_shelved() -> bool:
            return scene.library.get("grows.txt") is not None

        await scene.until(is_shelved)
        waiting = scene.library.get("grows.txt")
        assert waiting is not None
        assert waiting.file_id is None
        await scene.settled()
        assert "grows.txt" in await scene.names()

    scene.run(play)


def test_the_folder_is_followed_while_a_large_file_is_being_hashed(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with (scene.folder / "large.bin").open("wb") as large:
        large.truncate(8 * 2**30)  # a hole: nothing is written, and reading it takes seconds
    os.utime(scene.folder / "large.bin", (1, 1))
    scene.write("goes.txt", "goes")

    async def play() -> None:
        async def is_hashing() -> bool:
            progress = scene.library.progress()
            return progress.files_ready == 1 and progress.ready_bytes > 2**20

        await scene.until(is_hashing)
        scene.write("comes.txt", "comes")
        (scene.folder / "goes.txt").unlink()

        async def is_followed() -> bool:
            return scene.library.get("comes.txt") is not None and scene.library.get("goes.txt") is None

        await scene.until(is_followed)
        large = scene.library.get("large.bin")
        assert large is not None
        assert large.file_id is None

    scene.run(play)


def test_what_was_taken_down_stays_down(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    bad = scene.write("bad.txt", "bad")
    scene.write("good.txt", "good")

    async def first() -> None:
        await scene.settled()
        await scene.catalogue.withdraw(bad, actor="cli", at_s=2)
        scene.library.forget(bad)
        assert scene.library.get("bad.txt") is None
        scene.write("more.txt", "more")

        async def is_followed() -> bool:
            return set(await scene.names()) == {"good.txt", "more.txt"}

        await scene.until(is_followed)
        assert scene.library.get("bad.txt") is None

    async def second() -> None:
        progress = await scene.settled()
        assert set(await scene.names()) == {"good.txt", "more.txt"}
        assert [(skipped.path, skipped.reason) for skipped in progress.skipped] == [("bad.txt", "it was taken down")]

        await scene.catalogue.restore(bad, actor="cli", at_s=3)
        scene.library.reconsider()

        async def is_back() -> bool:
            return set(await scene.names()) == {"bad.txt", "good.txt", "more.txt"}

        await scene.until(is_back)

    scene.run(first)
    scene.run(second)


def test_a_name_of_another_key_is_left_out_with_its_reason(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write("a.txt", "one")

    async def first() -> None:
        await scene.settled()

    async def second() -> None:
        progress = await scene.settled()
        assert progress.files == 0
        assert "belongs to another key" in progress.skipped[0].reason

    scene.run(first)
    scene.run(second, key=SigningKey.generate())


def test_an_unplugged_folder_keeps_what_was_known(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.data_dir = tmp_path / "elsewhere"
    scene.data_dir.mkdir()
    kept = scene.write("a.txt", "one")

    async def play() -> None:
        await scene.settled()
        away = scene.folder.rename(tmp_path / "away")
        await asyncio.sleep(0.6)
        assert set(await scene.names()) == {"a.txt"}
        away.rename(scene.folder)
        await scene.settled()
        assert scene.library.names_of(kept) == ("a.txt",)

    scene.run(play)


def test_manifests_that_expire_are_signed_again_at_half_of_their_life_and_for_ever_when_asked(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write("a.txt", "one")
    payloads: list[str] = []

    async def lives_short() -> None:
        await scene.settled()
        payloads.append((await scene.names())["a.txt"].payload_sha256)

        async def is_renewed() -> bool:
            return (await scene.names())["a.txt"].payload_sha256 != payloads[-1]

        await scene.until(is_renewed)

        async def is_on_the_shelf() -> bool:
            shelved = scene.library.get("a.txt")
            return shelved is not None and shelved.payload_sha256 == (await scene.names())["a.txt"].payload_sha256

        await scene.until(is_on_the_shelf)
        payloads.append((await scene.names())["a.txt"].payload_sha256)

    async def lives_for_ever() -> None:
        await scene.settled()

        async def is_for_ever() -> bool:
            envelope = (await scene.names())["a.txt"].envelope
            return b"expires_at" not in base64.b64decode(json.loads(envelope)["payload"])

        await scene.until(is_for_ever)
        record = (await scene.names())["a.txt"]
        assert record.payload_sha256 not in payloads

    scene.run(lives_short, life_s=4)
    scene.run(lives_for_ever)
