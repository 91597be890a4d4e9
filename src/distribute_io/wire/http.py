"""The JSON bodies of the HTTP interface (docs/reference/http.md) and of manifest documents (spec/manifest.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from distribute_io.wire.limits import STUN_MAX
from distribute_io.wire.session import CauseName, Count, ErrorCode, Hex256


class EnvelopeSignature(Struct, frozen=True):
    """One DSSE signature: `sig` is standard base64 of 64 bytes, `keyid` a hint."""

    sig: str
    keyid: str = ""


class Envelope(Struct, frozen=True, rename={"payload_type": "payloadType"}):
    """A DSSE envelope. `payload` is standard base64 of the exact bytes that were signed."""

    payload_type: str
    payload: str
    signatures: Annotated[list[EnvelopeSignature], Meta(max_length=8)]


class Mirror(Struct, frozen=True, omit_defaults=True):
    """One HTTP address of the whole file. Lower `priority` is asked first (RFC 5854); `location` is a country code."""

    url: Annotated[str, Meta(max_length=2048)]
    priority: Annotated[int, Meta(ge=1, le=999_999)] = 100
    location: Annotated[str, Meta(pattern=r"^[a-z]{2}(?!\n)$")] | None = None
    pages: bool = True
    """False where the coordinator found that pages cannot read from it (no CORS). Not for manifest documents."""


class ManifestDocument(Struct, frozen=True, omit_defaults=True):
    """A `NAME.manifest.json` file, and the body of `POST /api/v1/files`: the envelope, and unsigned beside it the rest.

    `segments` is standard base64 of the segment list; one of `segments` and `segments_url` is there. `release_at` is
    when the publisher expects the rush (RFC 3339 in UTC), so that donors can be filled before; `release_downloads` and
    `release_regions` say how many downloads and where, if the publisher knows.
    """

    envelope: Envelope
    mirrors: list[Mirror] = []
    segments: str | None = None
    segments_url: str | None = None
    release_at: str | None = None
    release_downloads: Annotated[int, Meta(ge=1, le=10**10)] | None = None
    release_regions: Annotated[list[Annotated[str, Meta(max_length=128)]], Meta(max_length=64)] = []


class MirrorStatus(Struct, frozen=True, omit_defaults=True):
    """What the coordinator's own checks of a mirror found; `mirrors` of an entry has the `listed` ones.

    `state` is `well`, `limited` (programs can use it, pages cannot), `failing` (`reason` says why), `changed` (other
    bytes are there) or `unchecked`. Times are RFC 3339 in UTC; `rate_bytes_per_s` is of the newest check that passed.
    """

    url: Annotated[str, Meta(max_length=2048)]
    state: Literal["unchecked", "well", "limited", "failing", "changed"]
    listed: bool
    reason: ErrorCode | None = None
    since: str | None = None
    checked_at: str | None = None
    rate_bytes_per_s: Count | None = None


class FileEntry(Struct, frozen=True):
    """What `GET /api/v1/files/ID` and `GET /api/v1/resolve` answer: all that a download needs.

    Only the envelopes can be trusted (by their signatures); the other fields are hints of the coordinator.
    """

    file_id: Hex256
    name: str
    size_bytes: Count
    cause: CauseName
    manifests: list[Envelope]
    mirrors: list[Mirror]
    segments_url: str
    session_url: str
    mirror_states: list[MirrorStatus] = []
    """Of every mirror that the publisher named, the ones left out of `mirrors` too."""
    stun: Annotated[list[str], Meta(max_length=STUN_MAX)] = []
    """As `welcome` says them: a page's first offers are gathered by then."""


class FileSummary(Struct, frozen=True):
    """One row of the catalogue."""

    file_id: Hex256
    name: str
    size_bytes: Count
    media_type: str
    cause: CauseName
    published_at: str
    """RFC 3339 in UTC."""
    signed_by: list[str]
    """Public keys, `ed25519:...`."""


class FileList(Struct, frozen=True):
    """What `GET /api/v1/files` answers. `next` is the query of the next page, or null."""

    files: list[FileSummary]
    next: str | None = None


class Cause(Struct, frozen=True):
    """One cause that a donor can give to. `need`, of late: 0 (well served) to 1 (mirrors serve it all)."""

    cause: CauseName
    title: str
    text: str
    icon: str
    files: Count
    size_bytes: Count
    donors: Count
    need: float


class CauseList(Struct, frozen=True):
    """What `GET /api/v1/causes` answers. `session_url`: where donors open their session; `contact`: for complaints."""

    causes: list[Cause]
    session_url: str
    contact: str = ""


class Problem(Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem document; `code` is of `spec/errors.md`."""

    type: str
    title: str
    status: int
    code: str
    detail: str
