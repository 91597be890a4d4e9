/**
 * The shape of a manifest document: step 1 of the order in which a manifest is verified (spec/manifest.md section 3).
 *
 * Nothing that it returns is verified yet: mirrors are hints, and a segment list counts only after `verifySegmentList`.
 * The same as `distribute_io.manifest.document.read_document`.
 */

import { decodeBody, type Complete } from "../wire/decode.ts";
import { DistributeError, ManifestError } from "../wire/errors.ts";
import { MANIFEST_DOCUMENT_FIELDS, type Envelope, type ManifestDocument, type Mirror } from "../wire/messages.ts";
import { MANIFEST_LIMITS } from "./manifest-limits.ts";
import { checkMirrorUrl } from "./mirror-url.ts";
import { isJsonObject, parseStrictJson, type JsonValue } from "./strict-json.ts";
import { decodeBase64 } from "./text.ts";
import { parseTimestamp } from "./timestamp.ts";

/** A document whose shape is right. At least one of `segments` and `segmentsUrl` is there. */
export interface Document {
  readonly envelope: Envelope;
  readonly mirrors: readonly Mirror[];
  /** The inline segment list, raw. */
  readonly segments: Uint8Array<ArrayBuffer> | undefined;
  readonly segmentsUrl: string | undefined;
  /** When the publisher expects the rush, in seconds since 1970 (UTC). */
  readonly releaseAtS: number | undefined;
}

/** @throws ManifestError `manifest_too_large`, `manifest_malformed`, `manifest_bad_mirror` or `manifest_bad_time`. */
export function readDocument(data: Uint8Array): Document {
  if (data.length > MANIFEST_LIMITS.DOCUMENT_WITH_SEGMENTS_BYTES_MAX) throw tooLarge("The document is too large.");
  const value = parseStrictJson(data, "manifest document");
  checkBounds(value, data.length);
  const document = decode(value);
  for (const mirror of document.mirrors) checkMirrorUrl(mirror.url);
  if (document.segments_url !== null) checkMirrorUrl(document.segments_url);
  const segments = document.segments === null ? undefined : decodeBase64(document.segments);
  if (segments === undefined && (document.segments !== null || document.segments_url === null)) {
    throw new ManifestError("manifest_malformed", "Neither segments in canonical base64 nor segments_url are there.");
  }
  return {
    envelope: document.envelope,
    mirrors: document.mirrors,
    segments,
    segmentsUrl: document.segments_url ?? undefined,
    releaseAtS: document.release_at === null ? undefined : parseTimestamp(document.release_at),
  };
}

/** The bounds that have a code of their own, before the shape is looked at. */
function checkBounds(value: JsonValue, documentBytes: number): void {
  if (!isJsonObject(value)) throw new ManifestError("manifest_malformed", "The manifest document is no object.");
  const { segments, mirrors, envelope } = value;
  if (documentBytes - (typeof segments === "string" ? segments.length : 0) > MANIFEST_LIMITS.DOCUMENT_BYTES_MAX) {
    throw tooLarge("The document without its segments is too large.");
  }
  if (Array.isArray(mirrors) && mirrors.length > MANIFEST_LIMITS.MIRRORS_MAX) {
    throw tooLarge("The document has too many mirrors.");
  }
  const signatures = isJsonObject(envelope) ? envelope["signatures"] : undefined;
  if (Array.isArray(signatures) && signatures.length > MANIFEST_LIMITS.SIGNATURES_MAX) {
    throw tooLarge("The manifest has too many signatures.");
  }
}

function decode(value: JsonValue): Complete<ManifestDocument> {
  try {
    return decodeBody(MANIFEST_DOCUMENT_FIELDS, value);
  } catch (cause) {
    if (!(cause instanceof DistributeError)) throw cause;
    // The decoder names the place: in one mirror, or elsewhere.
    const code = cause.message.includes(".mirrors[") ? "manifest_bad_mirror" : "manifest_malformed";
    throw new ManifestError(code, cause.message, { cause });
  }
}

function tooLarge(message: string): ManifestError {
  return new ManifestError("manifest_too_large", message);
}
