"""What anybody may ask of the catalogue: files, manifests, segment lists, Metalink, links, causes, numbers, health."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web

from distribute_io.coordinator.addresses import asked_origin
from distribute_io.coordinator.library import Library
from distribute_io.coordinator.listing import Listing, summary
from distribute_io.coordinator.plan_office import Health
from distribute_io.coordinator.routes_files import attachment
from distribute_io.coordinator.stats import Statistics
from distribute_io.errors import RefusedError
from distribute_io.ids import CauseId, FileId
from distribute_io.manifest.keys import public_key_bytes
from distribute_io.manifest.metalink import encode_metalink
from distribute_io.manifest.timestamps import parse_timestamp
from distribute_io.stores.catalogue import PAGE_FILES_MAX, Catalogue
from distribute_io.wire.http import FileEntry, FileList

_PAGE_FILES: Final = 100
_KEYS_MAX: Final = 16
_HEX_256: Final = re.compile("[0-9a-f]{64}")
_FILE_ID: Final = "{file_id:[0-9a-f]{64}}"


class CatalogueApi:
    """Reads only; `routes_publish.py` has what changes."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        listing: Listing,
        library: Library | None,
        statistics: Statistics,
        planner: Callable[[], Health],
    ) -> None:
        self._catalogue = catalogue
        self._planner = planner
        self._listing = listing
        self._library = library
        self._statistics = statistics

    def routes(self) -> list[web.RouteDef]:
        """All routes of the reading interface."""
        return [
            web.get("/api/v1/files", self._files),
            web.get(f"/api/v1/files/{_FILE_ID}", self._file),
            web.get(f"/api/v1/files/{_FILE_ID}.segments", self._segments),
            web.get(f"/api/v1/files/{_FILE_ID}.meta4", self._metalink),
            web.get("/api/v1/resolve", self._resolve),
            web.get("/api/v1/causes", self._causes),
            web.get("/api/v1/stats", self._stats),
            web.get("/healthz", self._healthy),
            web.get("/readyz", self._ready),
        ]

    async def _files(self, request: web.Request) -> web.Response:
        limit = _number(request, "limit", default=_PAGE_FILES, most=PAGE_FILES_MAX)
        after, cause = request.query.get("after", ""), request.query.get("cause")
        if after and not _HEX_256.fullmatch(after):
            raise RefusedError("bad_request", "`after` must be what `next` of the page before says.")
        records = await self._catalogue.files(
            cause=CauseId(cause) if cause is not None else None, after=after, limit=limit
        )
        more = records[-1].payload_sha256 if len(records) == limit else None
        scope = f"&cause={cause}" if cause is not None else ""
        following = f"?after={more}&limit={limit}{scope}" if more is not None else None
        return json_response(FileList(files=[summary(record) for record in records], next=following))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        entry = await self._listing.entry(_file_id(request), keys=_keys(request))
        return _entry_response(request, entry)

    async def _segments(self, request: web.Request) -> web.StreamResponse:
        asked = request.query.get("sha256")
        records = await self._listing.manifests(_file_id(request), _keys(request))
        digest = asked if asked is not None else records[0].segments_sha256
        if digest not in {record.segments_sha256 for record in records}:
            raise RefusedError("unknown_file", "There is no such segment list of this file.")
        segments = await self._catalogue.segment_list(digest)
        if segments is None:
            raise RefusedError("unknown_file", "The file was replaced a moment ago.")
        response = web.Response(
            body=segments,
            content_type="application/octet-stream",
            headers={"Cross-Origin-Resource-Policy": "cross-origin", "X-Content-Type-Options": "nosniff"},
        )
        # Without the digest the same address may have another signer's list tomorrow.
        immutable = asked is not None
        response.headers["Cache-Control"] = f"public, max-age={31536000 if immutable else 300}" + (
            ", immutable" if immutable else ""
        )
        response.headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:"
        return response

    async def _metalink(self, request: web.Request) -> web.StreamResponse:
        file_id = _file_id(request)
        record = (await self._listing.manifests(file_id, _keys(request)))[0]
        segments = await self._catalogue.segment_list(record.segments_sha256)
        if segments is None:
            raise RefusedError("unknown_file", "The file was replaced a moment ago.")
        body = encode_metalink(
            name=record.name,
            size_bytes=record.size_bytes,
            sha256=file_id,
            segment_size_bytes=record.segment_size_bytes,
            segments=segments,
            published_at_s=parse_timestamp(record.published_at),
            mirrors=(await self._listing.told(file_id)).mirrors,
        )
        return web.Response(
            body=body,
            content_type="application/metalink4+xml",
            headers={"Content-Disposition": attachment(f"{record.name.rsplit('/', 1)[-1]}.meta4")},
        )

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        href = request.query.get("url")
        if href is None:
            raise RefusedError("bad_request", "Say which link: /api/v1/resolve?url=HREF")
        entry = await self._listing.resolve(href, keys=_keys(request), asked_origin=asked_origin(request))
        return _entry_response(request, entry)

    async def _causes(self, _request: web.Request) -> web.Response:
        return json_response(await self._statistics.causes())

    async def _stats(self, _request: web.Request) -> web.Response:
        return json_response(await self._statistics.report())

    async def _healthy(self, _request: web.Request) -> web.Response:
        """Also without a planning process all is well: what donors hold stands, and is served."""
        return json_response({"status": "ok", "planner": self._planner()})

    async def _ready(self, _request: web.Request) -> web.Response:
        """Ready when the catalogue answers and the folder was walked once: hashing goes on beside the serving."""
        await self._catalogue.causes()
        if self._library is None:
            return json_response({"ready": True})
        progress = self._library.progress()
        body = {"ready": progress.walked, "library": msgspec.to_builtins(progress)}
        body["library"]["skipped"] = len(progress.skipped)  # names of files do not belong into health checks
        response = json_response(body)
        response.set_status(200 if progress.walked else 503)
        return response


def json_response(value: object, *, status: int = 200) -> web.Response:
    """A JSON answer that is not to be kept."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-cache", "Cross-Origin-Resource-Policy": "cross-origin"},
    )


def _entry_response(request: web.Request, entry: FileEntry) -> web.Response:
    """An entry with its validator: a client that asks again pays one round trip and no body."""
    response = json_response(entry)
    response.etag = hashlib.sha256(response.body).hexdigest()[:32] if isinstance(response.body, bytes) else None
    known = {tag.value for tag in request.if_none_match or ()}
    if response.etag is not None and known & {response.etag.value, "*"}:
        return web.Response(status=304, headers={"ETag": response.headers["ETag"], "Cache-Control": "no-cache"})
    return response


def _file_id(request: web.Request) -> FileId:
    return FileId(request.match_info["file_id"])


def _keys(request: web.Request) -> frozenset[str]:
    """The keys of `?key=`, which may be repeated or hold several, separated by spaces."""
    # A plus sign in a query means a space, and base64 has plus signs: take both spellings of what was meant.
    keys = [key for text in request.query.getall("key", []) for key in re.split(r" (?=ed25519:)", text)]
    repaired = frozenset(key.strip().replace(" ", "+") for key in keys if key.strip())
    if len(repaired) > _KEYS_MAX or any(public_key_bytes(key) is None for key in repaired):
        raise RefusedError("bad_request", f"`key` must be up to {_KEYS_MAX} public keys: ed25519:BASE64")
    return repaired


def _number(request: web.Request, name: str, *, default: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise RefusedError("bad_request", f"`{name}` must be a number from 1 to {most}.")
    return int(text)
