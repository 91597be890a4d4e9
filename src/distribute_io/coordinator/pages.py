"""The pages that people see: the front page, rendered here, and `/donate` and `/badge`, parts of the client.

Rules: no inline script or style, nothing from a third party, a strict Content-Security-Policy; every link works without
JavaScript; the front page uses the very tag that it shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from distribute_io.coordinator.addresses import PublicAddress
from distribute_io.coordinator.client_parts import LOADER, ClientParts, part_response
from distribute_io.coordinator.front_page import ICON, FrontFile, FrontPage, render
from distribute_io.coordinator.library import Library
from distribute_io.coordinator.listing import Listing
from distribute_io.errors import RefusedError
from distribute_io.ids import PublicKeyText
from distribute_io.manifest.names import url_path
from distribute_io.stores.catalogue import Catalogue

FILES_SHOWN_MAX: Final = 500
"""Files on the front page; whoever has more makes pages of their own."""

ORIGINS_SHOWN_MAX: Final = 64
"""Mirrors' origins in the policy to copy; a header has to stay short."""

FRESH_US: Final = 500_000
"""How long the same front page is told: it takes some look-ups for each file."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",  # the whole-file hasher is WebAssembly
        "style-src 'self'",
        "img-src 'self' data:",
        "worker-src 'self' blob:",  # parts come by fetch with integrity and start as workers from a blob
        "connect-src 'self' https: http: wss: ws: blob:",  # mirrors may be anywhere
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


ANYWHERE: Final = POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")
"""The badge's policy: it is made for other people's pages."""

_FILES: Final = {
    "/donate": ("donate.html", POLICY),
    "/badge": ("badge.html", ANYWHERE),
    "/badge.js": ("badge.js", ""),
    "/donate-sw.js": ("donate-sw.js", POLICY),
    "/manifest.webmanifest": ("donate.webmanifest", ""),
}
"""Pages and scripts that need an address without a hash: path, part of the client, Content-Security-Policy."""


class Pages:
    """Serves `/` and what stands in `_FILES`."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        listing: Listing,
        library: Library | None,
        parts: ClientParts,
        public: PublicAddress,
        key: PublicKeyText,
        contact: str,
        clock_us: Callable[[], int],
    ) -> None:
        """Keep the parts; `clock_us` is monotonic, in microseconds."""
        self._clock_us = clock_us
        self._rendered: tuple[int, str] | None = None
        self._catalogue = catalogue
        self._listing = listing
        self._library = library
        self._parts = parts
        self._public = public
        self._key = key
        self._contact = contact

    def routes(self) -> list[web.RouteDef]:
        """The pages' routes."""
        return [
            web.get("/", self._front),
            web.get("/favicon.ico", self._icon),
            web.get("/donate", self._part),
            web.get("/badge", self._part),
            web.get("/badge.js", self._part),
            web.get("/donate-sw.js", self._part),
            web.get("/manifest.webmanifest", self._part),
        ]

    def tag(self, key: str = "") -> str:
        """The script tag for the page of the publisher with this key, by default the folder's own.

        An empty text when the client is not built.
        """
        if not self._parts.is_built:
            return ""
        return (
            f'<script src="{self._public.url}{self._parts.address(LOADER)}"\n'
            f'        integrity="{self._parts.integrity(LOADER)}"\n'
            '        crossorigin="anonymous" data-select="a.download"\n'
            f'        data-key="{key or self._key}" async></script>'
        )

    def embedding_policy(self, mirrors: Iterable[str]) -> str:
        """What the Content-Security-Policy of a page with the tag has to allow, for files on these mirrors.

        `docs/publishing.md` explains it, and a browser test holds that it suffices.
        """
        if not self._parts.is_built:
            return ""
        ours, session = _origin(self._public.url), _origin(self._public.session_url)
        others = sorted({_origin(url) for url in mirrors} - {ours})[:ORIGINS_SHOWN_MAX]
        return (
            f"script-src {ours} 'wasm-unsafe-eval';\n"
            "worker-src blob:;\n"
            f"connect-src {' '.join((ours, session, *others))}"
        )

    async def _front(self, _request: web.Request) -> web.StreamResponse:
        now_us = self._clock_us()
        if self._rendered is None or now_us - self._rendered[0] > FRESH_US:
            self._rendered = (now_us, await self._render())
        return web.Response(
            text=self._rendered[1],
            content_type="text/html",
            headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"},
        )

    async def _render(self) -> str:
        files, mirrors = await self._files()
        keys = pinned_keys(files, own=self._key)
        page = FrontPage(
            files=files,
            causes=await self._catalogue.causes(),
            waiting=len(self._library.waiting()) if self._library is not None else 0,
            keys=keys,
            policy=self.embedding_policy(mirrors),
            tag=self.tag(keys[0]),
            public_url=self._public.url,
            contact=self._contact,
            is_secure=self._public.is_secure_context,
            loader=self._parts.address(LOADER) if self._parts.is_built else "",
            loader_integrity=self._parts.integrity(LOADER),
            script=self._asset("front.js"),
            script_integrity=self._parts.integrity("front.js"),
            style=self._asset("site.css"),
        )
        return render(page)

    async def _icon(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text=ICON, content_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})

    def _asset(self, name: str) -> str:
        return self._parts.address(name) if self._parts.get(name) is not None else ""

    async def _files(self) -> tuple[tuple[FrontFile, ...], frozenset[str]]:
        """What can be downloaded: files of the catalogue, and those of the folder that have no manifest yet.

        Beside them the addresses of their mirrors.
        """
        shown: dict[tuple[str, str], FrontFile] = {}
        addresses: set[str] = set()
        records = await self._catalogue.files(limit=FILES_SHOWN_MAX)
        known = await self._catalogue.mirrors_of([record.file_id for record in records])
        for record in records:
            told = self._listing.told_of(record.file_id, known.get(record.file_id, ()))
            shelved = self._library.get(record.name) if self._library is not None else None
            # Also of mirrors that are left out at present: they come back by themselves.
            addresses.update(mirror.url for mirror in known.get(record.file_id, ()))
            if shelved is not None and shelved.payload_sha256 == record.payload_sha256:
                href = f"/files/{url_path(record.name)}"
            else:
                href = told.mirrors[0].url if told.mirrors else ""
            shown[(record.name, record.payload_sha256)] = FrontFile(
                name=record.name,
                href=href,
                file_id=record.file_id,
                size_bytes=record.size_bytes,
                cause=record.cause,
                signed_by=record.signed_by[0],
                mirrors=told.states,
            )
        for shelved in (self._library.waiting() if self._library is not None else ())[:FILES_SHOWN_MAX]:
            name = shelved.found.name
            shown[(name, "")] = FrontFile(
                name=name,
                href=f"/files/{url_path(name)}",
                file_id="",
                size_bytes=shelved.found.stat.size_bytes,
                cause="",
            )
        return tuple(file for _key, file in sorted(shown.items()))[:FILES_SHOWN_MAX], frozenset(addresses)

    async def _part(self, request: web.Request) -> web.StreamResponse:
        name, policy = _FILES[request.path]
        part = self._parts.get(name)
        if part is None:
            raise RefusedError("unknown_route", "The donor page is not built; `make client` builds it.")
        response = part_response(request, part, cache="no-cache")
        if policy:
            response.headers["Content-Security-Policy"] = policy
        return response


def pinned_keys(files: Iterable[FrontFile], *, own: str) -> tuple[str, ...]:
    """The keys that signed these files, most files first, but the server's `own` before all others; `own` if none did.

    Without the keys of those who published by a token, every click on their files would be refused here.
    """
    counts = Counter(file.signed_by for file in files if file.signed_by)
    ranked = sorted(counts, key=lambda key: (key != own, -counts[key], key))
    return tuple(ranked) or (own,)


def _origin(url: str) -> str:
    scheme, host, *_ = urlsplit(url)
    return f"{scheme}://{host}"
