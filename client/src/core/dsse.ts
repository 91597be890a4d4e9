/**
 * DSSE envelopes: finding out who signed, before the payload is looked at (spec/manifest.md section 2).
 *
 * - Signatures cover the pre-authentication encoding of payload type and payload, byte for byte; nothing is parsed,
 *   normalised or encoded again before they are verified.
 * - At most `SIGNATURES_MAX` signatures. One valid signature of one pinned key suffices; the others do not matter.
 * - `keyid` is a hint: it is the signer's public key in text form, so that a signature can be checked where no key is
 *   pinned. It never makes a key trusted.
 *
 * The same as `distribute_io.manifest.dsse`.
 */

import { IntegrityError, ManifestError, UsageError } from "../wire/errors.ts";
import type { Envelope } from "../wire/messages.ts";
import { MANIFEST_LIMITS } from "./manifest-limits.ts";
import { decodeBase64 } from "./text.ts";
import type { Sha256 } from "./verified.ts";

/** What the core needs of the platform's cryptography: WebCrypto in pages, workers and Node. */
export interface ManifestCrypto {
  readonly sha256: Sha256;
  /** Ed25519 (RFC 8032) over exactly `message`; false for a key or signature that is malformed. */
  readonly verifyEd25519: (
    publicKey: Uint8Array<ArrayBuffer>,
    signature: Uint8Array<ArrayBuffer>,
    message: Uint8Array<ArrayBuffer>,
  ) => Promise<boolean>;
}

const KEY_PREFIX = "ed25519:";
const KEY_BYTES = 32;
const PAYLOAD_DIGITS_MAX = 4 * Math.ceil(MANIFEST_LIMITS.PAYLOAD_BYTES_MAX / 3);

/** The 32 raw bytes of a public key in its text form `ed25519:BASE64`, or undefined if `text` is no such thing. */
export function publicKeyBytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!text.startsWith(KEY_PREFIX)) return undefined;
  const raw = decodeBase64(text.slice(KEY_PREFIX.length));
  return raw?.length === KEY_BYTES ? raw : undefined;
}

/**
 * The keys in an attribute such as `data-key`: separated by white space, none missing.
 *
 * @throws UsageError `bad_argument` if one of them is no public key, or there are more than `PINS_MAX`.
 */
export function parsePins(text: string): readonly string[] {
  const pins = text.split(/\s+/).filter((word) => word !== "");
  checkPins(pins);
  return pins;
}

/** Refuses pins that could never fit, so that a misspelt key does not pass for "no key". */
function checkPins(pins: readonly string[]): void {
  if (pins.length > MANIFEST_LIMITS.PINS_MAX) {
    throw new UsageError("bad_argument", `At most ${MANIFEST_LIMITS.PINS_MAX} keys can be pinned.`);
  }
  for (const pin of pins) {
    if (publicKeyBytes(pin) === undefined) {
      throw new UsageError("bad_argument", "A pinned key is not of the form ed25519:BASE64.");
    }
  }
}

/** What is signed: `DSSEv1`, then length and bytes of both, in a form that cannot be read in two ways. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = `DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `;
  const message = new Uint8Array(head.length + payload.length);
  // The one payload type that is ever encoded is ASCII.
  for (let at = 0; at < head.length; at += 1) message[at] = head.charCodeAt(at);
  message.set(payload, head.length);
  return message;
}

/** The payload of an envelope and the keys that really signed it. */
export interface OpenedEnvelope {
  readonly payload: Uint8Array<ArrayBuffer>;
  /** At least one, in the order of the envelope. */
  readonly signedBy: readonly string[];
}

/**
 * Opens an envelope that came from a stranger.
 *
 * @param pins keys of which one must have signed; only they are tried and returned. If empty, the keys that the envelope
 *   itself names are tried.
 * @throws ManifestError `manifest_unknown_format` (payload type), `manifest_too_large`, `manifest_malformed` (base64).
 * @throws IntegrityError `untrusted_manifest` if keys are pinned and none of them signed; `bad_signature` if no key is
 *   pinned and no signature fits the key that it names.
 * @throws UsageError `bad_argument` for pins that are no keys, or too many.
 */
export async function openEnvelope(
  envelope: Envelope,
  pins: readonly string[],
  crypto: ManifestCrypto,
): Promise<OpenedEnvelope> {
  checkPins(pins);
  if (envelope.payloadType !== MANIFEST_LIMITS.PAYLOAD_TYPE) {
    throw new ManifestError("manifest_unknown_format", "The payload type is not that of a manifest.");
  }
  if (envelope.signatures.length > MANIFEST_LIMITS.SIGNATURES_MAX) {
    throw new ManifestError("manifest_too_large", "The manifest has too many signatures.");
  }
  if (envelope.payload.length > PAYLOAD_DIGITS_MAX) {
    throw new ManifestError("manifest_too_large", "The payload is too large.");
  }
  const payload = decodeBase64(envelope.payload);
  const signatures = envelope.signatures.map(({ sig, keyid }) => ({ bytes: decodeBase64(sig), keyid: keyid ?? "" }));
  if (payload === undefined || signatures.some(({ bytes }) => bytes === undefined)) {
    throw new ManifestError("manifest_malformed", "The payload or a signature is not canonical base64.");
  }

  const message = preAuthenticationEncoding(envelope.payloadType, payload);
  const signedBy: string[] = [];
  for (const { bytes, keyid } of signatures) {
    for (const pin of pins.length > 0 ? pins : [keyid]) {
      const key = publicKeyBytes(pin);
      if (bytes === undefined || key === undefined || signedBy.includes(pin)) continue;
      if (await crypto.verifyEd25519(key, bytes, message)) signedBy.push(pin);
    }
  }
  if (signedBy.length > 0) return { payload, signedBy };
  if (pins.length > 0) {
    throw new IntegrityError(
      "untrusted_manifest",
      "None of the pinned keys signed the file's manifest, or it was changed.",
    );
  }
  throw new IntegrityError("bad_signature", "No signature fits the file's manifest: it was changed.");
}
