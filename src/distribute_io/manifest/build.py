"""Making manifests: from a file's digests to a signed document, and signing it again before it expires.

Rules (spec/manifest.md sections 4 and 7):

- What we would refuse to read is never signed.
- `version` is the time of publication in seconds, or one more than the previous version where that is higher: it grows
  without anybody keeping a counter, also when a file is published twice in one second or by a clock that went back.
- A manifest that expires is signed again at half of its life; one whose expiry is not wanted any more, or not yet
  there, at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from mimetypes import MimeTypes

import msgspec

from distribute_io.errors import UsageError
from distribute_io.manifest.base64_text import encode_base64
from distribute_io.manifest.dsse import sign_payload
from distribute_io.manifest.hashing import FileDigests
from distribute_io.manifest.keys import SigningKey
from distribute_io.manifest.mirrors import check_mirror_url
from distribute_io.manifest.model import DEFAULT_MEDIA_TYPE, Manifest
from distribute_io.manifest.names import check_cause, check_name
from distribute_io.manifest.payload import encode_payload
from distribute_io.manifest.segments import segment_size_bytes
from distribute_io.manifest.timestamps import format_timestamp
from distribute_io.wire.http import Envelope, ManifestDocument, Mirror

_COMPRESSIONS = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def guess_media_type(name: str) -> str:
    """The media type that a file's name suggests, the same on every machine.

    Example:
        >>> guess_media_type("linux-6.9.tar.gz"), guess_media_type("README")
        ('application/gzip', 'application/octet-stream')
    """
    # Not mimetypes.guess_type(): that reads tables of the machine, so two machines would sign different manifests.
    media_type, compression = MimeTypes().guess_type(f"/{name}")
    if compression is not None:
        return _COMPRESSIONS.get(compression, DEFAULT_MEDIA_TYPE)
    return media_type or DEFAULT_MEDIA_TYPE


def next_version(published_at_s: int, previous: int | None) -> int:
    """The version of a manifest that is published now, after `previous` (None: the first known)."""
    return max(published_at_s, 1, 0 if previous is None else previous + 1)


def new_manifest(
    *,
    name: str,
    digests: FileDigests,
    cause: str,
    published_at_s: int,
    expires_at_s: int | None = None,
    previous_version: int | None = None,
    media_type: str | None = None,
) -> Manifest:
    """The manifest of a file that was read.

    Args:
        name: as it is to be published, folders separated by `/`.
        digests: what `hashing.hash_file` returned.
        published_at_s: now, in seconds since 1970 (UTC).
        expires_at_s: the same, or None for never.
        previous_version: of the same key, cause and name, where one is known.
        media_type: None to guess it from the name.

    Raises:
        ManifestError: `manifest_bad_name`, `manifest_bad_cause`.
    """
    return Manifest(
        name=check_name(name),
        size_bytes=digests.size_bytes,
        media_type=media_type or guess_media_type(name),
        sha256=digests.sha256,
        segment_size_bytes=segment_size_bytes(digests.size_bytes),
        segments_sha256=hashlib.sha256(digests.segments).hexdigest(),
        cause=check_cause(cause),
        version=next_version(published_at_s, previous_version),
        published_at_s=published_at_s,
        expires_at_s=expires_at_s,
    )


def sign_manifest(manifest: Manifest, keys: Sequence[SigningKey]) -> Envelope:
    """The envelope of a manifest, signed by each key.

    Raises:
        ManifestError: if the manifest breaks a rule that its readers check.
        UsageError: `bad_argument` for no key or more than eight.
    """
    return sign_payload(encode_payload(manifest), keys)


def encode_document(
    envelope: Envelope,
    *,
    mirrors: Sequence[Mirror] = (),
    segments: bytes | None = None,
    segments_url: str | None = None,
    release_at_s: int | None = None,
    release_downloads: int | None = None,
    release_regions: Sequence[str] = (),
) -> bytes:
    """A manifest document as JSON on one line; at least one of `segments` and `segments_url` is needed.

    Raises:
        ManifestError: `manifest_bad_mirror`.
        UsageError: `bad_argument` if the segments are missing.
    """
    if segments is None and segments_url is None:
        raise UsageError("bad_argument", "A manifest document needs its segments, inline or by their address.")
    for url in (*(mirror.url for mirror in mirrors), *([] if segments_url is None else [segments_url])):
        check_mirror_url(url)
    document = ManifestDocument(
        envelope=envelope,
        mirrors=list(mirrors),
        segments=None if segments is None else encode_base64(segments),
        segments_url=segments_url,
        release_at=None if release_at_s is None else format_timestamp(release_at_s),
        release_downloads=release_downloads,
        release_regions=list(release_regions),
    )
    return msgspec.json.encode(document) + b"\n"


def is_renewal_due(manifest: Manifest, *, life_s: int | None, now_s: int) -> bool:
    """Whether a manifest is to be signed again; `life_s` is how long one shall be good for, None for ever."""
    if manifest.expires_at_s is None or life_s is None:
        return (manifest.expires_at_s is None) != (life_s is None)
    return now_s >= (manifest.published_at_s + manifest.expires_at_s) // 2


def renewed(manifest: Manifest, *, life_s: int | None, now_s: int) -> Manifest:
    """The same manifest, published now: a higher version, and a life that begins now. To be signed again."""
    return msgspec.structs.replace(
        manifest,
        version=next_version(now_s, manifest.version),
        published_at_s=now_s,
        expires_at_s=None if life_s is None else now_s + life_s,
    )
