"""`dio verify`: an offline check of a file against its manifest, which names the ranges that are wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Final

import typer

from distribute_io.cli.hashing_ahead import HashingAhead
from distribute_io.errors import IntegrityError, StoreError, UsageError
from distribute_io.ids import PublicKeyText
from distribute_io.manifest.document import OpenedDocument, open_document
from distribute_io.manifest.hashing import FileDigests
from distribute_io.manifest.keys import parse_public_key
from distribute_io.manifest.limits import DOCUMENT_WITH_SEGMENTS_BYTES_MAX
from distribute_io.manifest.model import Manifest
from distribute_io.manifest.segments import DIGEST_BYTES, SegmentList

app = typer.Typer()

_RANGES_SHOWN: Final = 20
"""Wrong ranges that are listed; a file that is another one altogether has thousands."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to check.")],
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="Its NAME.manifest.json.")],
    pin: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="A key that must have signed, ed25519:BASE64. Repeatable; one suffices."),
    ] = None,
) -> None:
    """Check a file against its manifest, offline.

    Exit code 3 if the manifest cannot be trusted or the file is another one; the byte ranges that are wrong are named.
    """
    pins = [parse_public_key(key) for key in pin or []]
    document = open_document(_read(manifest), pins=pins, now_s=int(time.time()))
    stated = document.verified.manifest
    with HashingAhead([file], segment_bytes=stated.segment_size_bytes) as hashing:
        (digests,) = hashing.results()
    if digests.sha256 != stated.sha256:
        for line in _differences(digests, stated, document.segment_list):
            typer.echo(line, err=True)
        raise IntegrityError("file_mismatch", f"{file} is not the file that the manifest describes.")
    if document.segment_list is not None and digests.segments != document.segment_list.data:
        # Only a publisher who signed a list of another file gets here: downloads of it would fail.
        raise IntegrityError("segment_list_mismatch", f"{file} is right, but its manifest's segment list is not.")
    typer.echo(f"{file}: {_verdict(document, pins)}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte more than is allowed, so that open_document() sees that it is too large.
            return file.read(DOCUMENT_WITH_SEGMENTS_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise UsageError("file_not_found", f"{path} is not there.") from error
    except OSError as error:
        raise StoreError("store_unreadable", f"{path} cannot be read: {error.strerror}.") from error


def _verdict(document: OpenedDocument, pins: list[PublicKeyText]) -> str:
    """Says "verified" only where the caller pinned the key (design rule: trust is in the publisher's key)."""
    signers = ", ".join(document.verified.signed_by)
    if pins:
        return f"verified, SHA-256 {document.verified.manifest.sha256}, signed by {signers}"
    return (
        f"matches its manifest, SHA-256 {document.verified.manifest.sha256}. The manifest is signed by {signers}; "
        "to be sure whose key that is, pin it with --pin"
    )


def _differences(digests: FileDigests, stated: Manifest, segment_list: SegmentList | None) -> Iterator[str]:
    """What is wrong with a file, a line each: its size, and the ranges that differ."""
    if digests.size_bytes != stated.size_bytes:
        yield f"size: {digests.size_bytes} bytes instead of {stated.size_bytes}"
    if segment_list is None:
        return
    ranges = list(_wrong_ranges(digests, stated, segment_list))
    for start, end in ranges[:_RANGES_SHOWN]:
        yield f"wrong: bytes {start} to {end - 1}"
    if len(ranges) > _RANGES_SHOWN:
        yield f"wrong: {len(ranges) - _RANGES_SHOWN} more ranges"


def _wrong_ranges(digests: FileDigests, stated: Manifest, segment_list: SegmentList) -> Iterator[tuple[int, int]]:
    """Half-open byte ranges that differ or are missing, neighbouring segments joined; what is too much is one, too."""
    found = (digests.segments[at : at + DIGEST_BYTES] for at in range(0, len(digests.segments), DIGEST_BYTES))
    size_bytes = max(digests.size_bytes, stated.size_bytes)
    start: int | None = None
    for index, (expected, actual) in enumerate(zip_longest(segment_list, found)):
        begin = index * stated.segment_size_bytes
        if expected == actual:
            if start is not None:
                yield start, begin
            start = None
        elif start is None:
            start = begin
    if start is not None:
        yield start, size_bytes
