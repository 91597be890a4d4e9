"""What is to be downloaded, and on whose word: from what a person typed to verified facts.

Order, as in spec/manifest.md section 3: find the manifest, check its signatures against the pins, then its segments.
After this only mirrors and the session address are hints of strangers; wrong ones cost time and nothing else.

| typed | the manifest comes from |
| --- | --- |
| a file name | that file |
| an address that ends in `.manifest.json` | that address |
| `COORDINATOR/files/NAME` | that coordinator |
| any other address | the coordinator of `--coordinator`, which must know the address as a mirror |
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from distribute_io.errors import IntegrityError, ManifestError, RefusedError, SourceError, UsageError
from distribute_io.ids import FileId, PublicKeyText
from distribute_io.manifest.document import Document, read_document, verify_envelope
from distribute_io.manifest.limits import DOCUMENT_WITH_SEGMENTS_BYTES_MAX, MIRRORS_MAX
from distribute_io.manifest.mirrors import check_mirror_url
from distribute_io.manifest.model import Manifest, VerifiedManifest
from distribute_io.manifest.payload import check_file_id
from distribute_io.manifest.segments import DIGEST_BYTES, SegmentList, segment_count, verify_segment_list
from distribute_io.transport.coordinator_api import CoordinatorApi
from distribute_io.transport.dial import HttpPolicy, is_private_server
from distribute_io.transport.http_request import get_bounded
from distribute_io.wire.http import FileEntry, Mirror

_MANIFEST_SUFFIX: Final = ".manifest.json"

_FILES_NAMED_MAX: Final = 4
"""Enough to show what an address looks like; the page itself has them all."""


class DownloadPlan(Struct, frozen=True, kw_only=True):
    """All that a download needs to know."""

    verified: VerifiedManifest
    segment_list: SegmentList
    mirrors: tuple[Mirror, ...]
    """Best first."""
    coordinator: str | None
    """Whose word it is when no key is pinned, and who introduces donors; None when only a manifest file is known."""
    session_url: str | None
    link: str | None = None
    """The address that was typed, if it is a mirror's: it must lead to the file still (spec/mirror-answers.md, M6)."""
    allow_private: bool
    """Whether mirrors on private addresses may be asked: the user said so, or who named them is on one."""

    @property
    def manifest(self) -> Manifest:
        """What is signed."""
        return self.verified.manifest


class PlanOptions(Struct, frozen=True, kw_only=True):
    """What the user said beside the file."""

    coordinator: str | None = None
    pins: tuple[PublicKeyText, ...] = ()


def make_plan(typed: str, options: PlanOptions, *, policy: HttpPolicy, warn: Callable[[str], None]) -> DownloadPlan:
    """Find the manifest and verify it. Blocks.

    Args:
        typed: a file name or an address; see the module's table.
        options: coordinator and pins.
        policy: how HTTP servers are talked to. What the user typed may be on a private address in any case.
        warn: told what does not stop the download, such as a coordinator that is down.

    Raises:
        UsageError: nothing can be made of what was typed.
        ManifestError, IntegrityError: the manifest or its segment list is not to be trusted.
        RefusedError: the coordinator does not know the file, or does not answer.
        SourceError: the address does not answer.
    """
    if "://" not in typed:
        return _of_document(read_document(_read_file(Path(typed))), None, options, policy, warn)
    split = urlsplit(typed)
    if split.scheme not in ("http", "https"):
        raise UsageError("bad_argument", f"{typed}: only http and https addresses can be downloaded")
    if split.path.endswith(_MANIFEST_SUFFIX):
        return _of_document(read_document(_fetch(typed, policy)), typed, options, policy, warn)
    return _of_link(typed, options, policy)


def _of_link(link: str, options: PlanOptions, policy: HttpPolicy) -> DownloadPlan:
    split = urlsplit(link)
    origin = f"{split.scheme}://{split.netloc}"
    api = CoordinatorApi(options.coordinator or origin, policy)
    try:
        entry = _resolve(api, link, options.pins)
    except RefusedError as error:
        if options.coordinator is None and error.code in ("coordinator_malformed", "unknown_route"):
            raise UsageError(
                "bad_argument", f"{origin} is no coordinator; name the one that knows {link} by --coordinator"
            ) from error
        if options.coordinator is None and error.code == "unknown_link" and not split.path.startswith("/files/"):
            with contextlib.suppress(RefusedError):  # names are a help: without them the first error is the right one
                raise UsageError("bad_argument", f"{link} is a page of the coordinator's; {_its_files(api)}") from error
        raise
    verified = _verify_any(entry, options.pins)
    named = parse_qs(split.query).get("id")
    if named and split.path.startswith("/files/"):
        check_file_id(verified.manifest, FileId(named[0]))
    size = segment_count(verified.manifest.size_bytes) * DIGEST_BYTES
    raw = api.segments(entry.segments_url, limit_bytes=size + 1)
    named_mirrors = list(entry.mirrors)
    # A coordinator's own address names the file that it has now; any other is asked whether it still leads there.
    is_mirror = options.coordinator is not None and origin != api.base_url
    if is_mirror and all(mirror.url != link for mirror in named_mirrors):
        named_mirrors.insert(0, Mirror(link))
    return DownloadPlan(
        verified=verified,
        segment_list=_checked_list(raw, verified),
        mirrors=_usable(named_mirrors),
        coordinator=api.base_url,
        link=link if is_mirror else None,
        session_url=urljoin(api.base_url + "/", entry.session_url),
        allow_private=policy.allow_private or is_private_server(api.host),
    )


def _its_files(api: CoordinatorApi) -> str:
    """What could have been typed instead of the address of a page."""
    listed = api.files()
    if not listed.files:
        return "it has no file yet"
    named = ", ".join(f"{api.base_url}/files/{quote(file.name)}" for file in listed.files[:_FILES_NAMED_MAX])
    more = " and more" if listed.next is not None or len(listed.files) > _FILES_NAMED_MAX else ""
    return f"name a file of it: {named}{more}"


def _resolve(api: CoordinatorApi, link: str, pins: tuple[PublicKeyText, ...]) -> FileEntry:
    try:
        return api.resolve(link, keys=pins)
    except RefusedError as error:
        if error.code != "unknown_link" or not pins:
            raise
    # If it is known by what other keys signed, the pin fails, not the link; the caller's check says so.
    return api.resolve(link, keys=())


def _of_document(
    document: Document, address: str | None, options: PlanOptions, policy: HttpPolicy, warn: Callable[[str], None]
) -> DownloadPlan:
    verified = verify_envelope(document.envelope, pins=options.pins, now_s=int(time.time()))
    private = policy.allow_private or (address is not None and is_private_server(urlsplit(address).hostname or ""))
    mirrors, session_url, coordinator = list(document.mirrors), None, None
    if options.coordinator is not None:
        api = CoordinatorApi(options.coordinator, policy)
        try:
            entry = api.file(verified.manifest.sha256)
        except RefusedError as error:
            warn(f"{error}; going on with the manifest's own mirrors")
        else:
            mirrors += entry.mirrors
            session_url, coordinator = urljoin(api.base_url + "/", entry.session_url), api.base_url
            private = private or is_private_server(api.host)
    if document.segments is not None:
        raw = document.segments
    else:
        # Whoever wrote the document chose this address: it is a stranger's, as a mirror's is.
        raw = _fetch_segments(document.segments_url or "", verified.manifest, replace(policy, allow_private=private))
    return DownloadPlan(
        verified=verified,
        segment_list=_checked_list(raw, verified),
        mirrors=_usable(mirrors),
        coordinator=coordinator,
        session_url=session_url,
        allow_private=private,
    )


def _verify_any(entry: FileEntry, pins: tuple[PublicKeyText, ...]) -> VerifiedManifest:
    """Of a file's manifests the newest one that holds, of the asked name where there is one; the first failure if none.

    Files of equal content under several names have one id, and each name its manifest.
    """
    good: list[VerifiedManifest] = []
    failure: IntegrityError | ManifestError | None = None
    for envelope in entry.manifests:
        try:
            verified = verify_envelope(envelope, pins=pins, now_s=int(time.time()))
            check_file_id(verified.manifest, FileId(entry.file_id))
        except (IntegrityError, ManifestError) as error:
            failure = failure or error
        else:
            good.append(verified)
    if good:
        return max(
            good, key=lambda each: (each.manifest.name == entry.name, each.manifest.version, each.payload_sha256)
        )
    raise failure or IntegrityError("untrusted_manifest", "the coordinator has no manifest that a pinned key signed")


def _checked_list(raw: bytes, verified: VerifiedManifest) -> SegmentList:
    manifest = verified.manifest
    return verify_segment_list(raw, size_bytes=manifest.size_bytes, segments_sha256=manifest.segments_sha256)


def _usable(mirrors: Iterable[Mirror]) -> tuple[Mirror, ...]:
    """Each address once, best first, no more than a manifest may have; malformed ones are left out."""
    by_url: dict[str, Mirror] = {}
    for mirror in mirrors:
        try:
            check_mirror_url(mirror.url)
        except ManifestError:
            continue
        known = by_url.get(mirror.url)
        if known is None or mirror.priority < known.priority:
            by_url[mirror.url] = mirror
    return tuple(sorted(by_url.values(), key=lambda mirror: mirror.priority)[:MIRRORS_MAX])


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(DOCUMENT_WITH_SEGMENTS_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise UsageError("file_not_found", f"{path} is not there: give a manifest file or an address") from error
    except OSError as error:
        raise UsageError("not_a_file", f"{path} cannot be read: {error.strerror}") from error


def _fetch(url: str, policy: HttpPolicy) -> bytes:
    fetched = get_bounded(url, policy.allowing_private(), limit_bytes=DOCUMENT_WITH_SEGMENTS_BYTES_MAX)
    if fetched.status != 200:
        raise SourceError("mirror_status", f"{url} answered with status {fetched.status}")
    return fetched.body


def _fetch_segments(url: str, manifest: Manifest, policy: HttpPolicy) -> bytes:
    fetched = get_bounded(url, policy, limit_bytes=segment_count(manifest.size_bytes) * DIGEST_BYTES + 1)
    if fetched.status != 200:
        raise SourceError("mirror_status", f"the segment list's address answered with status {fetched.status}")
    return fetched.body
