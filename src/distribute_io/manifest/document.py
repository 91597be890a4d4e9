"""From bytes of strangers to a `VerifiedManifest`: the order of verification (spec/manifest.md section 3).

1. The document's size, strict JSON, its shape, mirrors and inline segments: `read_document`.
2. Payload type, bounds, signatures over the exact payload bytes; only then
3. the payload's own rules, and
4. its times: `verify_envelope`.
5. Version and file id (`payload.check_version`, `check_file_id`), which need what the caller remembers or asked for.
6. The segment list against the digest in the payload: `verify_segment_list`.

Everything beside the envelope is unsigned: mirrors are hints, and a segment list counts only after step 6.
`client/src/core/manifest.ts` is the same in TypeScript.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from distribute_io.errors import ManifestError
from distribute_io.ids import PublicKeyText
from distribute_io.manifest.base64_text import decode_base64
from distribute_io.manifest.dsse import open_envelope
from distribute_io.manifest.limits import (
    DOCUMENT_BYTES_MAX,
    DOCUMENT_WITH_SEGMENTS_BYTES_MAX,
    MIRRORS_MAX,
    SIGNATURES_MAX,
)
from distribute_io.manifest.mirrors import check_mirror_url
from distribute_io.manifest.model import VerifiedManifest
from distribute_io.manifest.payload import check_times, parse_payload
from distribute_io.manifest.segments import SegmentList, verify_segment_list
from distribute_io.manifest.strict_json import JsonValue, parse_strict_json
from distribute_io.manifest.timestamps import parse_timestamp
from distribute_io.wire.http import Envelope, ManifestDocument, Mirror


class Document(Struct, frozen=True, kw_only=True):
    """A manifest document whose shape is right; nothing in it is verified yet.

    `segments` is the inline segment list as raw bytes; at least one of `segments` and `segments_url` is there.
    """

    envelope: Envelope
    mirrors: tuple[Mirror, ...] = ()
    segments: bytes | None = None
    segments_url: str | None = None
    release_at_s: int | None = None
    """When the publisher expects the rush, in seconds since 1970 (UTC); a hint for placement."""
    release_downloads: int | None = None
    """How many downloads the publisher expects of it."""
    release_regions: tuple[str, ...] = ()
    """Where; empty: as usual."""


class OpenedDocument(Struct, frozen=True, kw_only=True):
    """A document after the whole order of verification. `segment_list` is None if it lies at `segments_url`."""

    verified: VerifiedManifest
    mirrors: tuple[Mirror, ...]
    segment_list: SegmentList | None
    segments_url: str | None
    release_at_s: int | None


def read_document(data: bytes) -> Document:
    """Step 1: the shape of a manifest document.

    Raises:
        ManifestError: `manifest_too_large`, `manifest_malformed`, `manifest_bad_mirror` or `manifest_bad_time`.
    """
    if len(data) > DOCUMENT_WITH_SEGMENTS_BYTES_MAX:
        raise ManifestError("manifest_too_large", f"It is larger than {DOCUMENT_WITH_SEGMENTS_BYTES_MAX} bytes.")
    value = parse_strict_json(data, what="manifest document")
    _check_bounds(value, len(data))
    try:
        document = msgspec.convert(value, ManifestDocument)
    except msgspec.ValidationError as error:
        code = "manifest_bad_mirror" if "`$.mirrors[" in str(error) else "manifest_malformed"
        raise ManifestError(code, f"The manifest document is malformed: {error}.") from error
    for mirror in document.mirrors:
        check_mirror_url(mirror.url)
    if document.segments_url is not None:
        check_mirror_url(document.segments_url)
    segments = None if document.segments is None else decode_base64(document.segments)
    if segments is None and (document.segments is not None or document.segments_url is None):
        raise ManifestError("manifest_malformed", "Neither segments in canonical base64 nor segments_url are there.")
    return Document(
        envelope=document.envelope,
        mirrors=tuple(document.mirrors),
        segments=segments,
        segments_url=document.segments_url,
        release_at_s=None if document.release_at is None else parse_timestamp(document.release_at),
        release_downloads=document.release_downloads,
        release_regions=tuple(document.release_regions),
    )


def _check_bounds(value: JsonValue, document_bytes: int) -> None:
    """The bounds that have a code of their own, before the shape is looked at."""
    if not isinstance(value, dict):
        raise ManifestError("manifest_malformed", "The manifest document is no JSON object.")
    segments, mirrors, envelope = value.get("segments"), value.get("mirrors"), value.get("envelope")
    if document_bytes - (len(segments) if isinstance(segments, str) else 0) > DOCUMENT_BYTES_MAX:
        raise ManifestError(
            "manifest_too_large", f"The document without its segments is larger than {DOCUMENT_BYTES_MAX} bytes."
        )
    if isinstance(mirrors, list) and len(mirrors) > MIRRORS_MAX:
        raise ManifestError("manifest_too_large", f"The document has more than {MIRRORS_MAX} mirrors.")
    signatures = envelope.get("signatures") if isinstance(envelope, dict) else None
    if isinstance(signatures, list) and len(signatures) > SIGNATURES_MAX:
        raise ManifestError("manifest_too_large", f"The manifest has more than {SIGNATURES_MAX} signatures.")


def verify_envelope(envelope: Envelope, *, pins: Sequence[PublicKeyText] = (), now_s: int) -> VerifiedManifest:
    """Steps 2 to 4: who signed, what it says, and whether it is in force.

    Args:
        envelope: as it came from a coordinator or out of a document.
        pins: the keys of which one must have signed. If empty, a signature must fit the key that it names, and the
            result's `pinned` is False: fit for "matches the list of COORDINATOR", never for "verified".
        now_s: seconds since 1970 (UTC).

    Raises:
        IntegrityError: `untrusted_manifest`, `bad_signature`, `manifest_expired`, `manifest_not_yet_valid`.
        ManifestError: `manifest_...` codes of what the publisher did wrong.
    """
    payload, signed_by = open_envelope(envelope, pins)
    manifest = parse_payload(payload)
    check_times(manifest, now_s)
    return VerifiedManifest(
        manifest=manifest,
        signed_by=signed_by,
        pinned=bool(pins),
        payload_sha256=hashlib.sha256(payload).hexdigest(),
    )


def open_document(data: bytes, *, pins: Sequence[PublicKeyText] = (), now_s: int) -> OpenedDocument:
    """Steps 1 to 4 and 6 at once: what `POST /api/v1/files`, `dio verify` and `dio get FILE` do with a document.

    Raises:
        ManifestError, IntegrityError: as `read_document`, `verify_envelope` and `verify_segment_list`.
    """
    document = read_document(data)
    verified = verify_envelope(document.envelope, pins=pins, now_s=now_s)
    segment_list = None
    if document.segments is not None:
        segment_list = verify_segment_list(
            document.segments,
            size_bytes=verified.manifest.size_bytes,
            segments_sha256=verified.manifest.segments_sha256,
        )
    return OpenedDocument(
        verified=verified,
        mirrors=document.mirrors,
        segment_list=segment_list,
        segments_url=document.segments_url,
        release_at_s=document.release_at_s,
    )
