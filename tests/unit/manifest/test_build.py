from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distribute_io.errors import DistributeError, ManifestError, UsageError
from distribute_io.ids import FileId
from distribute_io.manifest.build import (
    encode_document,
    guess_media_type,
    is_renewal_due,
    new_manifest,
    next_version,
    renewed,
    sign_manifest,
)
from distribute_io.manifest.document import open_document, read_document, verify_envelope
from distribute_io.manifest.hashing import FileDigests
from distribute_io.manifest.keys import SigningKey
from distribute_io.manifest.limits import PINS_MAX
from distribute_io.manifest.model import Manifest
from distribute_io.manifest.payload import check_file_id, check_version, parse_payload
from distribute_io.manifest.timestamps import TIME_S_MAX
from distribute_io.wire.http import Envelope, EnvelopeSignature, Mirror
from tests.unit.manifest.verdicts import verdict

KEY, OTHER = SigningKey.generate(), SigningKey.generate()
CONTENT = b"x" * 300_000
SEGMENTS = hashlib.sha256(CONTENT[:262_144]).digest() + hashlib.sha256(CONTENT[262_144:]).digest()
DIGESTS = FileDigests(len(CONTENT), FileId(hashlib.sha256(CONTENT).hexdigest()), SEGMENTS)
NOW_S = 1_800_000_000


def manifest(
    name: str = "a.iso", *, published_at_s: int = NOW_S, expires_at_s: int | None = None, media_type: str | None = None
) -> Manifest:
    return new_manifest(
        name=name,
        digests=DIGESTS,
        cause="examples",
        published_at_s=published_at_s,
        expires_at_s=expires_at_s,
        media_type=media_type,
    )


names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=40)


@given(names, st.integers(0, TIME_S_MAX), st.none() | st.integers(0, TIME_S_MAX), st.booleans())
def test_what_is_signed_is_read_or_never_signed(
    name: str, published_at_s: int, expires_at_s: int | None, pinned: bool
) -> None:
    made = manifest(name, published_at_s=published_at_s, expires_at_s=expires_at_s)
    envelope = verdict(lambda: sign_manifest(made, [KEY, OTHER]))
    if isinstance(envelope, DistributeError):
        assert expires_at_s is not None
        assert expires_at_s <= published_at_s
        return
    document = encode_document(envelope, mirrors=[Mirror(url="https://m.example/a")], segments=SEGMENTS)
    pins = [OTHER.public_key] if pinned else []
    opened = open_document(document, pins=pins, now_s=published_at_s)
    assert opened.verified.manifest == made
    assert opened.verified.signed_by == ((OTHER.public_key,) if pinned else (KEY.public_key, OTHER.public_key))
    assert opened.verified.pinned == pinned
    assert opened.segment_list is not None
    assert opened.segment_list.data == SEGMENTS


def test_equal_manifests_give_equal_envelopes() -> None:
    assert sign_manifest(manifest(), [KEY]) == sign_manifest(manifest(), [KEY])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "../x"}, "manifest_bad_name"),
        ({"cause": "Not a cause"}, "manifest_bad_cause"),
        ({"media_type": "text"}, "manifest_malformed"),
        ({"version": 0}, "manifest_malformed"),
        ({"size_bytes": -1}, "manifest_bad_size"),
        ({"segment_size_bytes": 1}, "manifest_bad_segment_size"),
        ({"sha256": "x"}, "manifest_bad_digest"),
        ({"published_at_s": -1}, "manifest_bad_time"),
        ({"media_type": "a/" + "b" * 17_000}, "manifest_too_large"),
    ],
)
def test_what_would_be_refused_is_not_signed(change: dict[str, str | int], code: str) -> None:
    with pytest.raises(ManifestError) as caught:
        sign_manifest(msgspec.structs.replace(manifest(), **change), [KEY])
    assert caught.value.code == code


@pytest.mark.parametrize("count", [0, 9])
def test_one_to_eight_keys_sign(count: int) -> None:
    with pytest.raises(UsageError, match="1 to 8 keys"):
        sign_manifest(manifest(), [KEY] * count)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("debian.iso", "application/octet-stream"),
        ("README", "application/octet-stream"),
        ("a/b.tar.gz", "application/gzip"),
        ("b.tar.xz", "application/x-xz"),
        ("b.tar.bz2", "application/x-bzip2"),
        ("b.tar.Z", "application/octet-stream"),
        ("c.html", "text/html"),
        ("c.zip", "application/zip"),
        ("http://x.pdf", "application/pdf"),
    ],
)
def test_media_types_do_not_depend_on_the_machine(name: str, media_type: str) -> None:
    assert guess_media_type(name) == media_type


def test_a_media_type_that_was_stated_is_taken() -> None:
    assert manifest("a.html", media_type="text/plain").media_type == "text/plain"


@given(st.integers(0, TIME_S_MAX), st.none() | st.integers(1, 2**52))
def test_versions_grow(now_s: int, previous: int | None) -> None:
    version = next_version(now_s, previous)
    assert version >= max(1, now_s)
    assert version > (previous or 0)


def test_a_manifest_is_renewed_at_half_of_its_life() -> None:
    first = manifest(expires_at_s=NOW_S + 1000)
    assert not is_renewal_due(first, life_s=1000, now_s=NOW_S + 499)
    assert is_renewal_due(first, life_s=1000, now_s=NOW_S + 500)
    second = renewed(first, life_s=1000, now_s=NOW_S + 700)
    assert (second.published_at_s, second.expires_at_s) == (NOW_S + 700, NOW_S + 1700)
    assert second.version > first.version
    assert (second.sha256, second.name) == (first.sha256, first.name)


def test_when_another_life_is_wanted_a_manifest_is_renewed_at_once() -> None:
    assert not is_renewal_due(manifest(), life_s=None, now_s=NOW_S + 10**9)
    assert is_renewal_due(manifest(), life_s=1000, now_s=NOW_S)
    assert is_renewal_due(manifest(expires_at_s=NOW_S + 1000), life_s=None, now_s=NOW_S)
    assert renewed(manifest(expires_at_s=NOW_S + 9), life_s=None, now_s=NOW_S + 1).expires_at_s is None


def test_a_document_needs_segments_and_sound_addresses() -> None:
    envelope = sign_manifest(manifest(), [KEY])
    with pytest.raises(UsageError, match="needs its segments"):
        encode_document(envelope)
    for options in ({"mirrors": [Mirror(url="ftp://x")]}, {"segments_url": "x"}):
        with pytest.raises(ManifestError) as caught:
            encode_document(envelope, segments=SEGMENTS, **options)
        assert caught.value.code == "manifest_bad_mirror"


def test_a_list_elsewhere_and_a_release_time_come_back() -> None:
    envelope = sign_manifest(manifest(), [KEY])
    data = encode_document(envelope, segments_url="https://c.example/list", release_at_s=NOW_S)
    opened = open_document(data, now_s=NOW_S)
    assert opened.segment_list is None
    assert opened.segments_url == "https://c.example/list"
    assert opened.release_at_s == NOW_S
    assert read_document(data).mirrors == ()


def test_pins_are_bounded_and_must_be_keys() -> None:
    envelope = sign_manifest(manifest(), [KEY])
    for pins in ([KEY.public_key] * (PINS_MAX + 1), ["ed25519:misspelt"]):
        with pytest.raises(UsageError) as caught:
            verify_envelope(envelope, pins=pins, now_s=NOW_S)  # type: ignore[arg-type]  # no keys: the point
        assert caught.value.code == "bad_argument"


def test_an_envelope_that_did_not_come_in_a_document_is_bounded_too() -> None:
    envelope = sign_manifest(manifest(), [KEY])
    many = msgspec.structs.replace(envelope, signatures=[EnvelopeSignature(sig="")] * 9)
    for hostile in (many, msgspec.structs.replace(envelope, payload="A" * 30_000)):
        with pytest.raises(ManifestError) as caught:
            verify_envelope(hostile, now_s=NOW_S)
        assert caught.value.code == "manifest_too_large"
    with pytest.raises(ManifestError, match="not that of a manifest"):
        verify_envelope(Envelope(payload_type="x", payload="", signatures=[]), now_s=NOW_S)


def test_a_payload_is_bounded() -> None:
    with pytest.raises(ManifestError) as caught:
        parse_payload(b" " * 16_385)
    assert caught.value.code == "manifest_too_large"


def test_versions_and_files_are_compared() -> None:
    made = manifest()
    check_version(made, seen=None)
    check_version(made, seen=made.version)
    check_file_id(made, made.sha256)
    with pytest.raises(DistributeError, match="is older than version"):
        check_version(made, seen=made.version + 1)
    with pytest.raises(DistributeError, match="is for the file"):
        check_file_id(made, FileId("0" * 64))
