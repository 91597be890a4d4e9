"""The built browser client: what `client/build.mjs` put into `client_dist`, kept in memory and served under `/v/HASH/`.

The address names the content, so it never changes and may be cached for ever; `/distribute.js` is the loader again by
an address that changes with each version, so it is revalidated.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Struct

from distribute_io.errors import RefusedError

DIST: Final = Path(__file__).parents[1] / "client_dist"

_TYPES: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wasm": "application/wasm",
}
_PART_BYTES_MAX: Final = 4 * 2**20
"""One part; the whole client is far smaller, so more is not ours."""

_PLACEHOLDER: Final = re.compile(r"\{\{([A-Za-z0-9.-]+)\}\}")

LOADER: Final = "distribute.js"

LATEST: Final = "latest"
"""Stands for the hash where the loader came from `/distribute.js`: it cannot know its own hash, and SRI protects what
it loads from here all the same."""


class Part(Struct, frozen=True):
    """One file of the client."""

    content_type: str
    body: bytes
    encoded: Mapping[str, bytes]
    """The body in each content coding that there is of it, the smallest first."""


class BuildInfo(Struct, frozen=True):
    """`build.json`: the client's hash, and the SRI value of every part."""

    hash: str
    integrity: dict[str, str]


class ClientParts:
    """All parts of one build of the client. Never changes; a new build needs a restart."""

    def __init__(self, build: BuildInfo, parts: Mapping[str, Part]) -> None:
        self.build = build
        self._parts = dict(parts)

    @classmethod
    def load(cls, dist: Path = DIST) -> ClientParts:
        """Read a build; an absent or unfinished one is a client without parts."""
        try:
            build = msgspec.json.decode((dist / "build.json").read_bytes(), type=BuildInfo)
        except (OSError, msgspec.DecodeError):
            return cls(BuildInfo("", {}), {})
        parts = {}
        for path in sorted(dist.iterdir()):
            content_type = _TYPES.get(path.suffix)
            if content_type is None or path.name == "build.json" or path.stat().st_size > _PART_BYTES_MAX:
                continue
            body = path.read_bytes()
            if path.suffix == ".html":
                body = _filled_in(body.decode(), build).encode()
            parts[path.name] = Part(content_type, body, _encoded(path, body))
        return cls(build, parts)

    @property
    def is_built(self) -> bool:
        """Whether there is a loader to serve."""
        return bool(self.build.hash) and LOADER in self._parts

    def get(self, name: str) -> Part | None:
        """A part by its file name."""
        return self._parts.get(name)

    def address(self, name: str) -> str:
        """Path of a part under its immutable address."""
        return f"/v/{self.build.hash}/{name}"

    def integrity(self, name: str) -> str:
        """The SRI value of a part, empty when it is not there."""
        return self.build.integrity.get(name, "")

    # --- HTTP ---

    def routes(self) -> list[web.RouteDef]:
        """`/v/HASH/NAME` and `/distribute.js`."""
        return [web.get("/v/{hash}/{name}", self._immutable), web.get("/distribute.js", self._loader)]

    async def _immutable(self, request: web.Request) -> web.StreamResponse:
        part, version = self.get(request.match_info["name"]), request.match_info["hash"]
        if part is None or not self.build.hash or version not in (self.build.hash, LATEST):
            raise RefusedError("unknown_route", "This version of the client is not here; reload the page.")
        cache = "public, no-cache" if version == LATEST else "public, max-age=31536000, immutable"
        return part_response(request, part, cache=cache)

    async def _loader(self, request: web.Request) -> web.StreamResponse:
        part = self.get(LOADER)
        if part is None:
            raise RefusedError("unknown_route", "The browser client is not built; `make client` builds it.")
        return part_response(request, part, cache="public, max-age=300")


def _filled_in(page: str, build: BuildInfo) -> str:
    """A page of the client with the addresses of this build: `{{HASH}}`, and `{{NAME}}` for the SRI value of a part."""

    def value(match: re.Match[str]) -> str:
        return build.hash if match[1] == "HASH" else build.integrity.get(match[1], "")

    return _PLACEHOLDER.sub(value, page)


def _encoded(path: Path, body: bytes) -> Mapping[str, bytes]:
    """Gzip is made here; Brotli, a tenth smaller, by the build, and never of what is filled in when it is read."""
    gzipped = {"gzip": gzip.compress(body, 9, mtime=0)}
    try:
        return {"br": path.with_name(f"{path.name}.br").read_bytes(), **gzipped}
    except FileNotFoundError:
        return gzipped


def part_response(request: web.Request, part: Part, *, cache: str) -> web.Response:
    """The answer with one part, as small as its reader takes it. `cache` is its Cache-Control."""
    accepted = _codings(request.headers.get("Accept-Encoding", ""))
    coding = next((coding for coding in part.encoded if coding in accepted), None)
    response = web.Response(
        body=part.body if coding is None else part.encoded[coding],
        content_type=part.content_type,
        charset="utf-8" if part.content_type.startswith(("text/", "application/")) else None,
        headers={"Cache-Control": cache, "Vary": "Accept-Encoding", "Cross-Origin-Resource-Policy": "cross-origin"},
    )
    if coding is not None:
        response.headers["Content-Encoding"] = coding
    return response


def _codings(accept_encoding: str) -> frozenset[str]:
    """The content codings that a reader names and does not refuse (RFC 9110, section 12.5.3)."""
    named = (item.replace(" ", "").lower().partition(";q=") for item in accept_encoding.split(","))
    return frozenset(coding for coding, _, weight in named if weight.rstrip(".0") or not weight)
