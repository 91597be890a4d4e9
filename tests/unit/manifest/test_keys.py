from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from distribute_io.errors import UsageError
from distribute_io.ids import PublicKeyText
from distribute_io.manifest.base64_text import encode_base64
from distribute_io.manifest.keys import (
    SigningKey,
    load_signing_key,
    parse_public_key,
    public_key_path,
    verify_signature,
    write_new_key,
)


def test_a_key_file_is_readable_by_its_owner_alone_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "site.pem"
    key = write_new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (path.parent / "site.pub").read_text() == f"{key.public_key}\n"
    assert load_signing_key(path).public_key == key.public_key


def test_openssl_reads_the_key_and_signs_the_same(tmp_path: Path) -> None:
    key, message = write_new_key(tmp_path / "site.pem"), tmp_path / "message"
    message.write_bytes(b"a message")
    signed = subprocess.run(
        ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", tmp_path / "site.pem", "-in", message],
        check=True,
        capture_output=True,
    )
    assert signed.stdout == key.sign(b"a message")
    assert verify_signature(key.public_key, signed.stdout, b"a message")


@pytest.mark.parametrize("there", ["site.pem", "site.pub"])
def test_a_key_is_never_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(UsageError, match="there already") as caught:
        write_new_key(tmp_path / "site.pem")
    assert caught.value.code == "key_exists"
    assert (tmp_path / there).read_text() == "mine"


def test_a_key_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for path, reason in ((tmp_path / "file" / "site.pem", "cannot be made"), (tmp_path / ("x" * 252), "be written")):
        with pytest.raises(UsageError, match=reason) as caught:
            write_new_key(path)
        assert caught.value.code == "key_unreadable"


@pytest.mark.parametrize(
    ("name", "public"), [("a.pem", "a.pub"), ("a.key", "a.pub"), ("a", "a.pub"), ("my.site", "my.site.pub")]
)
def test_where_the_public_key_lies(name: str, public: str) -> None:
    assert public_key_path(Path("folder") / name) == Path("folder") / public


def pem(key: Ed25519PrivateKey | x25519.X25519PrivateKey, passphrase: bytes | None = None) -> bytes:
    encryption = (
        serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase)
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no PEM key"),
        (b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n", "no PEM key"),
        (pem(x25519.X25519PrivateKey.generate()), "not of the kind Ed25519"),
        (pem(Ed25519PrivateKey.generate(), b"secret"), "encrypted"),
    ],
)
def test_other_files_are_no_keys(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "site.pem"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=reason) as caught:
        load_signing_key(path)
    assert caught.value.code == "key_unreadable"
    assert str(path) in caught.value.message


def test_a_key_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read") as caught:
        load_signing_key(tmp_path / "site.pem")
    assert caught.value.code == "key_unreadable"


def test_the_secret_does_not_get_into_texts() -> None:
    key = SigningKey.generate()
    assert repr(key) == f"SigningKey({key.public_key})"
    assert SigningKey.from_pem(key.to_pem()).public_key == key.public_key


def test_public_keys_are_parsed() -> None:
    key = SigningKey.generate().public_key
    assert parse_public_key(key) == key
    with pytest.raises(UsageError, match="no public key"):
        parse_public_key(key.removeprefix("ed25519:"))


def test_malformed_keys_and_signatures_fit_nothing() -> None:
    key = SigningKey.generate()
    signature = key.sign(b"message")
    assert verify_signature(key.public_key, signature, b"message")
    assert not verify_signature(PublicKeyText("nonsense"), signature, b"message")
    assert not verify_signature(key.public_key, signature[:-1], b"message")
    assert not verify_signature(key.public_key, b"", b"message")
    for raw in (bytes(32), b"\xff" * 32, os.urandom(32)):
        assert not verify_signature(PublicKeyText("ed25519:" + encode_base64(raw)), signature, b"message")
