"""From a verified manifest to what the catalogue keeps of it."""

from __future__ import annotations

import msgspec

from distribute_io.manifest.model import VerifiedManifest
from distribute_io.manifest.timestamps import format_timestamp
from distribute_io.stores.catalogue import ManifestRecord
from distribute_io.wire.http import Envelope


def manifest_record(verified: VerifiedManifest, envelope: Envelope) -> ManifestRecord:
    """The catalogue's record of a manifest whose signatures were verified."""
    manifest = verified.manifest
    return ManifestRecord(
        payload_sha256=verified.payload_sha256,
        file_id=manifest.sha256,
        cause=manifest.cause,
        name=manifest.name,
        version=manifest.version,
        size_bytes=manifest.size_bytes,
        segment_size_bytes=manifest.segment_size_bytes,
        segments_sha256=manifest.segments_sha256,
        media_type=manifest.media_type,
        published_at=format_timestamp(manifest.published_at_s),
        signed_by=verified.signed_by,
        envelope=msgspec.json.encode(envelope),
    )
