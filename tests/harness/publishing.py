"""Manifests for tests: a file of random bytes, signed, with the mirrors that a test wants."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

from distribute_io.manifest.build import encode_document, new_manifest, sign_manifest
from distribute_io.manifest.document import open_document
from distribute_io.manifest.hashing import hash_file
from distribute_io.manifest.keys import SigningKey
from distribute_io.manifest.model import Manifest
from distribute_io.manifest.segments import SegmentList
from distribute_io.wire.http import Mirror


@dataclass(frozen=True)
class Published:
    """A file in `folder`, and who signed it."""

    path: Path
    manifest: Manifest
    segments: bytes
    key: SigningKey

    @property
    def data(self) -> bytes:
        """What a download must deliver."""
        return self.path.read_bytes()

    def document(self, *mirrors: str) -> bytes:
        """A manifest document with these mirrors."""
        envelope = sign_manifest(self.manifest, [self.key])
        return encode_document(envelope, mirrors=[Mirror(url) for url in mirrors], segments=self.segments)

    def write_document(self, folder: Path, *mirrors: str) -> Path:
        """The same as a file."""
        path = folder / f"{self.path.name}.manifest.json"
        path.write_bytes(self.document(*mirrors))
        return path

    def segment_list(self) -> SegmentList:
        """The verified list."""
        opened = open_document(self.document(), pins=[self.key.public_key], now_s=int(time.time()))
        assert opened.segment_list is not None
        return opened.segment_list


def publish(folder: Path, *, size_bytes: int, name: str = "file.bin", seed: int = 1, cause: str = "tests") -> Published:
    """Make a file of bytes that do not repeat, and its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(random.Random(seed).randbytes(size_bytes))
    key = SigningKey.generate()
    digests = hash_file(path)
    manifest = new_manifest(name=name, digests=digests, cause=cause, published_at_s=int(time.time()))
    return Published(path, manifest, digests.segments, key)
