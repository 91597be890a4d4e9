"""DSSE envelopes: signing, and finding out who signed, before the payload is looked at (spec/manifest.md section 2).

Rules:

- Signatures cover the pre-authentication encoding of payload type and payload, byte for byte; nothing is parsed,
  normalised or encoded again before they are verified.
- At most `SIGNATURES_MAX` signatures. One valid signature of one pinned key suffices; the others do not matter.
- `keyid` is a hint: it is the signer's public key in text form, so that a signature can be checked where no key is
  pinned. It never makes a key trusted.

Reference: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

from collections.abc import Sequence

from distribute_io.errors import IntegrityError, ManifestError, UsageError
from distribute_io.ids import PublicKeyText
from distribute_io.manifest.base64_text import decode_base64, encode_base64
from distribute_io.manifest.keys import SigningKey, parse_public_key, verify_signature
from distribute_io.manifest.limits import PAYLOAD_BYTES_MAX, PAYLOAD_TYPE, PINS_MAX, SIGNATURES_MAX
from distribute_io.wire.http import Envelope, EnvelopeSignature


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """What is signed: `DSSEv1`, then length and bytes of both, in a form that cannot be read in two ways.

    Example:
        >>> pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
        b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_payload(payload: bytes, keys: Sequence[SigningKey]) -> Envelope:
    """An envelope around `payload` with one signature of each key.

    Raises:
        UsageError: `bad_argument` for no key or more than `SIGNATURES_MAX`.
    """
    if not 1 <= len(keys) <= SIGNATURES_MAX:
        raise UsageError("bad_argument", f"A manifest is signed by 1 to {SIGNATURES_MAX} keys, not {len(keys)}.")
    message = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    return Envelope(
        payload_type=PAYLOAD_TYPE,
        payload=encode_base64(payload),
        signatures=[EnvelopeSignature(sig=encode_base64(key.sign(message)), keyid=key.public_key) for key in keys],
    )


def open_envelope(envelope: Envelope, pins: Sequence[PublicKeyText]) -> tuple[bytes, tuple[PublicKeyText, ...]]:
    """The payload of an envelope and the keys that really signed it (at least one), in the envelope's order.

    Args:
        envelope: as it came from a stranger.
        pins: keys of which one must have signed, at most `PINS_MAX`; only they are tried and returned. If empty, the
            keys that the envelope itself names are tried.

    Raises:
        ManifestError: `manifest_unknown_format` (payload type), `manifest_too_large`, `manifest_malformed` (base64).
        IntegrityError: `untrusted_manifest` if keys are pinned and none of them signed; `bad_signature` if no key is
            pinned and no signature fits the key that it names.
        UsageError: `bad_argument` for pins that are no keys, or more than `PINS_MAX`.
    """
    if len(pins) > PINS_MAX:
        raise UsageError("bad_argument", f"At most {PINS_MAX} keys can be pinned, not {len(pins)}.")
    for pin in pins:
        parse_public_key(pin)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise ManifestError(
            "manifest_unknown_format", f"The payload type {envelope.payload_type[:80]!a} is not that of a manifest."
        )
    if len(envelope.signatures) > SIGNATURES_MAX:
        raise ManifestError("manifest_too_large", f"The manifest has more than {SIGNATURES_MAX} signatures.")
    if len(envelope.payload) > (PAYLOAD_BYTES_MAX + 2) // 3 * 4:
        raise ManifestError("manifest_too_large", f"The payload is larger than {PAYLOAD_BYTES_MAX} bytes.")
    payload = decode_base64(envelope.payload)
    signatures = [(decode_base64(each.sig), each.keyid) for each in envelope.signatures]
    if payload is None or any(signature is None for signature, _ in signatures):
        raise ManifestError("manifest_malformed", "The payload or a signature is not canonical base64.")

    message = pre_authentication_encoding(envelope.payload_type, payload)
    signed_by: list[PublicKeyText] = []
    for signature, keyid in signatures:
        for key in pins or [PublicKeyText(keyid)]:
            if signature is not None and key not in signed_by and verify_signature(key, signature, message):
                signed_by.append(key)
    if signed_by:
        return payload, tuple(signed_by)
    if pins:
        raise IntegrityError("untrusted_manifest", "None of the pinned keys signed this manifest, or it was changed.")
    raise IntegrityError("bad_signature", "No signature fits this manifest: it was changed, or its keys are unknown.")
