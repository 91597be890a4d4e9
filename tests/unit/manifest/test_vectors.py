"""The manifest's vectors, the same files that TypeScript runs (spec/manifest.md section 11)."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from distribute_io.errors import DistributeError
from distribute_io.ids import FileId, PublicKeyText
from distribute_io.manifest import limits
from distribute_io.manifest.base64_text import decode_base64, encode_base64
from distribute_io.manifest.document import OpenedDocument, open_document
from distribute_io.manifest.dsse import pre_authentication_encoding
from distribute_io.manifest.keys import public_key_bytes, verify_signature
from distribute_io.manifest.payload import check_file_id, check_version
from distribute_io.manifest.timestamps import format_timestamp

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "spec" / "vectors" / "manifest"
DOCUMENTS = json.loads((VECTORS / "documents.json").read_text())["vectors"]
KNOWN = json.loads((VECTORS / "known-answers.json").read_text())


def run(vector: dict[str, Any]) -> OpenedDocument:  # Any: a vector's fields
    data = base64.b64decode(vector["document_base64"]) if "document_base64" in vector else vector["document"].encode()
    opened = open_document(
        data.ljust(vector.get("pad_to_bytes", 0), b" "),
        pins=[PublicKeyText(pin) for pin in vector["pins"]],
        now_s=vector["now_s"],
    )
    check_version(opened.verified.manifest, seen=vector.get("seen_version"))
    if "file_id" in vector:
        check_file_id(opened.verified.manifest, FileId(vector["file_id"]))
    return opened


@pytest.mark.parametrize("vector", DOCUMENTS, ids=lambda vector: vector["name"])
def test_document(vector: dict[str, Any]) -> None:  # Any: a vector's fields
    if vector["expect"] != "accept":
        with pytest.raises(DistributeError) as caught:
            run(vector)
        assert caught.value.code == vector["expect"]
        return
    opened = run(vector)
    verified, manifest = opened.verified, opened.verified.manifest
    times = {"published_at": format_timestamp(manifest.published_at_s)}
    if manifest.expires_at_s is not None:
        times["expires_at"] = format_timestamp(manifest.expires_at_s)
    assert vector["manifest"] == {
        "format": 1,
        "type": "file",
        "name": manifest.name,
        "size_bytes": manifest.size_bytes,
        "media_type": manifest.media_type,
        "sha256": manifest.sha256,
        "segment_size_bytes": manifest.segment_size_bytes,
        "segments_sha256": manifest.segments_sha256,
        "cause": manifest.cause,
        "version": manifest.version,
        **times,
    }
    assert list(verified.signed_by) == vector["signed_by"]
    assert verified.pinned == bool(vector["pins"])
    assert verified.payload_sha256 == vector["payload_sha256"]


def test_vectors_are_fresh() -> None:
    check = subprocess.run(
        [sys.executable, ROOT / "scripts" / "manifest_vectors.py", "--check"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert check.returncode == 0, check.stderr


def test_limits_are_those_of_the_vectors() -> None:
    stated = json.loads((VECTORS / "limits.json").read_text())
    del stated["about"]
    ours = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert ours == stated


@pytest.mark.parametrize("known", KNOWN["pre_authentication_encodings"], ids=lambda known: known["source"])
def test_pre_authentication_encoding(known: dict[str, str]) -> None:
    encoding = pre_authentication_encoding(known["payload_type"], bytes.fromhex(known["payload"]))
    assert encoding.hex() == known["encoding"]


@pytest.mark.parametrize("known", KNOWN["ed25519"], ids=lambda known: known["source"])
def test_ed25519(known: dict[str, str]) -> None:
    key = PublicKeyText("ed25519:" + encode_base64(bytes.fromhex(known["public_key"])))
    message, signature = bytes.fromhex(known["message"]), bytes.fromhex(known["signature"])
    assert verify_signature(key, signature, message)
    assert not verify_signature(key, signature, message + b"\0")


@pytest.mark.parametrize(("text", "data"), KNOWN["base64"]["accept"])
def test_base64_is_read_and_written(text: str, data: str) -> None:
    assert decode_base64(text) == bytes.fromhex(data)
    assert encode_base64(bytes.fromhex(data)) == text


@pytest.mark.parametrize("text", KNOWN["base64"]["reject"])
def test_base64_of_another_form_is_refused(text: str) -> None:
    assert decode_base64(text) is None


def test_names_of_keys() -> None:
    assert all(public_key_bytes(text) is not None for text in KNOWN["names_of_keys"]["accept"])
    assert [text for text in KNOWN["names_of_keys"]["reject"] if public_key_bytes(text) is not None] == []
