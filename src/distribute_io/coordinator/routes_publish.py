"""What changes the catalogue over HTTP: publish a manifest, take a file down, remove a mirror. Bearer tokens only."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from distribute_io.coordinator import links
from distribute_io.coordinator.bearer import authenticate, covers_cause, covers_origin, require_cause
from distribute_io.coordinator.claims import Claims
from distribute_io.coordinator.listing import Listing
from distribute_io.coordinator.routes_api import json_response
from distribute_io.core.demand.book import Announcement
from distribute_io.errors import ManifestError, RefusedError
from distribute_io.ids import FileId
from distribute_io.manifest.document import read_document, verify_envelope
from distribute_io.manifest.limits import DOCUMENT_WITH_SEGMENTS_BYTES_MAX
from distribute_io.manifest.segments import verify_segment_list
from distribute_io.stores.catalogue import Catalogue
from distribute_io.stores.records import manifest_record

_FILE_ID: Final = "{file_id:[0-9a-f]{64}}"

DOWNLOADS_EXPECTED: Final = 1_000
"""Downloads of an announced release whose publisher does not say how many: enough to fill the donors that are here."""


class PublishApi:
    """`POST` and `DELETE` under `/api/v1/files`."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        claims: Claims,
        listing: Listing,
        announce: Callable[[], Awaitable[None]],
        expect: Callable[[Announcement], Awaitable[None]],
        settle: Callable[[FileId], Awaitable[None]],
        region_named: Callable[[str], str | None],
    ) -> None:
        """Keep the parts.

        Args:
            announce: awaited after each change, before it is answered.
            expect: awaited with a release that its publisher expects, before that is answered.
            settle: awaited after a publication: its mirrors have been looked at, or take too long.
            region_named: the region that a name stands for.
        """
        self._announce = announce
        self._expect = expect
        self._settle = settle
        self._region_named = region_named
        self._catalogue = catalogue
        self._claims = claims
        self._listing = listing

    def routes(self) -> list[web.RouteDef]:
        """All routes of the changing interface."""
        return [
            web.post("/api/v1/files", self._publish),
            web.delete(f"/api/v1/files/{_FILE_ID}", self._unpublish),
            web.delete(f"/api/v1/files/{_FILE_ID}/mirrors", self._remove_mirror),
        ]

    async def _publish(self, request: web.Request) -> web.Response:
        token = await authenticate(request, self._catalogue)
        now_s = int(time.time())
        document = read_document(await _body(request))
        if document.segments is None:
            raise ManifestError("manifest_malformed", "The document must have its `segments` inline.")
        verified = verify_envelope(document.envelope, now_s=now_s)
        manifest = verified.manifest
        segments = verify_segment_list(
            document.segments, size_bytes=manifest.size_bytes, segments_sha256=manifest.segments_sha256
        ).data
        require_cause(token, manifest.cause)
        regions = tuple(self._region(name) for name in document.release_regions)
        record = manifest_record(verified, document.envelope)
        mirrors, may_replace = await self._claims.judge(record, segments, document.mirrors, token)
        is_new = await self._catalogue.put_manifest(
            record, segments, actor=token.token_id, at_s=now_s, mirrors=mirrors, replace=may_replace
        )
        if document.release_at_s is not None:
            await self._expect(
                Announcement(
                    file_id=record.file_id,
                    release_at_us=document.release_at_s * 1_000_000,
                    downloads=document.release_downloads or DOWNLOADS_EXPECTED,
                    regions=regions,
                )
            )
        await self._announce()
        await self._settle(record.file_id)
        entry = await self._listing.entry(record.file_id, name=record.name)
        response = json_response(entry, status=201 if is_new else 200)
        response.headers["Location"] = f"/api/v1/files/{record.file_id}"
        return response

    def _region(self, name: str) -> str:
        region = self._region_named(name)
        if region is None:
            raise RefusedError(
                "bad_request",
                f"No region {name!r} is known here: give a continent (EU), a country (DE, EU/DE), or a region of the "
                "operator's table.",
            )
        return region

    async def _unpublish(self, request: web.Request) -> web.Response:
        token = await authenticate(request, self._catalogue)
        file_id = FileId(request.match_info["file_id"])
        # A token takes down what it could publish. What others publish too stays theirs: else nobody could take down
        # what a stranger has put into a cause of his own.
        causes = {record.cause for record in await self._listing.manifests(file_id)}
        covered = {cause for cause in causes if covers_cause(token, cause)}
        if not covered:
            require_cause(token, min(causes))
        await self._catalogue.withdraw(file_id, actor=token.token_id, at_s=int(time.time()), causes=covered)
        await self._announce()
        return web.Response(status=204)

    async def _remove_mirror(self, request: web.Request) -> web.Response:
        token = await authenticate(request, self._catalogue)
        file_id = FileId(request.match_info["file_id"])
        url = links.normalised(request.query.get("url", ""))
        records = await self._listing.manifests(file_id)
        if not covers_origin(token, links.origin(url)):
            for record in records:
                require_cause(token, record.cause)
        if not await self._catalogue.remove_mirror(file_id, url, actor=token.token_id, at_s=int(time.time())):
            raise RefusedError("unknown_link", "The file has no such mirror.")
        return web.Response(status=204)


async def _body(request: web.Request) -> bytes:
    """The whole body, bounded: a document with the segment list of the largest file."""
    if (request.content_length or 0) > DOCUMENT_WITH_SEGMENTS_BYTES_MAX:
        raise RefusedError("body_too_large", f"A document has at most {DOCUMENT_WITH_SEGMENTS_BYTES_MAX} bytes.")
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > DOCUMENT_WITH_SEGMENTS_BYTES_MAX:
            raise RefusedError("body_too_large", f"A document has at most {DOCUMENT_WITH_SEGMENTS_BYTES_MAX} bytes.")
    return bytes(data)
