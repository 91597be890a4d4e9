"""The embedded mirror: `GET /files/NAME?id=FILE_ID`.

Rules:

1. A file is sent as it lies there, by `sendfile`, with ranges and validators. Nothing is ever compressed on the way or
   replaced by a neighbour: a range must be one of the very bytes that were hashed.
2. With an `id` the answer is that content or 404, so that a changed file is no liar.
3. A publisher's file is never a document of our origin: always an attachment, never sniffed, sandboxed.
4. `Digest` and `Repr-Digest` (RFC 9530) and the mirrors (RFC 6249) are told where they are known.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import quote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict

from distribute_io.coordinator.library import Library
from distribute_io.coordinator.library_scan import FileStat, stat_of
from distribute_io.coordinator.library_shelf import Shelved
from distribute_io.coordinator.listing import Listing
from distribute_io.coordinator.problems import answer
from distribute_io.errors import RefusedError
from distribute_io.ids import FileId
from distribute_io.manifest.build import guess_media_type

EXPOSED: Final = "Content-Range, Accept-Ranges, ETag, Link, Digest, Repr-Digest, Retry-After"
"""Response headers that a page of another origin may read."""

_LINKS_MAX: Final = 16
"""Mirrors told in `Link`; some proxies refuse more than 8 KiB of headers."""

_CHUNK_BYTES: Final = 262_144
"""Read at once where `sendfile` is not to be had (TLS)."""


class EmbeddedMirror:
    """Serves the folder's files."""

    def __init__(self, library: Library | None, listing: Listing) -> None:
        self._library = library
        self._listing = listing

    def routes(self) -> list[web.RouteDef]:
        """The route; aiohttp adds HEAD."""
        return [web.get("/files/{name:.+}", self._get)]

    async def _get(self, request: web.Request) -> web.StreamResponse:
        name, asked = request.match_info["name"], request.query.get("id")
        shelved = self._library.get(name) if self._library is not None else None
        if self._library is None or shelved is None or (asked is not None and asked != shelved.file_id):
            await self._refuse(asked)
        path = self._library.path(shelved)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            raise RefusedError("unknown_file", "The file is no longer there.") from None
        try:
            return await self._send(request, shelved, descriptor, self._library.checked_place(path, descriptor))
        finally:
            os.close(descriptor)

    async def _send(self, request: web.Request, shelved: Shelved, descriptor: int, place: Path) -> web.StreamResponse:
        """Answer with the very file that was opened: nobody can put another in its place between check and sending."""
        asked = request.query.get("id")
        stat = stat_of(os.fstat(descriptor))
        unchanged = stat == shelved.found.stat
        if asked is not None and not unchanged:
            raise RefusedError("unknown_file", "The file has changed: this content is no longer here.")
        if "If-Range" not in request.headers:  # else the range may not count at all, which the answer itself decides
            try:
                _check_range(request, stat.size_bytes)
            except RefusedError as error:
                refusal = answer(error)
                refusal.headers["Content-Range"] = f"bytes */{stat.size_bytes}"  # RFC 9110 section 15.5.17
                refusal.headers["Access-Control-Expose-Headers"] = EXPOSED
                return refusal
        response = _ExactFile(place, stat)
        response.headers.update(await self._headers(shelved, unchanged=unchanged, by_content=asked is not None))
        await response.prepare(request)  # sends all of it, while the descriptor is open
        return response

    async def _refuse(self, asked: str | None) -> NoReturn:
        if asked is not None and len(asked) == 64:
            await self._listing.manifests(FileId(asked))  # says whether it was taken down
        raise RefusedError("unknown_file", "There is no such file here.")

    async def _headers(self, shelved: Shelved, *, unchanged: bool, by_content: bool) -> CIMultiDict[str]:
        name = shelved.found.name.rsplit("/", 1)[-1]
        headers = CIMultiDict(
            {
                "Content-Type": guess_media_type(name),
                "Content-Disposition": attachment(name),
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "sandbox; default-src 'none'",
                "Cross-Origin-Resource-Policy": "cross-origin",
                "Access-Control-Expose-Headers": EXPOSED,
                # A content never changes; a name may at any time, and its validators say so.
                "Cache-Control": "public, max-age=86400, immutable" if by_content else "public, no-cache",
            }
        )
        if shelved.file_id is None or not unchanged:
            return headers
        digest = base64.b64encode(bytes.fromhex(shelved.file_id)).decode()
        headers["Digest"] = f"SHA-256={digest}"
        headers["Repr-Digest"] = f"sha-256=:{digest}:"
        for link in await self._links(shelved.file_id):
            headers.add("Link", link)
        return headers

    async def _links(self, file_id: FileId) -> list[str]:
        meta = self._listing.metalink_url(file_id)
        links = [f'<{meta}>; rel=describedby; type="application/metalink4+xml"']
        for mirror in (await self._listing.told(file_id)).mirrors[:_LINKS_MAX]:
            place = f"; geo={mirror.location}" if mirror.location else ""
            links.append(f"<{mirror.url}>; rel=duplicate; pri={mirror.priority}{place}")
        return links


class _ExactFile(web.FileResponse):
    """A file as it is.

    aiohttp would answer `Accept-Encoding: gzip` for `a` with a file `a.gz` that lies beside it, and takes an `If-Range`
    with an entity tag for none, so a browser that resumes would append the new file's end to the old one's beginning.
    Both are kept from it by handing it a request without those headers.
    """

    def __init__(self, path: os.PathLike[str], stat: FileStat) -> None:
        super().__init__(path, chunk_size=_CHUNK_BYTES)
        self._tag = f'"{stat.mtime_ns:x}-{stat.size_bytes:x}"'

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        if self.prepared:
            return None  # sent already; aiohttp asks once more when the handler has returned
        headers = CIMultiDict(request.headers)
        headers.popall("Accept-Encoding", None)
        condition = headers.get("If-Range", "")
        if condition.startswith(('"', "W/")):
            del headers["If-Range"]
            if condition != self._tag:  # a weak tag never matches (RFC 9110 section 13.1.5)
                headers.popall("Range", None)
        return await super().prepare(request.clone(headers=headers))


def _check_range(request: web.Request, size_bytes: int) -> None:
    """Refuse a range that lies outside of the file, or that is none."""
    problem = RefusedError("bad_range", f"The range lies outside the file of {size_bytes} bytes, or is malformed.")
    try:
        asked = request.http_range
    except ValueError:
        raise problem from None
    if asked.start is not None and asked.start >= size_bytes > 0:
        raise problem
    if asked.start is not None and size_bytes == 0:
        raise problem


def attachment(name: str) -> str:
    """Content-Disposition with the name in both forms (RFC 6266)."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
