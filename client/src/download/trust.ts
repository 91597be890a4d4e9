/**
 * From what a coordinator says to what may be trusted: a manifest that a pinned key signed, and its segment list.
 *
 * Without a pinned key the signature is checked against the key that the manifest itself names, which proves that it was
 * not changed by accident, and no more: then `pinned` is false, and nobody may call the file "verified" without saying
 * by whose list.
 */

import { checkFileId, checkVersion, verifyEnvelope, type VerifiedManifest } from "../core/manifest.ts";
import { SegmentLayout } from "../core/segment-layout.ts";
import { verifySegmentList } from "../core/segment-list.ts";
import { manifestCrypto, sha256 } from "../storage/web-crypto.ts";
import type { Complete } from "../wire/decode.ts";
import { isDistributeError, type DistributeError, IntegrityError, RefusedError } from "../wire/errors.ts";
import type { FileEntry } from "../wire/messages.ts";

/** Envelopes that are looked at in one entry: more than any file has signers. */
const ENVELOPES_MAX = 16;

/** What a publisher signed about a file, as far as a download needs it. */
export interface TrustedFile {
  /** The whole file's SHA-256, hexadecimal. */
  readonly fileId: string;
  /** As signed; may have folders. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly layout: SegmentLayout;
  /** SHA-256 of the segment list, hexadecimal. */
  readonly segmentsSha256: string;
  /** When it was signed, in seconds since 1970. */
  readonly publishedAtS: number;
  /** The pinned key that signed it; null when no key is pinned. */
  readonly signedBy: string | null;
  /** The key that signed it; without a pin, the one that the manifest itself names, which proves nothing of whose it is. */
  readonly signer: string;
}

/** What was seen before of a name, which belongs to a signer within a cause. */
export interface VersionMemory {
  /** The highest version seen; undefined when none. */
  highest(signer: string, cause: string, name: string): number | undefined;
  /** Remembers a version, if it is the highest so far. */
  saw(signer: string, cause: string, name: string, version: number): void;
}

/**
 * Finds the manifest that this page trusts.
 *
 * @param askedId the file that was asked for by id; undefined when it was asked for by a link.
 * @param keys pinned keys; empty: none.
 * @param versions what was seen before; who asks for a digest wants that file of whatever version, and needs none.
 * @throws IntegrityError, ManifestError for what the manifests are; UsageError `bad_argument` for keys that are none.
 */
export async function trustedFile(
  entry: Complete<FileEntry>,
  askedId: string | undefined,
  keys: readonly string[],
  versions?: VersionMemory,
): Promise<TrustedFile> {
  const { manifest, signedBy, pinned } = await firstTrusted(entry, keys);
  checkFileId(manifest, askedId ?? entry.file_id);
  const signer = signedBy[0] ?? ""; // a verified manifest has at least one
  if (pinned && versions !== undefined) {
    checkVersion(manifest, versions.highest(signer, manifest.cause, manifest.name));
    versions.saw(signer, manifest.cause, manifest.name, manifest.version);
  }
  return {
    fileId: manifest.sha256,
    name: manifest.name,
    sizeBytes: manifest.sizeBytes,
    layout: new SegmentLayout(manifest.sizeBytes, manifest.segmentSizeBytes),
    segmentsSha256: manifest.segmentsSha256,
    publishedAtS: manifest.publishedAtS,
    signedBy: pinned ? signer : null,
    signer,
  };
}

/**
 * Checks a segment list against the file's manifest.
 *
 * @throws IntegrityError `segment_list_mismatch`.
 */
export async function trustedSegmentList(
  file: TrustedFile,
  data: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  return (await verifySegmentList(data, file, sha256)).data;
}

async function firstTrusted(entry: Complete<FileEntry>, pins: readonly string[]): Promise<VerifiedManifest> {
  let reason: DistributeError | undefined;
  for (const envelope of entry.manifests.slice(0, ENVELOPES_MAX)) {
    try {
      return await verifyEnvelope(envelope, { pins, nowS: Math.floor(Date.now() / 1_000), crypto: manifestCrypto });
    } catch (cause) {
      if (!isDistributeError(cause) || cause.family === "usage") throw cause;
      // What is wrong with a manifest of a pinned key says more than that others are not of a pinned key.
      if (reason === undefined || reason.code === "untrusted_manifest") reason = cause;
    }
  }
  if (reason !== undefined) throw reason;
  if (pins.length === 0) throw new RefusedError("unknown_file", "The coordinator has no manifest of this file.");
  throw new IntegrityError("untrusted_manifest", "None of the pinned keys signed a manifest of this file.");
}
