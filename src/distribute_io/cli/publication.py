"""What `dio publish` makes of each file that was hashed: a signed document, a metalink, an entry at a coordinator.

Rules:

- Everything that can be refused without reading a file is refused at once: names, mirrors, cause, keys, times.
- A file's version follows the previous manifest of the same key, cause and name, if one lies in the output folder.
- Each output file is replaced whole, or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import typer

from distribute_io.cli.keygen import default_key_path
from distribute_io.errors import DistributeError, StoreError, UsageError
from distribute_io.manifest.build import encode_document, new_manifest, sign_manifest
from distribute_io.manifest.document import read_document
from distribute_io.manifest.dsse import open_envelope
from distribute_io.manifest.hashing import FileDigests
from distribute_io.manifest.keys import SigningKey, load_signing_key, write_new_key
from distribute_io.manifest.limits import DOCUMENT_WITH_SEGMENTS_BYTES_MAX
from distribute_io.manifest.metalink import encode_metalink
from distribute_io.manifest.mirrors import mirror_url
from distribute_io.manifest.names import check_cause, check_name
from distribute_io.manifest.payload import parse_payload
from distribute_io.wire.http import Mirror


def parse_time(text: str) -> int:
    """Seconds since 1970 of a time in ISO 8601; without an offset it is UTC.

    Raises:
        UsageError: `bad_argument`.

    Example:
        >>> parse_time("1970-01-01T01:00+01:00"), parse_time("1970-01-02")
        (0, 86400)
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError("bad_argument", f"{text!a} is no time like 2026-11-22T10:00Z.") from error
    return int((time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp())


class Publication:
    """One run of `dio publish`."""

    def __init__(
        self,
        files: Sequence[Path],
        *,
        mirrors: Sequence[str],
        cause: str,
        key_paths: Sequence[Path],
        release_at_s: int | None,
        release_downloads: int | None,
        release_regions: Sequence[str],
        expires_at_s: int | None,
        coordinator: str | None,
        token: str | None,
        folder: Path | None,
    ) -> None:
        """Check everything that can be checked before a file is read.

        Args:
            folder: where documents and metalinks go; None: nowhere.

        Raises:
            UsageError, ManifestError: what is wrong with the arguments.
        """
        names = [check_name(file.name) for file in files]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise UsageError("bad_argument", f"Two files are called {min(twice)}: publish them one after the other.")
        if len(files) > 1 and not all(mirror.endswith("/") for mirror in mirrors):
            raise UsageError("bad_argument", "With several files each --mirror must be a base that ends in /.")
        self._mirrors: Final = {name: [Mirror(url=mirror_url(mirror, name)) for mirror in mirrors] for name in names}
        self._cause: Final = check_cause(cause)
        self._keys: Final = _load_keys(key_paths)
        if release_at_s is None and (release_downloads is not None or release_regions):
            raise UsageError(
                "bad_argument", "--release-downloads and --release-region need --release-at: from when on?"
            )
        self._release_at_s: Final = release_at_s
        self._release_downloads: Final = release_downloads
        self._release_regions: Final = tuple(release_regions)
        self._expires_at_s: Final = expires_at_s
        self._coordinator: Final = coordinator
        self._token: Final = token
        self._folder: Final = folder
        if folder is not None:
            _make_folder(folder)

    def publish(self, file: Path, digests: FileDigests, *, now_s: int) -> str:
        """Sign, write and send the manifest of one file. Returns its line for stdout.

        Raises:
            DistributeError: why not; what was written for other files stays.
        """
        name = file.name
        manifest = new_manifest(
            name=name,
            digests=digests,
            cause=self._cause,
            published_at_s=now_s,
            expires_at_s=self._expires_at_s,
            previous_version=self._previous_version(name),
        )
        document = encode_document(
            sign_manifest(manifest, self._keys),
            mirrors=self._mirrors[name],
            segments=digests.segments,
            release_at_s=self._release_at_s,
            release_downloads=self._release_downloads,
            release_regions=self._release_regions,
        )
        if self._folder is not None:
            metalink = encode_metalink(
                name=name,
                size_bytes=digests.size_bytes,
                sha256=digests.sha256,
                segment_size_bytes=manifest.segment_size_bytes,
                segments=digests.segments,
                published_at_s=now_s,
                mirrors=self._mirrors[name],
            )
            _replace(self._folder / f"{name}.meta4", metalink)
            _replace(self._folder / f"{name}.manifest.json", document)
        if self._coordinator is not None:
            # Only here: half of what this command would load is the standard library's HTTP client.
            from distribute_io.cli import coordinator_client

            answer = coordinator_client.request(
                "POST", self._coordinator, "/api/v1/files", token=self._token, body=document
            )
            _warn_of_mirrors(answer)
        return f"{digests.sha256}  {name}"

    def _previous_version(self, name: str) -> int | None:
        """The version in the output folder, if it is of our key, cause and name."""
        if self._folder is None:
            return None
        try:
            with (self._folder / f"{name}.manifest.json").open("rb") as file:
                document = read_document(file.read(DOCUMENT_WITH_SEGMENTS_BYTES_MAX + 1))
            # Not verify_envelope(): an expired manifest has a version, too.
            payload, _signed_by = open_envelope(document.envelope, [self._keys[0].public_key])
            manifest = parse_payload(payload)
        except (OSError, DistributeError):
            return None
        return manifest.version if (manifest.cause, manifest.name) == (self._cause, name) else None


def _warn_of_mirrors(answer: bytes) -> None:
    """Say which mirrors the coordinator looked at and found wanting: now somebody is there to mend them."""
    from distribute_io.coordinator.mirror_words import mirror_warnings  # as above

    for line in mirror_warnings(answer):
        typer.echo(line, err=True)


def _load_keys(paths: Sequence[Path]) -> list[SigningKey]:
    """The keys of these files; of the default file if there are none, which is made where it is missing."""
    if paths:
        return [load_signing_key(path) for path in paths]
    path = default_key_path()
    if path.exists():
        return [load_signing_key(path)]
    key = write_new_key(path)
    typer.echo(f'Made your signing key {path}; keep it. Pages pin it by data-key="{key.public_key}"', err=True)
    return [key]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError("bad_argument", f"The folder {folder} cannot be made: {error.strerror}.") from error


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError("store_unreadable", f"{path} cannot be written: {error.strerror}.") from error
