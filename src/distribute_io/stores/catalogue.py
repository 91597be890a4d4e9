"""The contract of the durable catalogue: manifests, mirrors, causes, tokens, audit and daily totals.

Rules that every back end keeps (`tests/stores/catalogue_suite.py` checks them):

1. Every method is one transaction: it happens whole or not at all, and has happened durably when it returns.
2. Manifests are keyed by the digest of their payload; a `file_id` names content and may have several of them.
3. A name belongs to the first key in its cause. A newer version by that key replaces the older manifest of the name;
   the same or a lower version with another payload is refused.
4. A URL belongs to one file. Claiming it for another is refused unless `replace` says that the claimant may. What is
   known of its health is void then, as other bytes are expected there.
5. What was withdrawn stays withdrawn: no manifest of it is accepted until `restore` is asked for.
6. Tokens are kept as SHA-256 of their text, never the text.
7. No row holds the address of a visitor.

Errors: `RefusedError` where the caller's wish breaks a rule; `StoreError("catalogue_failed")` where the back end
failed. No exception of a database library leaves an implementation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

from distribute_io.core.mirror_health import UNCHECKED, Health
from distribute_io.ids import CauseId, FileId, PublicKeyText

PAGE_FILES_MAX: Final = 1_000
"""Rows of one page of the catalogue: about 300 KB of JSON."""

TALLIES_MAX: Final = 1_000_000
"""Rows of credit under codes: about 150 MB. Anybody may make up a code, but a row takes credit."""

MIRRORS_PER_FILE_MAX: Final = 64
"""Mirrors of one file; a client uses a handful, and every one is told to every downloader."""


class ManifestRecord(Struct, frozen=True):
    """One signed manifest as the catalogue keeps it. All fields but `envelope` are read from the verified payload."""

    payload_sha256: str
    """Hexadecimal; the key."""
    file_id: FileId
    cause: CauseId
    name: str
    version: int
    size_bytes: int
    segment_size_bytes: int
    segments_sha256: str
    media_type: str
    published_at: str
    """RFC 3339 in UTC, as signed."""
    signed_by: tuple[PublicKeyText, ...]
    """Keys whose signatures were verified, first signer first."""
    envelope: bytes
    """The envelope's JSON, as it will be told."""

    @property
    def segments(self) -> int:
        """How many segments the file has."""
        return -(-self.size_bytes // self.segment_size_bytes) if self.size_bytes else 0


class MirrorRecord(Struct, frozen=True):
    """One HTTP address of a file's content."""

    file_id: FileId
    url: str
    """In the form of `coordinator.links.normalised`."""
    priority: int = 100
    location: str | None = None
    """ISO 3166-1 alpha-2 country code in lower case."""
    health: Health = UNCHECKED
    """What the coordinator's own looks at it found."""


class CauseRecord(Struct, frozen=True):
    """One cause."""

    cause: CauseId
    title: str
    text: str = ""
    icon: str = ""
    """At most a few characters, an emoji as a rule: nothing is fetched to show it."""
    weight: float = 1.0
    """What a download of its files counts when donors are planned, the others' being 1."""


class TokenRecord(Struct, frozen=True):
    """One bearer token. Its text is shown once, at creation, and never kept."""

    token_id: str
    sha256: str
    """Of the token's text, hexadecimal."""
    label: str
    causes: tuple[str, ...]
    """Causes that it may publish in; `*` means all."""
    origins: tuple[str, ...]
    """Origins (`https://host[:port]`) whose links it may claim; `*` means all."""
    created_at_s: int
    revoked_at_s: int | None = None


class LibraryRecord(Struct, frozen=True):
    """What is known of one file under the published folder, so that a restart need not hash it again."""

    path: bytes
    """Relative to the folder, as the file system spells it."""
    size_bytes: int
    mtime_ns: int
    inode: int
    file_id: FileId
    payload_sha256: str


class AuditRecord(Struct, frozen=True):
    """Who changed what. `actor` is a token's id, `library` or `cli`; never an address."""

    entry: int
    """Grows with every entry."""
    at_s: int
    actor: str
    action: Literal[
        "publish", "unpublish", "mirror_add", "mirror_remove", "cause_put", "token_create", "token_revoke", "restore"
    ]
    subject: str


class Totals(Struct, frozen=True):
    """Bytes of payload, summed over any time."""

    donors_bytes: int = 0
    """Served by donors and acknowledged by downloaders' receipts."""
    mirrors_bytes: int = 0
    """Delivered to downloaders by mirrors, as they report."""
    pushed_mirrors_bytes: int = 0
    """Filled into donors from mirrors."""
    pushed_donors_bytes: int = 0
    """Filled into donors from other donors."""
    rejected_bytes: int = 0
    """Received by downloaders and thrown away."""


class DailyTotal(Struct, frozen=True):
    """What to add to one file's totals of one day."""

    day: str
    """`YYYY-MM-DD` in UTC."""
    cause: CauseId
    file_id: FileId
    totals: Totals


class TallyGrowth(Struct, frozen=True):
    """What to add to the sum under one code, or what that sum is."""

    secret_sha256: str
    country: str
    """ISO 3166, two letters; empty when it is not known."""
    bytes: int
    day: str
    """`YYYY-MM-DD` in UTC."""


class TallySum(Struct, frozen=True):
    """The sum under one code for one country."""

    country: str
    bytes_total: int
    day: str
    """The newest day on which there was any credit."""
    bytes_day: int


class CauseSize(Struct, frozen=True):
    """How much there is to give for in one cause."""

    files: int
    size_bytes: int


class Catalogue(Protocol):
    """The durable catalogue. Opened once, used by one coordinator process, closed once."""

    async def close(self) -> None:
        """Finish what was begun and let go of the database. Nothing may be called afterwards."""

    # --- files ---

    async def put_manifest(
        self,
        record: ManifestRecord,
        segments: bytes,
        *,
        actor: str,
        at_s: int,
        mirrors: Sequence[MirrorRecord] = (),
        replace: bool = False,
    ) -> bool:
        """Add a manifest, its segment list and mirrors of the file (rules 2 to 5).

        Args:
            record: the manifest; the caller has verified it.
            segments: the segment list, 32 bytes a segment; the caller has checked its digest.
            actor: who did it, for the audit.
            at_s: now, seconds since 1970.
            mirrors: as for `put_mirrors`; when one is refused, the manifest is not added either.
            replace: as for `put_mirrors`.

        Returns:
            True when it is new, False when the very same manifest was there already.

        Raises:
            RefusedError: `name_taken`, `version_not_newer`, `taken_down` or `unknown_cause`; as `put_mirrors`.
        """

    async def manifests(self, file_id: FileId) -> tuple[ManifestRecord, ...]:
        """All manifests of a file, oldest first; empty when the file is unknown."""

    async def manifest(self, payload_sha256: str) -> ManifestRecord | None:
        """One manifest by its key."""

    async def newest_version(self, cause: CauseId, name: str) -> int:
        """The highest version ever published under a name, replaced and withdrawn ones too; 0 when there is none."""

    async def segment_list(self, segments_sha256: str) -> bytes | None:
        """A segment list by its digest."""

    async def files(self, *, cause: CauseId | None = None, after: str = "", limit: int) -> tuple[ManifestRecord, ...]:
        """One page of manifests, ordered by `payload_sha256`, those above `after` only; `limit` <= PAGE_FILES_MAX."""

    async def sizes(self) -> dict[CauseId, CauseSize]:
        """How many files each cause has, and their bytes; causes without files are left out."""

    async def drop_manifest(self, payload_sha256: str, *, actor: str, at_s: int) -> bool:
        """Forget one manifest (a file of the folder that was removed or changed). True when it was there."""

    async def withdraw(
        self, file_id: FileId, *, actor: str, at_s: int, causes: Collection[CauseId] | None = None
    ) -> tuple[CauseId, ...]:
        """Take a file down: drop its manifests and mirrors, and remember that holders must erase it.

        Args:
            causes: drop the manifests of these causes only; while others have the content too, it is theirs, and nobody
                must erase it. None: of all.

        Returns:
            The causes it was taken out of; empty when there were none (with all causes it is remembered all the same).
        """

    async def restore(self, file_id: FileId, *, actor: str, at_s: int) -> bool:
        """Accept a file again that was withdrawn. True when it was."""

    async def withdrawn(self, file_ids: Sequence[FileId]) -> frozenset[FileId]:
        """Those of `file_ids` that were withdrawn."""

    # --- links ---

    async def put_mirrors(self, mirrors: Sequence[MirrorRecord], *, replace: bool, actor: str, at_s: int) -> None:
        """Add or change mirrors, all or none (rule 4). Their `health` is not taken over; what does not do well, or is
        new, becomes due for a check at once.

        Raises:
            RefusedError: `link_taken`; `unknown_file`; `full` above MIRRORS_PER_FILE_MAX.
        """

    async def remove_mirror(self, file_id: FileId, url: str, *, actor: str, at_s: int) -> bool:
        """Forget a mirror. True when it was there."""

    async def mirrors(self, file_id: FileId) -> tuple[MirrorRecord, ...]:
        """A file's mirrors by priority, then URL."""

    async def mirrors_of(self, file_ids: Sequence[FileId]) -> dict[FileId, tuple[MirrorRecord, ...]]:
        """The mirrors of several files (at most PAGE_FILES_MAX), each as `mirrors`; files without any are left out."""

    async def due_mirrors(
        self, now_us: int, *, busy: Collection[str], resting: Collection[str], limit: int
    ) -> tuple[MirrorRecord, ...]:
        """Mirrors whose next check is due, longest due first.

        Args:
            busy: hosts (`host:port`) to leave out.
            resting: hosts to leave out unless the mirror is due at once (`next_check_us` 0).
        """

    async def hurry_check(self, mirror: MirrorRecord, at_us: int) -> bool:
        """Bring the mirror's next check forward to `at_us`, unless it is due before. False when it is there no more."""

    async def put_health(self, mirror: MirrorRecord, *, due_us: int) -> bool:
        """Keep `mirror.health`. False when the file has no such mirror any more.

        Args:
            due_us: `next_check_us` when the check began. If it is another by now, somebody asked for a check in between
                (`put_mirrors`), and that stays due.
        """

    async def file_of_link(self, url: str) -> FileId | None:
        """The file that a normalised link points to."""

    # --- causes ---

    async def put_cause(self, cause: CauseRecord, *, actor: str, at_s: int) -> None:
        """Add a cause, or change its title, text and icon."""

    async def causes(self) -> tuple[CauseRecord, ...]:
        """All causes, ordered by id."""

    # --- tokens ---

    async def put_token(self, token: TokenRecord, *, actor: str) -> None:
        """Keep a new token."""

    async def token_by_hash(self, sha256: str) -> TokenRecord | None:
        """The token with this hash, revoked ones too."""

    async def tokens(self) -> tuple[TokenRecord, ...]:
        """All tokens, oldest first."""

    async def revoke_token(self, token_id: str, *, actor: str, at_s: int) -> bool:
        """Revoke a token. True when it was there and valid."""

    # --- the folder ---

    async def library(self) -> tuple[LibraryRecord, ...]:
        """All that is remembered of the published folder."""

    async def put_library(self, record: LibraryRecord) -> None:
        """Remember one file of the folder; replaces what was known of its path."""

    async def remove_library(self, path: bytes) -> None:
        """Forget one file of the folder."""

    # --- the books ---

    async def add_totals(self, totals: Sequence[DailyTotal]) -> None:
        """Add to the daily totals."""

    async def totals_by_file(self) -> dict[tuple[CauseId, FileId], Totals]:
        """The sums over all days."""

    async def add_tallies(self, grown: Sequence[TallyGrowth]) -> None:
        """Add to the sums under codes. Codes that are new are passed over when there are `TALLIES_MAX` rows."""

    async def tally(self, secret_sha256: str) -> tuple[TallySum, ...]:
        """The sums under a code, by country."""

    # --- what was learned ---

    async def note(self, name: str) -> bytes | None:
        """What was noted under a name."""

    async def put_note(self, name: str, data: bytes) -> None:
        """Note something that may be lost, such as what was learned of demand; replaces what was there."""

    async def audit(self, limit: int) -> tuple[AuditRecord, ...]:
        """The newest entries of the audit, newest first."""

    async def audit_after(self, entry: int, limit: int) -> tuple[AuditRecord, ...]:
        """The entries above `entry`, oldest first: how one process learns what another changed."""
