"""What every catalogue keeps (`stores/catalogue.py`): a back end passes by subclassing `CatalogueSuite`."""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from msgspec import structs

from distribute_io.core.mirror_health import Health
from distribute_io.errors import RefusedError
from distribute_io.ids import CauseId, FileId, PublicKeyText
from distribute_io.stores.catalogue import (
    MIRRORS_PER_FILE_MAX,
    Catalogue,
    CauseRecord,
    CauseSize,
    DailyTotal,
    LibraryRecord,
    ManifestRecord,
    MirrorRecord,
    TallyGrowth,
    TallySum,
    TokenRecord,
    Totals,
)

CAUSE = CauseId("debian")
KEY_A = PublicKeyText("ed25519:" + "A" * 43 + "=")
KEY_B = PublicKeyText("ed25519:" + "B" * 43 + "=")
NOW_S = 1_800_000_000


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def record(
    content: str = "content",
    *,
    name: str = "a.iso",
    version: int = 1,
    key: PublicKeyText = KEY_A,
    cause: CauseId = CAUSE,
) -> ManifestRecord:
    return ManifestRecord(
        payload_sha256=digest(f"{content} {name} {version} {key} {cause}"),
        file_id=FileId(digest(content)),
        cause=cause,
        name=name,
        version=version,
        size_bytes=3_000_000,
        segment_size_bytes=262_144,
        segments_sha256=digest(f"list of {content}"),
        media_type="application/octet-stream",
        published_at="2026-11-22T18:30:00Z",
        signed_by=(key,),
        envelope=b"{}",
    )


def mirror(manifest: ManifestRecord, url: str = "https://m.example/a.iso", priority: int = 100) -> MirrorRecord:
    return MirrorRecord(file_id=manifest.file_id, url=url, priority=priority)


Use = Callable[[Catalogue], Awaitable[None]]


class CatalogueSuite(ABC):
    @abstractmethod
    def open(self, folder: Path) -> Catalogue:
        """Open the catalogue of `folder`, or open it again."""

    def run(self, folder: Path, use: Use) -> None:
        async def scene() -> None:
            catalogue = self.open(folder)
            try:
                await catalogue.put_cause(CauseRecord(cause=CAUSE, title="Debian"), actor="cli", at_s=NOW_S)
                await use(catalogue)
            finally:
                await catalogue.close()

        asyncio.run(scene())

    def reopen(self, folder: Path, use: Use) -> None:
        async def scene() -> None:
            catalogue = self.open(folder)
            try:
                await use(catalogue)
            finally:
                await catalogue.close()

        asyncio.run(scene())

    def test_a_manifest_is_found_again_after_reopening(self, tmp_path: Path) -> None:
        manifest = record()

        async def write(catalogue: Catalogue) -> None:
            assert await put(catalogue, manifest)

        async def read(catalogue: Catalogue) -> None:
            assert await catalogue.manifests(manifest.file_id) == (manifest,)
            assert await catalogue.manifest(manifest.payload_sha256) == manifest
            assert await catalogue.segment_list(manifest.segments_sha256) == b"list"
            assert await catalogue.newest_version(CAUSE, "a.iso") == 1

        self.run(tmp_path, write)
        self.reopen(tmp_path, read)

    def test_the_same_manifest_twice_is_no_news(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            assert await put(catalogue, record())
            assert not await put(catalogue, record())
            assert len(await catalogue.files(limit=10)) == 1

        self.run(tmp_path, use)

    def test_what_is_unknown_is_empty(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            nothing = FileId(digest("nothing"))
            assert await catalogue.manifests(nothing) == ()
            assert await catalogue.manifest(digest("nothing")) is None
            assert await catalogue.segment_list(digest("nothing")) is None
            assert await catalogue.mirrors(nothing) == ()
            assert await catalogue.file_of_link("https://nowhere.example/") is None
            assert await catalogue.token_by_hash(digest("nothing")) is None
            assert await catalogue.newest_version(CAUSE, "nothing") == 0
            assert not await catalogue.drop_manifest(digest("nothing"), actor="cli", at_s=NOW_S)
            assert not await catalogue.remove_mirror(nothing, "https://nowhere.example/", actor="cli", at_s=NOW_S)
            assert not await catalogue.revoke_token("nothing", actor="cli", at_s=NOW_S)

        self.run(tmp_path, use)

    def test_a_name_belongs_to_its_first_key(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            await put(catalogue, record())
            await refused("name_taken", put(catalogue, record("other", version=2, key=KEY_B)))
            await catalogue.put_cause(CauseRecord(cause=CauseId("other"), title="Other"), actor="cli", at_s=NOW_S)
            assert await put(catalogue, record("other", key=KEY_B, cause=CauseId("other")))

        self.run(tmp_path, use)

    def test_a_name_stays_with_its_key_when_the_file_is_gone(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            first = record()
            await put(catalogue, first)
            assert await catalogue.drop_manifest(first.payload_sha256, actor="library", at_s=NOW_S)
            await refused("name_taken", put(catalogue, record("other", version=2, key=KEY_B)))
            await refused("version_not_newer", put(catalogue, record("other", version=1)))
            assert await catalogue.newest_version(CAUSE, "a.iso") == 1

        self.run(tmp_path, use)

    def test_a_newer_version_replaces_the_older(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            old, new = record(), record("changed", version=2)
            await put(catalogue, old)
            await catalogue.put_mirrors([mirror(old)], replace=False, actor="cli", at_s=NOW_S)
            await refused("version_not_newer", put(catalogue, record("changed", version=1)))
            assert await put(catalogue, new)
            assert await catalogue.manifests(old.file_id) == ()
            assert await catalogue.segment_list(old.segments_sha256) is None
            assert await catalogue.mirrors(old.file_id) == ()
            assert await catalogue.manifests(new.file_id) == (new,)

        self.run(tmp_path, use)

    def test_a_newer_version_of_the_same_content_keeps_its_links(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            old, new = record(), record(version=2)
            await put(catalogue, old)
            await catalogue.put_mirrors([mirror(old)], replace=False, actor="cli", at_s=NOW_S)
            await put(catalogue, new)
            assert await catalogue.manifests(old.file_id) == (new,)
            assert await catalogue.segment_list(new.segments_sha256) == b"list"
            assert await catalogue.mirrors(new.file_id) == (mirror(new),)

        self.run(tmp_path, use)

    def test_several_signers_may_have_manifests_of_one_file(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            first, second = record(), record(name="b.iso", key=KEY_B)
            await put(catalogue, first)
            await put(catalogue, second)
            assert await catalogue.manifests(first.file_id) == (first, second)
            await catalogue.drop_manifest(first.payload_sha256, actor="cli", at_s=NOW_S)
            assert await catalogue.segment_list(second.segments_sha256) == b"list"

        self.run(tmp_path, use)

    def test_an_unknown_cause_is_refused(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            await refused("unknown_cause", put(catalogue, record(cause=CauseId("nobody"))))

        self.run(tmp_path, use)

    def test_pages_have_every_file_once(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            await catalogue.put_cause(CauseRecord(cause=CauseId("other"), title="Other"), actor="cli", at_s=NOW_S)
            for number in range(7):
                cause = CAUSE if number % 2 else CauseId("other")
                await put(catalogue, record(f"content {number}", name=f"{number}.iso", cause=cause))
            seen: list[str] = []
            after = ""
            while page := await catalogue.files(after=after, limit=3):
                seen += [manifest.name for manifest in page]
                after = page[-1].payload_sha256
            assert sorted(seen) == [f"{number}.iso" for number in range(7)]
            assert {m.name for m in await catalogue.files(cause=CAUSE, limit=10)} == {"1.iso", "3.iso", "5.iso"}
            assert await catalogue.sizes() == {CAUSE: CauseSize(3, 9_000_000), "other": CauseSize(4, 12_000_000)}

        self.run(tmp_path, use)

    def test_what_is_withdrawn_stays_withdrawn_until_it_is_restored(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            manifest = record()
            await put(catalogue, manifest)
            await catalogue.put_mirrors([mirror(manifest)], replace=False, actor="cli", at_s=NOW_S)
            assert await catalogue.withdraw(manifest.file_id, actor="t1", at_s=NOW_S) == (CAUSE,)
            assert await catalogue.withdraw(manifest.file_id, actor="t1", at_s=NOW_S) == ()
            assert await catalogue.manifests(manifest.file_id) == ()
            assert await catalogue.file_of_link("https://m.example/a.iso") is None
            known = [manifest.file_id, FileId(digest("else"))]
            assert await catalogue.withdrawn(known) == {manifest.file_id}
            newer = record(version=2)
            await refused("taken_down", put(catalogue, newer))
            assert await catalogue.restore(manifest.file_id, actor="cli", at_s=NOW_S)
            assert not await catalogue.restore(manifest.file_id, actor="cli", at_s=NOW_S)
            assert await catalogue.withdrawn(known) == frozenset()
            assert await put(catalogue, newer)

        self.run(tmp_path, use)

    def test_a_manifest_whose_mirror_is_refused_is_not_added_either(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            first, second = record(), record("second", name="b.iso")
            await put(catalogue, first)
            await catalogue.put_mirrors([mirror(first)], replace=False, actor="cli", at_s=NOW_S)
            taken = mirror(second, mirror(first).url)
            both = catalogue.put_manifest(second, b"list", actor="cli", at_s=NOW_S, mirrors=[taken])
            await refused("link_taken", both)
            assert await catalogue.manifests(second.file_id) == ()
            assert await catalogue.newest_version(CAUSE, "b.iso") == 0

        self.run(tmp_path, use)

    def test_what_is_known_of_a_mirror_stays_until_it_is_another_files(self, tmp_path: Path) -> None:
        health = Health("failing", "stalled", 7, 5, 9, 0, 3, 1_000)

        async def use(catalogue: Catalogue) -> None:
            first, second = record(), record("second", name="b.iso")
            await put(catalogue, first)
            await put(catalogue, second)
            await catalogue.put_mirrors([mirror(first)], replace=False, actor="cli", at_s=NOW_S)
            kept = structs.replace(mirror(first), health=health)
            assert await catalogue.put_health(kept, due_us=0)
            assert await catalogue.mirrors(first.file_id) == (kept,)
            assert await catalogue.mirrors_of([first.file_id, second.file_id]) == {first.file_id: (kept,)}
            assert not await catalogue.put_health(structs.replace(kept, file_id=second.file_id), due_us=0)
            # Said again: due at once, and nothing is forgotten.
            await catalogue.put_mirrors([mirror(first)], replace=False, actor="cli", at_s=NOW_S)
            (again,) = await catalogue.mirrors(first.file_id)
            assert again.health == structs.replace(health, next_check_us=0)
            # A check that had begun before that is kept, and the mirror is due all the same.
            found = Health("failing", "mirror_status", 10, 5, 20, 0, 4, 1_000)
            assert await catalogue.put_health(structs.replace(kept, health=found), due_us=health.next_check_us)
            (again,) = await catalogue.mirrors(first.file_id)
            assert again.health == structs.replace(found, next_check_us=0)
            await catalogue.put_mirrors([mirror(second)], replace=True, actor="cli", at_s=NOW_S)
            assert await catalogue.mirrors(second.file_id) == (mirror(second),)

        self.run(tmp_path, use)

    def test_due_mirrors_come_longest_due_first_and_hosts_are_left_in_peace(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            manifest = record()
            await put(catalogue, manifest)
            places = {"https://a.example/1": 30, "https://a.example/2": 10, "https://b.example:8443/": 20}
            for url, due_us in places.items():
                known = mirror(manifest, url)
                await catalogue.put_mirrors([known], replace=False, actor="cli", at_s=NOW_S)
                await catalogue.put_health(
                    structs.replace(known, health=Health("well", next_check_us=due_us)), due_us=0
                )

            async def due(now_us: int, *, busy: Sequence[str] = (), resting: Sequence[str] = ()) -> list[str]:
                found = await catalogue.due_mirrors(now_us, busy=busy, resting=resting, limit=10)
                return [known.url for known in found]

            assert await due(9) == []
            assert await due(30) == ["https://a.example/2", "https://b.example:8443/", "https://a.example/1"]
            assert await due(30, busy=["a.example"]) == ["https://b.example:8443/"]
            assert await due(30, resting=["b.example:8443"]) == ["https://a.example/2", "https://a.example/1"]
            assert await catalogue.hurry_check(mirror(manifest, "https://b.example:8443/"), 0)
            assert await catalogue.hurry_check(mirror(manifest, "https://a.example/2"), 11)  # no later than it was
            assert not await catalogue.hurry_check(mirror(manifest, "https://nobody.example/"), 0)
            assert await due(10, resting=["b.example:8443"]) == ["https://b.example:8443/", "https://a.example/2"]

        self.run(tmp_path, use)

    def test_a_link_belongs_to_one_file(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            first, second = record(), record("second", name="b.iso")
            await put(catalogue, first)
            await put(catalogue, second)
            await catalogue.put_mirrors([mirror(first)], replace=False, actor="cli", at_s=NOW_S)
            await catalogue.put_mirrors([mirror(first, priority=5)], replace=False, actor="cli", at_s=NOW_S)
            assert await catalogue.mirrors(first.file_id) == (mirror(first, priority=5),)
            both = [mirror(second, "https://n.example/b.iso"), mirror(second)]
            await refused("link_taken", catalogue.put_mirrors(both, replace=False, actor="t1", at_s=NOW_S))
            assert await catalogue.mirrors(second.file_id) == ()  # all or none
            await catalogue.put_mirrors(both, replace=True, actor="t1", at_s=NOW_S)
            assert await catalogue.file_of_link("https://m.example/a.iso") == second.file_id
            assert await catalogue.remove_mirror(second.file_id, "https://m.example/a.iso", actor="t1", at_s=NOW_S)
            assert [m.url for m in await catalogue.mirrors(second.file_id)] == ["https://n.example/b.iso"]

        self.run(tmp_path, use)

    def test_mirrors_come_by_priority_and_are_bounded(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            manifest = record()
            await refused(
                "unknown_file", catalogue.put_mirrors([mirror(manifest)], replace=False, actor="cli", at_s=NOW_S)
            )
            await put(catalogue, manifest)
            some = [mirror(manifest, f"https://m{n}.example/", 200 - n) for n in range(MIRRORS_PER_FILE_MAX)]
            await catalogue.put_mirrors(some, replace=False, actor="cli", at_s=NOW_S)
            assert list(await catalogue.mirrors(manifest.file_id)) == some[::-1]
            more = [mirror(manifest, "https://more.example/")]
            await refused("full", catalogue.put_mirrors(more, replace=False, actor="cli", at_s=NOW_S))

        self.run(tmp_path, use)

    def test_a_cause_can_be_edited(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            edited = CauseRecord(cause=CAUSE, title="Debian Linux", text="The universal system", icon="🌀", weight=2.5)
            await catalogue.put_cause(edited, actor="cli", at_s=NOW_S)
            assert await catalogue.causes() == (edited,)

        self.run(tmp_path, use)

    def test_a_revoked_token_says_so(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            token = TokenRecord(
                token_id="t1",
                sha256=digest("secret"),
                label="CI of Debian",
                causes=("debian",),
                origins=("https://a.example", "https://b.example:8443"),
                created_at_s=NOW_S,
            )
            await catalogue.put_token(token, actor="cli")
            assert await catalogue.token_by_hash(digest("secret")) == token
            assert await catalogue.revoke_token("t1", actor="cli", at_s=NOW_S + 1)
            assert not await catalogue.revoke_token("t1", actor="cli", at_s=NOW_S + 2)
            (kept,) = await catalogue.tokens()
            assert kept.revoked_at_s == NOW_S + 1

        self.run(tmp_path, use)

    def test_the_folder_is_remembered_byte_for_byte(self, tmp_path: Path) -> None:
        entry = LibraryRecord(
            path=b"caf\xe9/a.iso",
            size_bytes=2**40,
            mtime_ns=2**62,
            inode=2**64 - 1,
            file_id=FileId(digest("content")),
            payload_sha256=digest("payload"),
        )

        async def use(catalogue: Catalogue) -> None:
            await catalogue.put_library(LibraryRecord(entry.path, 1, 1, 1, entry.file_id, entry.payload_sha256))
            await catalogue.put_library(entry)
            assert await catalogue.library() == (entry,)
            await catalogue.remove_library(entry.path)
            assert await catalogue.library() == ()

        self.run(tmp_path, use)

    def test_tallies_add_up_by_country_and_the_day_begins_anew(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            monday, tuesday = "2026-11-23", "2026-11-24"
            await catalogue.add_tallies([TallyGrowth("a", "DE", 5, monday), TallyGrowth("a", "", 1, monday)])
            await catalogue.add_tallies([TallyGrowth("a", "DE", 2, monday), TallyGrowth("b", "DE", 9, monday)])
            await catalogue.add_tallies([TallyGrowth("a", "DE", 4, tuesday)])
            assert await catalogue.tally("a") == (TallySum("", 1, monday, 1), TallySum("DE", 11, tuesday, 4))
            assert await catalogue.tally("c") == ()

        self.run(tmp_path, use)

    def test_a_note_is_what_was_noted_last(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            assert await catalogue.note("demand") is None
            await catalogue.put_note("demand", b"\x00first")
            await catalogue.put_note("demand", bytes(range(256)))
            await catalogue.put_note("other", b"")
            assert await catalogue.note("demand") == bytes(range(256))
            assert await catalogue.note("other") == b""

        self.run(tmp_path, use)

    def test_totals_add_up_over_days(self, tmp_path: Path) -> None:
        file_id = FileId(digest("content"))

        async def use(catalogue: Catalogue) -> None:
            for day, amount in (("2026-11-21", 5), ("2026-11-22", 7), ("2026-11-22", 2**40)):
                total = DailyTotal(day, CAUSE, file_id, Totals(donors_bytes=amount, rejected_bytes=1))
                await catalogue.add_totals([total, total])
            sums = await catalogue.totals_by_file()
            assert sums == {(CAUSE, file_id): Totals(donors_bytes=2 * (12 + 2**40), rejected_bytes=6)}

        self.run(tmp_path, use)

    def test_the_audit_names_who_did_what(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            await put(catalogue, record())
            newest, before = await catalogue.audit(2)
            assert (newest.actor, newest.action, newest.subject) == ("t1", "publish", record().file_id)
            assert (before.actor, before.action, before.subject) == ("cli", "cause_put", CAUSE)
            assert await catalogue.audit_after(before.entry, 10) == (newest,)
            assert await catalogue.audit_after(newest.entry, 10) == ()

        self.run(tmp_path, use)

    def test_a_failed_change_leaves_no_trace_and_spoils_no_other(self, tmp_path: Path) -> None:
        async def use(catalogue: Catalogue) -> None:
            good = [put(catalogue, record(f"content {n}", name=f"{n}.iso")) for n in range(20)]
            bad = [put(catalogue, record(f"bad {n}", cause=CauseId("nobody"))) for n in range(20)]
            mixed = [change for pair in zip(good, bad, strict=True) for change in pair]
            outcomes = await asyncio.gather(*mixed, return_exceptions=True)
            assert [outcome for outcome in outcomes if outcome is True] == [True] * 20
            assert sum(isinstance(outcome, RefusedError) for outcome in outcomes) == 20
            assert len(await catalogue.files(limit=100)) == 20

        self.run(tmp_path, use)


async def put(catalogue: Catalogue, manifest: ManifestRecord) -> bool:
    return await catalogue.put_manifest(manifest, b"list", actor="t1", at_s=NOW_S)


async def refused(code: str, change: Awaitable[object]) -> None:
    with pytest.raises(RefusedError) as caught:
        await change
    assert caught.value.code == code
