/**
 * From an envelope of a stranger to a {@link VerifiedManifest}, in the order of spec/manifest.md section 3.
 *
 * 1. (A document's size, strict JSON, shape: `manifest-document.ts`.)
 * 2. Payload type, bounds, signatures over the exact payload bytes; only then
 * 3. the payload's own rules: strict JSON, `format` and `type`, presence and types of the fields, then name, cause, media
 *    type, version, size, segment size, digests, times; and
 * 4. whether it is in force: {@link verifyEnvelope}.
 * 5. Version and file id, which need what the caller remembers or asked for: {@link checkVersion}, {@link checkFileId}.
 * 6. The segment list against the digest in the payload: `verifySegmentList`.
 *
 * Asks no clock. The same as `distribute_io.manifest.payload` and `.document`.
 */

import { IntegrityError, ManifestError } from "../wire/errors.ts";
import type { Envelope } from "../wire/messages.ts";
import { openEnvelope, type ManifestCrypto } from "./dsse.ts";
import { checkCause, checkName } from "./file-name.ts";
import { toHex } from "./hex.ts";
import { MANIFEST_LIMITS } from "./manifest-limits.ts";
import { segmentSizeBytes } from "./segment-list.ts";
import { isJsonObject, parseStrictJson, type JsonObject } from "./strict-json.ts";
import { parseTimestamp } from "./timestamp.ts";

/** What a publisher states about one file. */
export interface Manifest {
  /** File name, folders separated by `/`; safe by the rules of {@link checkName}. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
  /** Of the whole file, hexadecimal: also the file's id. */
  readonly sha256: string;
  readonly segmentSizeBytes: number;
  /** SHA-256 of the segment list, hexadecimal. */
  readonly segmentsSha256: string;
  readonly cause: string;
  /** Grows per key, cause and name. */
  readonly version: number;
  /** Seconds since 1970 (UTC). */
  readonly publishedAtS: number;
  /** The same; undefined: never. */
  readonly expiresAtS: number | undefined;
}

/** How a caller wants an envelope to be verified. */
export interface VerifyOptions {
  /** Keys of which one must have signed; none: a signature must fit the key that it names, and `pinned` is false. */
  readonly pins: readonly string[];
  /** Seconds since 1970 (UTC). */
  readonly nowS: number;
  readonly crypto: ManifestCrypto;
}

/** A manifest with the proof of who signed it; only {@link verifyEnvelope} makes one. */
export class VerifiedManifest {
  readonly manifest: Manifest;
  /** Keys whose signatures were verified, at least one, in the order of the envelope. */
  readonly signedBy: readonly string[];
  /** Whether they are pinned keys of the caller. Only then it may be shown as "verified". */
  readonly pinned: boolean;
  /** SHA-256 of the signed bytes, hexadecimal. */
  readonly payloadSha256: string;
  // A private field makes the type nominal: no object literal passes for a verified manifest.
  readonly #checked = true;

  private constructor(manifest: Manifest, signedBy: readonly string[], pinned: boolean, payloadSha256: string) {
    this.manifest = manifest;
    this.signedBy = signedBy;
    this.pinned = pinned;
    this.payloadSha256 = payloadSha256;
  }

  /** True for every instance; reading it is how the brand may be asserted at run time, too. */
  get checked(): boolean {
    return this.#checked;
  }

  /** @internal Used by {@link verifyEnvelope} alone. */
  static async check(envelope: Envelope, { pins, nowS, crypto }: VerifyOptions): Promise<VerifiedManifest> {
    const { payload, signedBy } = await openEnvelope(envelope, pins, crypto);
    const manifest = parsePayload(payload);
    checkTimes(manifest, nowS);
    return new VerifiedManifest(manifest, signedBy, pins.length > 0, toHex(await crypto.sha256(payload)));
  }
}

/**
 * Steps 2 to 4: who signed, what it says, and whether it is in force.
 *
 * @throws IntegrityError `untrusted_manifest`, `bad_signature`, `manifest_expired`, `manifest_not_yet_valid`.
 * @throws ManifestError `manifest_…` codes of what the publisher did wrong.
 */
export function verifyEnvelope(envelope: Envelope, options: VerifyOptions): Promise<VerifiedManifest> {
  return VerifiedManifest.check(envelope, options);
}

const DIGEST = /^[0-9a-f]{64}$/;
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/;

/**
 * The manifest of a payload whose signature was verified.
 *
 * @throws ManifestError with the code of the first rule that is broken.
 */
export function parsePayload(payload: Uint8Array): Manifest {
  if (payload.length > MANIFEST_LIMITS.PAYLOAD_BYTES_MAX) {
    throw new ManifestError("manifest_too_large", "The payload is too large.");
  }
  const fields = parseStrictJson(payload, "payload");
  if (!isJsonObject(fields)) throw malformed("it is no object");
  checkFormat(fields);
  const { publishedAt, expiresAt, ...manifest } = readFields(fields);
  checkName(manifest.name);
  checkCause(manifest.cause);
  if (!MEDIA_TYPE.test(manifest.mediaType)) throw malformed("media_type is none");
  if (manifest.version < 1) throw malformed("version is below 1");
  if (manifest.segmentSizeBytes !== segmentSizeBytes(manifest.sizeBytes)) {
    throw new ManifestError("manifest_bad_segment_size", "The segment size is not the one that follows from the size.");
  }
  if (!DIGEST.test(manifest.sha256) || !DIGEST.test(manifest.segmentsSha256)) {
    throw new ManifestError("manifest_bad_digest", "A digest is not 64 lower-case hexadecimal digits.");
  }
  const publishedAtS = parseTimestamp(publishedAt);
  const expiresAtS = expiresAt === undefined ? undefined : parseTimestamp(expiresAt);
  if (expiresAtS !== undefined && expiresAtS <= publishedAtS) {
    throw new ManifestError("manifest_bad_time", "The manifest expires before it was published.");
  }
  return { ...manifest, publishedAtS, expiresAtS };
}

/** Before the other fields: they may differ in a format that is yet to come. */
function checkFormat(fields: JsonObject): void {
  if (typeof fields["format"] !== "number") throw malformed("it states no format");
  if (fields["format"] !== MANIFEST_LIMITS.FORMAT || fields["type"] !== "file") {
    throw new ManifestError(
      "manifest_unknown_format",
      "The manifest is of a format or type that this version does not know: a newer version may.",
    );
  }
}

/** The fields with their types; unknown ones are ignored. */
function readFields(fields: JsonObject) {
  const read = <Type extends "string" | "number">(name: string, type: Type) => {
    const value = fields[name];
    if (typeof value !== type) throw malformed(`${name} is missing or no ${type}`);
    return value as Type extends "string" ? string : number; // as: checked on the line above
  };
  return {
    name: read("name", "string"),
    sizeBytes: read("size_bytes", "number"),
    mediaType: read("media_type", "string"),
    sha256: read("sha256", "string"),
    segmentSizeBytes: read("segment_size_bytes", "number"),
    segmentsSha256: read("segments_sha256", "string"),
    cause: read("cause", "string"),
    version: read("version", "number"),
    publishedAt: read("published_at", "string"),
    expiresAt: "expires_at" in fields ? read("expires_at", "string") : undefined,
  };
}

function malformed(reason: string): ManifestError {
  return new ManifestError("manifest_malformed", `The payload is malformed: ${reason}.`);
}

/**
 * Refuses a manifest that has expired or lies in the future, with a day of clock skew either way.
 *
 * @throws IntegrityError `manifest_expired` or `manifest_not_yet_valid`.
 */
export function checkTimes(manifest: Manifest, nowS: number): void {
  if (manifest.expiresAtS !== undefined && nowS > manifest.expiresAtS + MANIFEST_LIMITS.CLOCK_SKEW_S) {
    throw new IntegrityError("manifest_expired", "The file's manifest has expired: its publisher must renew it.");
  }
  if (manifest.publishedAtS > nowS + MANIFEST_LIMITS.CLOCK_SKEW_S) {
    throw new IntegrityError(
      "manifest_not_yet_valid",
      "The file's manifest is dated in the future: check this machine's clock.",
    );
  }
}

/**
 * Refuses to go back to an older version of the same name, cause and key. The same version again is allowed.
 *
 * @param seen the highest version seen so far, or undefined.
 * @throws IntegrityError `manifest_rollback`.
 */
export function checkVersion(manifest: Manifest, seen: number | undefined): void {
  if (seen !== undefined && manifest.version < seen) {
    throw new IntegrityError("manifest_rollback", "The file's manifest is older than one that was seen before.");
  }
}

/**
 * Refuses a manifest of another file than was asked for.
 *
 * @throws IntegrityError `file_id_mismatch`.
 */
export function checkFileId(manifest: Manifest, fileId: string): void {
  if (manifest.sha256 !== fileId) {
    throw new IntegrityError("file_id_mismatch", "The manifest is for another file than was asked for.");
  }
}
