"""The coordinator's HTTP interface, as clients use it: small documents, fetched whole. Blocks.

Every failure is a `RefusedError` with the code that the coordinator gave in its problem document (RFC 9457), or
`coordinator_unreachable` / `coordinator_malformed`. Nothing from here is trusted: manifests carry signatures,
segment lists a digest, the rest are hints.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from distribute_io.errors import CODES, RefusedError, SourceError
from distribute_io.ids import FileId, PublicKeyText
from distribute_io.transport.dial import HttpPolicy, is_private_server
from distribute_io.transport.http_request import Fetched, get_bounded
from distribute_io.wire.http import CauseList, FileEntry, FileList, Problem

_ENTRY_BYTES_MAX: Final = 1_048_576
"""One file's manifests and mirrors: 8 signers and some hundred mirrors stay far below."""

T = TypeVar("T")


class CoordinatorApi:
    """One coordinator at `base_url`. The user named it, so it may be on a private address.

    A public one must not send us to private addresses, neither by the addresses in its answers nor by redirects.
    """

    def __init__(self, base_url: str, policy: HttpPolicy) -> None:
        self.base_url = base_url.rstrip("/")
        self._given_policy = policy

    @functools.cached_property
    def _policy(self) -> HttpPolicy:
        policy = self._given_policy
        return policy.allowing_private() if is_private_server(self.host) else policy

    @property
    def host(self) -> str:
        """Host name, for the question whether it is on a private address."""
        return urlsplit(self.base_url).hostname or ""

    def resolve(self, href: str, *, keys: Sequence[PublicKeyText] = ()) -> FileEntry:
        """What the coordinator knows of the file that `href` is a link to.

        Raises:
            RefusedError: `unknown_link`, or that the coordinator cannot be asked.
        """
        query = "".join(f"&key={quote(key, safe='')}" for key in keys)
        return self._get(f"/api/v1/resolve?url={quote(href, safe='')}{query}", FileEntry)

    def file(self, file_id: FileId, *, keys: Sequence[PublicKeyText] = ()) -> FileEntry:
        """What the coordinator knows of a file.

        Raises:
            RefusedError: `unknown_file`, or that the coordinator cannot be asked.
        """
        query = "&".join(f"key={quote(key, safe='')}" for key in keys)
        return self._get(f"/api/v1/files/{file_id}" + (f"?{query}" if query else ""), FileEntry)

    def files(self) -> FileList:
        """The first page of the catalogue.

        Raises:
            RefusedError: it cannot be asked.
        """
        return self._get("/api/v1/files", FileList)

    def causes(self) -> CauseList:
        """What the coordinator's donors can give to, and where its session is.

        Raises:
            RefusedError: it cannot be asked.
        """
        return self._get("/api/v1/causes", CauseList)

    def segments(self, url: str, *, limit_bytes: int) -> bytes:
        """The raw segment list at `url`, which may be relative to the coordinator.

        Raises:
            RefusedError: it cannot be had.
        """
        return self._fetch(urljoin(self.base_url + "/", url), limit_bytes).body

    def _get(self, path: str, kind: type[T]) -> T:
        fetched = self._fetch(self.base_url + path, _ENTRY_BYTES_MAX)
        try:
            return msgspec.json.decode(fetched.body, type=kind)
        except msgspec.DecodeError as error:
            raise RefusedError("coordinator_malformed", f"{self.base_url}: its answer cannot be understood") from error

    def _fetch(self, url: str, limit_bytes: int) -> Fetched:
        try:
            fetched = get_bounded(url, self._policy, limit_bytes=limit_bytes)
        except SourceError as error:
            raise RefusedError("coordinator_unreachable", f"the coordinator does not answer: {error}") from error
        if fetched.status != 200:
            raise self._refusal(fetched)
        return fetched

    def _refusal(self, fetched: Fetched) -> RefusedError:
        try:
            problem = msgspec.json.decode(fetched.body, type=Problem)
        except msgspec.DecodeError:
            return RefusedError("coordinator_malformed", f"{self.base_url} answered with status {fetched.status}")
        code = problem.code if problem.code in CODES["refused"] else "coordinator_malformed"
        return RefusedError(code, f"{self.base_url}: {problem.detail}")
