"""Ed25519 keys (RFC 8032): their text form, their files, signing and verifying.

- A public key is written `ed25519:` and the standard base64 of its 32 raw bytes; this is what pages pin.
- A secret key lies in a PEM file of PKCS #8 (RFC 8410; `openssl pkey` reads it), mode 0600, never overwritten, with the
  public key beside it in a `.pub` file of one line.
- A secret never appears in a text, a `repr` or an error.
- What reads and writes key files (a third of cryptography's start) is loaded where a key file is; verifying needs none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from distribute_io.errors import UsageError
from distribute_io.ids import PublicKeyText
from distribute_io.manifest.base64_text import decode_base64, encode_base64

_PREFIX: Final = "ed25519:"
_PUBLIC_KEY_BYTES: Final = 32
_KEY_FILE_BYTES_MAX: Final = 16_384


def public_key_bytes(text: str) -> bytes | None:
    """The 32 raw bytes of a public key in text form, or None if `text` is no such thing."""
    if not text.startswith(_PREFIX):
        return None
    raw = decode_base64(text[len(_PREFIX) :])
    return raw if raw is not None and len(raw) == _PUBLIC_KEY_BYTES else None


def parse_public_key(text: str) -> PublicKeyText:
    """Return `text` if it is a public key.

    Raises:
        UsageError: `bad_argument`.

    Example:
        >>> parse_public_key("ed25519:O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=")
        'ed25519:O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik='
    """
    if public_key_bytes(text) is None:
        raise UsageError("bad_argument", f"{text[:80]!a} is no public key: it must be ed25519: and 44 base64 digits.")
    return PublicKeyText(text)


def verify_signature(key: PublicKeyText, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is one of `key` over exactly `message`. A malformed key or signature fits nothing."""
    raw = public_key_bytes(key)
    if raw is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@final
class SigningKey:
    """A publisher's secret key. Make one by `generate`, `from_pem` or `load_signing_key`."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key: Final = key
        self.public_key: Final = PublicKeyText(_PREFIX + encode_base64(key.public_key().public_bytes_raw()))

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the operating system's random source."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """A key from unencrypted PKCS #8 in PEM.

        Raises:
            UsageError: `key_unreadable`; the text does not repeat the input.
        """
        from cryptography.hazmat.primitives import serialization

        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except TypeError as error:
            raise UsageError(
                "key_unreadable",
                "The key is encrypted. Take the passphrase off: `openssl pkey -in OLD -out NEW`.",
            ) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UsageError("key_unreadable", "The file is no PEM key. `dio keygen` makes one.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise UsageError("key_unreadable", "The key is not of the kind Ed25519. `dio keygen` makes one.")
        return cls(key)

    def to_pem(self) -> bytes:
        """The secret key as unencrypted PKCS #8 in PEM."""
        from cryptography.hazmat.primitives import serialization

        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature over `message`; equal messages give equal signatures."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey({self.public_key})"


def public_key_path(path: Path) -> Path:
    """Where the public key of the secret key file `path` lies: `site.pem` -> `site.pub`, `site` -> `site.pub`."""
    return path.with_suffix(".pub") if path.suffix in (".pem", ".key") else path.with_name(path.name + ".pub")


def load_signing_key(path: Path) -> SigningKey:
    """Read a secret key file.

    Raises:
        UsageError: `key_unreadable` if it is not there, not readable, or no Ed25519 key.
    """
    try:
        with path.open("rb") as file:
            pem = file.read(_KEY_FILE_BYTES_MAX)
    except OSError as error:
        raise UsageError("key_unreadable", f"The key {path} cannot be read: {error.strerror}.") from error
    try:
        return SigningKey.from_pem(pem)
    except UsageError as error:
        raise UsageError("key_unreadable", f"{path}: {error}") from error


def write_new_key(path: Path) -> SigningKey:
    """Make a key and write it to `path` (mode 0600; missing folders are made with 0700), and its `.pub` beside it.

    Raises:
        UsageError: `key_exists` if one of the two files is there already; `key_unreadable` if it cannot be written.
    """
    key = SigningKey.generate()
    public_path = public_key_path(path)
    if os.path.lexists(public_path):
        raise UsageError("key_exists", f"{public_path} is there already; choose another name.")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError("key_unreadable", f"The folder {path.parent} cannot be made: {error.strerror}.") from error
    try:
        _write_new(path, key.to_pem(), mode=0o600)
        _write_new(public_path, f"{key.public_key}\n".encode(), mode=0o644)
    except FileExistsError as error:
        raise UsageError("key_exists", f"{error.filename} is there already; choose another name.") from error
    except OSError as error:
        raise UsageError("key_unreadable", f"The key {path} cannot be written: {error.strerror}.") from error
    return key


def _write_new(path: Path, data: bytes, *, mode: int) -> None:
    # The mode is given at creation: with a later chmod the secret would be readable for a moment.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
