"""`dio doctor` for a mirror: two looks at it, and what is known of the file that should be there."""

from __future__ import annotations

import hashlib
import random
import time
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from distribute_io.cli.doctor_fixes import Fix, Server, fixes_for, server_of
from distribute_io.core.mirror_findings import Expected, Finding, Hop, judge, outcome, size_told
from distribute_io.errors import RefusedError, UsageError
from distribute_io.manifest.document import open_document, verify_envelope
from distribute_io.manifest.limits import DOCUMENT_WITH_SEGMENTS_BYTES_MAX
from distribute_io.manifest.model import Manifest
from distribute_io.manifest.segments import DIGEST_BYTES, segment_count, segment_size_bytes, verify_segment_list
from distribute_io.transport.coordinator_api import CoordinatorApi
from distribute_io.transport.dial import HttpPolicy
from distribute_io.transport.mirror_probe import MirrorLook

DEADLINE_S: Final = 30.0


class KnownFile(Struct, frozen=True):
    """What should be at a mirror."""

    size_bytes: int
    segment_size_bytes: int
    segments: bytes = b""
    """The segment list; empty when `path` is there instead."""
    path: Path | None = None

    def digest(self, start: int, end: int) -> str:
        """SHA-256 of the range, which is a segment, in hexadecimal."""
        if self.path is not None:
            with self.path.open("rb") as file:
                file.seek(start)
                return hashlib.sha256(file.read(end - start)).hexdigest()
        if start == end:
            return hashlib.sha256().hexdigest()
        index = start // self.segment_size_bytes
        return self.segments[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES].hex()


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What was found at one address."""

    url: str
    kind: str
    """`mirror` or `coordinator`."""
    findings: tuple[Finding, ...]
    fixes: tuple[Fix, ...] = ()
    code: str = ""
    """The worst finding's; empty when all is well."""
    server: str = ""
    size_bytes: int | None = None
    rate_bytes_per_s: int | None = None

    @property
    def programs_can(self) -> bool:
        """Whether `dio get` can use it."""
        return all(finding.level != "fail" for finding in self.findings)

    @property
    def pages_can(self) -> bool:
        """Whether pages can use it."""
        return self.programs_can and all(finding.level != "pages" for finding in self.findings)


def examine_mirror(
    url: str,
    known: KnownFile | None,
    policy: HttpPolicy,
    *,
    server: Server | None,
    page_scheme: Literal["http", "https"],
) -> Diagnosis:
    """Look at a mirror twice: at one byte, which tells the size, and at a segment by chance."""
    now_s = int(time.time())
    empty = known is not None and known.size_bytes == 0
    seen = MirrorLook(url, 0, 0 if empty else 1, policy=policy, deadline_s=DEADLINE_S).run()
    size = known.size_bytes if known is not None else None
    findings = judge(seen, Expected(size_bytes=size, page_scheme=page_scheme), now_s=now_s)
    if size is None and seen.hops:
        size = size_told(seen.hops[-1])
    if size and not any(finding.level == "fail" for finding in findings):
        start, end = _sample(size)
        seen = MirrorLook(url, start, end, policy=policy, deadline_s=DEADLINE_S).run()
        digest = known.digest(start, end) if known is not None else ""
        published = size if known is not None else None
        findings = judge(seen, Expected(size_bytes=published, sha256=digest, page_scheme=page_scheme), now_s=now_s)
    there = server or server_of(seen.hops)
    rate = seen.rate_bytes_per_s if seen.sha256 and seen.received_bytes > 1 else None
    return Diagnosis(
        url=url,
        kind="mirror",
        findings=findings,
        fixes=fixes_for(findings, seen.hops, there),
        code=outcome(seen, findings, now_s=now_s).code,
        server=_server_name(seen.hops),
        size_bytes=size,
        rate_bytes_per_s=rate,
    )


def _sample(size_bytes: int) -> tuple[int, int]:
    """A segment by chance: ranges of a file are asked for in the same way by all clients."""
    length = segment_size_bytes(size_bytes)
    index = random.SystemRandom().randrange(segment_count(size_bytes))
    return index * length, min((index + 1) * length, size_bytes)


def _server_name(hops: tuple[Hop, ...]) -> str:
    return hops[-1].headers.get("server", "")[:60] if hops else ""


def file_at_path(path: Path) -> KnownFile:
    """The file itself, lying here.

    Raises:
        UsageError: `file_not_found`.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UsageError("file_not_found", f"{path} cannot be read: {error.strerror}.") from error
    return KnownFile(size, segment_size_bytes(size), path=path)


def file_of_manifest(path: Path) -> KnownFile:
    """What a manifest document with its segment list inside says.

    Raises:
        UsageError: `file_not_found`, or `bad_argument` when there is no list inside.
        ManifestError, IntegrityError: what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(DOCUMENT_WITH_SEGMENTS_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError("file_not_found", f"{path} cannot be read: {error.strerror}.") from error
    opened = open_document(data, now_s=int(time.time()))
    if opened.segment_list is None:
        raise UsageError("bad_argument", f"{path} has no segment list inside; `dio publish` writes one that has.")
    return _known(opened.verified.manifest, opened.segment_list.data)


def file_of_link(url: str, api: CoordinatorApi) -> KnownFile | None:
    """What a coordinator knows of the file that the link points to; None when it knows no such link.

    Raises:
        RefusedError: it cannot be asked.
        ManifestError, IntegrityError: what is wrong with what it says.
    """
    try:
        entry = api.resolve(url)
    except RefusedError as error:
        if error.code == "unknown_link":
            return None
        raise
    manifest = verify_envelope(entry.manifests[0], now_s=int(time.time())).manifest
    limit = segment_count(manifest.size_bytes) * DIGEST_BYTES
    data = api.segments(entry.segments_url, limit_bytes=limit) if limit else b""
    listed = verify_segment_list(data, size_bytes=manifest.size_bytes, segments_sha256=manifest.segments_sha256)
    return _known(manifest, listed.data)


def _known(manifest: Manifest, segments: bytes) -> KnownFile:
    return KnownFile(manifest.size_bytes, manifest.segment_size_bytes, segments=segments)
