"""The signed bytes of a manifest: from a `Manifest` to JSON and back (spec/manifest.md section 4).

`parse_payload` is called only with bytes whose signature was verified. It checks, in this order: strict JSON, `format`
and `type`, presence and types of the fields, then name, cause, media type, version, size, segment size, digests, times.
Fields that it does not know are ignored; a format that it does not know is refused.

Does not ask the clock: whether a manifest has expired is `check_times`. `client/src/core/manifest.ts` is the same.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from distribute_io.errors import IntegrityError, ManifestError
from distribute_io.ids import FileId
from distribute_io.manifest.limits import (
    CLOCK_SKEW_S,
    FORMAT,
    INTEGER_MAX,
    MEDIA_TYPE_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
)
from distribute_io.manifest.model import Manifest
from distribute_io.manifest.names import check_cause, check_name
from distribute_io.manifest.segments import segment_size_bytes
from distribute_io.manifest.strict_json import parse_strict_json
from distribute_io.manifest.timestamps import format_timestamp, parse_timestamp

_DIGEST: Final = re.compile("[0-9a-f]{64}")
_MEDIA_TYPE_PART: Final = f"[a-z0-9][a-z0-9!#$&^_.+-]{{0,{MEDIA_TYPE_BYTES_MAX - 1}}}"
_MEDIA_TYPE: Final = re.compile(f"{_MEDIA_TYPE_PART}/{_MEDIA_TYPE_PART}")


class _Payload(Struct, frozen=True, kw_only=True):
    """The payload's fields as they are written."""

    format: int = FORMAT
    type: str = "file"
    name: str
    size_bytes: int
    media_type: str
    sha256: str
    segment_size_bytes: int
    segments_sha256: str
    cause: str
    version: int
    published_at: str
    expires_at: str | UnsetType = UNSET


def encode_payload(manifest: Manifest) -> bytes:
    """The bytes to sign. Equal manifests give equal bytes.

    Raises:
        ManifestError: if the manifest is not well-formed, as `parse_payload` of the result would say.
    """
    payload = msgspec.json.encode(
        _Payload(
            name=check_name(manifest.name),
            size_bytes=manifest.size_bytes,
            media_type=manifest.media_type,
            sha256=manifest.sha256,
            segment_size_bytes=manifest.segment_size_bytes,
            segments_sha256=manifest.segments_sha256,
            cause=manifest.cause,
            version=manifest.version,
            published_at=format_timestamp(manifest.published_at_s),
            expires_at=UNSET if manifest.expires_at_s is None else format_timestamp(manifest.expires_at_s),
        )
    )
    # What we would refuse to read we must not sign.
    parse_payload(payload)
    return payload


def parse_payload(payload: bytes) -> Manifest:
    """The manifest of a payload whose signature was verified.

    Raises:
        ManifestError: with the code of the first rule that is broken.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ManifestError("manifest_too_large", f"The payload is larger than {PAYLOAD_BYTES_MAX} bytes.")
    fields = _read_fields(payload)
    check_name(fields.name)
    cause = check_cause(fields.cause)
    if not _MEDIA_TYPE.fullmatch(fields.media_type):
        raise ManifestError("manifest_malformed", f"{fields.media_type[:80]!a} is no media type like application/zip.")
    if not 1 <= fields.version <= INTEGER_MAX:
        raise ManifestError("manifest_malformed", f"The version {fields.version} is not between 1 and 2^53 - 1.")
    if fields.segment_size_bytes != segment_size_bytes(fields.size_bytes):
        raise ManifestError(
            "manifest_bad_segment_size",
            f"A file of {fields.size_bytes} bytes has segments of {segment_size_bytes(fields.size_bytes)} bytes, "
            f"not {fields.segment_size_bytes}.",
        )
    if not (_DIGEST.fullmatch(fields.sha256) and _DIGEST.fullmatch(fields.segments_sha256)):
        raise ManifestError("manifest_bad_digest", "A digest is not 64 lower-case hexadecimal digits.")
    published_at_s = parse_timestamp(fields.published_at)
    expires_at_s = None if fields.expires_at is UNSET else parse_timestamp(fields.expires_at)
    if expires_at_s is not None and expires_at_s <= published_at_s:
        raise ManifestError("manifest_bad_time", "The manifest expires before it was published.")
    return Manifest(
        name=fields.name,
        size_bytes=fields.size_bytes,
        media_type=fields.media_type,
        sha256=FileId(fields.sha256),
        segment_size_bytes=fields.segment_size_bytes,
        segments_sha256=fields.segments_sha256,
        cause=cause,
        version=fields.version,
        published_at_s=published_at_s,
        expires_at_s=expires_at_s,
    )


def _read_fields(payload: bytes) -> _Payload:
    value = parse_strict_json(payload, what="payload")
    if not isinstance(value, dict):
        raise ManifestError("manifest_malformed", "The payload is no JSON object.")
    # Before the other fields: they may differ in a format that is yet to come.
    if type(value.get("format")) is not int:  # not isinstance: True is an int, too
        raise ManifestError("manifest_malformed", "The payload states no format.")
    if value["format"] != FORMAT or value.get("type") != "file":
        raise ManifestError(
            "manifest_unknown_format",
            "The manifest is of a format or type that this version does not know: a newer version may.",
        )
    try:
        return msgspec.convert(value, _Payload)
    except msgspec.ValidationError as error:
        raise ManifestError("manifest_malformed", f"The payload is malformed: {error}.") from error


def check_times(manifest: Manifest, now_s: int) -> None:
    """Refuse a manifest that has expired or lies in the future, with a day of clock skew either way.

    Args:
        now_s: seconds since 1970 (UTC).

    Raises:
        IntegrityError: `manifest_expired` or `manifest_not_yet_valid`.
    """
    if manifest.expires_at_s is not None and now_s > manifest.expires_at_s + CLOCK_SKEW_S:
        raise IntegrityError(
            "manifest_expired",
            f"The manifest of {manifest.name} expired at {format_timestamp(manifest.expires_at_s)}: "
            "ask its publisher for a new one.",
        )
    if manifest.published_at_s > now_s + CLOCK_SKEW_S:
        raise IntegrityError(
            "manifest_not_yet_valid",
            f"The manifest of {manifest.name} is dated {format_timestamp(manifest.published_at_s)}, in the future: "
            "check this machine's clock.",
        )


def check_version(manifest: Manifest, *, seen: int | None) -> None:
    """Refuse to go back to an older version of the same name, cause and key.

    Args:
        seen: the highest version seen so far, or None. The same version again is allowed.

    Raises:
        IntegrityError: `manifest_rollback`.
    """
    if seen is not None and manifest.version < seen:
        raise IntegrityError(
            "manifest_rollback",
            f"Version {manifest.version} of {manifest.name} is older than version {seen}, which was seen before.",
        )


def check_file_id(manifest: Manifest, file_id: FileId) -> None:
    """Refuse a manifest of another file than was asked for.

    Raises:
        IntegrityError: `file_id_mismatch`.
    """
    if manifest.sha256 != file_id:
        raise IntegrityError(
            "file_id_mismatch", f"The manifest is for the file {manifest.sha256[:16]}…, not for {file_id[:16]}…."
        )
