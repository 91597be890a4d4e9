"""What the coordinator tells about files: entries with all that a download needs, pages of the catalogue, resolution.

Rules:

1. Only what is signed comes from the manifests; mirrors and addresses are hints and may change at any time.
2. The embedded mirror is one more mirror: told first, with the content's id in its address, so that a changed file
   answers 404 there instead of other bytes.
3. A link resolves to a file when it is a known mirror address, or an address of the embedded mirror: also when the
   mirror does not do well, as the link is the publisher's and the other mirrors are there.
4. Mirrors that do not do well are left out (`core/mirror_health.py`), and their states say why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from distribute_io.coordinator import links
from distribute_io.coordinator.addresses import PublicAddress
from distribute_io.coordinator.library import Library
from distribute_io.core.mirror_health import listed, serves_pages
from distribute_io.errors import RefusedError
from distribute_io.ids import FileId
from distribute_io.manifest.names import url_path
from distribute_io.manifest.timestamps import format_timestamp
from distribute_io.stores.catalogue import Catalogue, ManifestRecord, MirrorRecord
from distribute_io.wire.http import Envelope, FileEntry, FileSummary, Mirror, MirrorStatus

_EMBEDDED_PRIORITY: Final = 50
"""Before mirrors without a priority of their own (100): it is known to be right, and it is here."""


_UNKNOWN_LINK: Final = (
    "No file is known by this link. Is it spelt as its publisher spells it? `dio mirror add FILE_ID LINK` "
    "makes it known."
)


class ToldMirrors(Struct, frozen=True):
    """A file's mirrors, as they are told."""

    mirrors: tuple[Mirror, ...]
    """The embedded mirror if it has the file, and those that the publisher named and that do well."""
    states: tuple[MirrorStatus, ...]
    """Of all that the publisher named."""


class Listing:
    """Reads the catalogue and the folder; changes nothing."""

    def __init__(self, catalogue: Catalogue, library: Library | None, public: PublicAddress, *, watched: bool) -> None:
        """Keep the parts; `watched` says whether mirrors are checked: else all are listed."""
        self._watched = watched
        self._catalogue = catalogue
        self._library = library
        self._public = public

    async def manifests(self, file_id: FileId, keys: frozenset[str] = frozenset()) -> tuple[ManifestRecord, ...]:
        """A file's manifests, only those that one of `keys` signed if there are any.

        Raises:
            RefusedError: `unknown_file`, or `taken_down`.
        """
        found = await self._catalogue.manifests(file_id)
        if keys:
            found = tuple(record for record in found if keys.intersection(record.signed_by))
        if found:
            return found
        if await self._catalogue.withdrawn([file_id]):
            raise RefusedError("taken_down", "This file was taken down.")
        raise RefusedError("unknown_file", "The coordinator knows no such file.")

    async def entry(self, file_id: FileId, *, keys: frozenset[str] = frozenset(), name: str | None = None) -> FileEntry:
        """All that a download of the file needs.

        Args:
            keys: see `manifests`.
            name: of several manifests, the one of this name comes first.

        Raises:
            RefusedError: as `manifests`.
        """
        found = await self.manifests(file_id, keys)
        found = tuple(sorted(found, key=lambda record: record.name != name))  # stable: else oldest first
        first = found[0]
        told = await self.told(file_id)
        return FileEntry(
            file_id=file_id,
            name=first.name,
            size_bytes=first.size_bytes,
            cause=first.cause,
            manifests=[msgspec.json.decode(record.envelope, type=Envelope) for record in found],
            mirrors=list(told.mirrors),
            # Another signer's list could differ, as nobody checks a manifest's digest of the whole: name the list.
            segments_url=f"{self._public.url}/api/v1/files/{file_id}.segments?sha256={first.segments_sha256}",
            session_url=self._public.session_url,
            mirror_states=list(told.states),
            stun=list(self._public.stun),
        )

    async def told(self, file_id: FileId) -> ToldMirrors:
        """What downloaders are told of a file's mirrors."""
        return self.told_of(file_id, await self._catalogue.mirrors(file_id))

    def told_of(self, file_id: FileId, known: Sequence[MirrorRecord]) -> ToldMirrors:
        """The same, of mirrors that were read already."""
        own = [
            Mirror(url=self.embedded_url(name, file_id), priority=_EMBEDDED_PRIORITY)
            for name in (self._library.names_of(file_id)[:1] if self._library is not None else ())
        ]
        states = statuses(known, has_own=bool(own), watched=self._watched)
        chosen = [
            Mirror(mirror.url, mirror.priority, mirror.location, pages=serves_pages(mirror.health))
            for mirror, state in zip(known, states, strict=True)
            if state.listed
        ]
        return ToldMirrors(tuple(own + chosen), states)

    def embedded_url(self, name: str, file_id: FileId) -> str:
        """The address of a file of the folder, for programs: with the content's id."""
        return f"{self._public.url}/files/{url_path(name)}?id={file_id}"

    def metalink_url(self, file_id: FileId) -> str:
        """The address of the file's Metalink 4 document."""
        return f"{self._public.url}/api/v1/files/{file_id}.meta4"

    async def resolve(self, href: str, *, keys: frozenset[str], asked_origin: str) -> FileEntry:
        """The entry of the file that a link points to.

        Args:
            href: the link, absolute.
            keys: see `manifests`.
            asked_origin: the origin by which the request reached us; links there are ours, whatever `public_url` says.

        Raises:
            RefusedError: `unknown_link`; `bad_request` when it is no link; `taken_down`.
        """
        link = links.normalised(href)
        file_id, name = await self._catalogue.file_of_link(link), None
        if file_id is None and links.origin(link) in (self._public.origin, asked_origin):
            file_id, name = self._embedded(link)
        if file_id is None:
            raise RefusedError("unknown_link", _UNKNOWN_LINK)
        try:
            return await self.entry(file_id, keys=keys, name=name)
        except RefusedError as error:
            if error.code != "unknown_file":
                raise
            raise RefusedError("unknown_link", _UNKNOWN_LINK) from error

    def _embedded(self, link: str) -> tuple[FileId | None, str | None]:
        """The file and name behind an address of the embedded mirror."""
        place = links.path_of(link)
        if self._library is None or not place.startswith("files/"):
            return None, None
        name = place.removeprefix("files/")
        shelved = self._library.get(name)
        if shelved is None:
            return None, None
        asked = parse_qs(urlsplit(link).query).get("id")
        if asked and asked[0] != shelved.file_id:
            return None, None
        return shelved.file_id, name


def statuses(known: Sequence[MirrorRecord], *, has_own: bool, watched: bool) -> tuple[MirrorStatus, ...]:
    """How each mirror of one file does (`core.mirror_health.listed`); without `watched` all are listed."""
    healths = [mirror.health for mirror in known]
    are_listed = listed(healths, has_own=has_own) if watched else (True,) * len(known)
    return tuple(_status(mirror, is_listed) for mirror, is_listed in zip(known, are_listed, strict=True))


def _status(mirror: MirrorRecord, is_listed: bool) -> MirrorStatus:
    health = mirror.health
    return MirrorStatus(
        url=mirror.url,
        state=health.state,
        listed=is_listed,
        reason=health.reason or None,
        since=_time(health.since_us),
        checked_at=_time(health.checked_at_us),
        rate_bytes_per_s=health.rate_bytes_per_s or None,
    )


def _time(at_us: int) -> str | None:
    return format_timestamp(at_us // 1_000_000) if at_us else None


def summary(record: ManifestRecord) -> FileSummary:
    """One row of the catalogue."""
    return FileSummary(
        file_id=record.file_id,
        name=record.name,
        size_bytes=record.size_bytes,
        media_type=record.media_type,
        cause=record.cause,
        published_at=record.published_at,
        signed_by=list(record.signed_by),
    )
