/** The manifest's vectors, the same files that Python runs (spec/manifest.md section 11), with Node's WebCrypto. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { preAuthenticationEncoding, parsePins, publicKeyBytes } from "../../src/core/dsse.ts";
import { fromHex, toHex } from "../../src/core/hex.ts";
import { readDocument } from "../../src/core/manifest-document.ts";
import { MANIFEST_LIMITS } from "../../src/core/manifest-limits.ts";
import {
  checkFileId,
  checkVersion,
  parsePayload,
  verifyEnvelope,
  type VerifiedManifest,
} from "../../src/core/manifest.ts";
import { verifySegmentList } from "../../src/core/segment-list.ts";
import { decodeBase64 } from "../../src/core/text.ts";
import { parseTimestamp } from "../../src/core/timestamp.ts";
import { manifestCrypto } from "../../src/storage/web-crypto.ts";
import { DistributeError } from "../../src/wire/errors.ts";

interface Vector {
  readonly name: string;
  readonly expect: string;
  readonly pins: readonly string[];
  readonly now_s: number;
  readonly document?: string;
  readonly document_base64?: string;
  readonly pad_to_bytes?: number;
  readonly seen_version?: number;
  readonly file_id?: string;
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly signed_by?: readonly string[];
  readonly payload_sha256?: string;
}

interface KnownAnswers {
  readonly pre_authentication_encodings: readonly {
    source: string;
    payload_type: string;
    payload: string;
    encoding: string;
  }[];
  readonly ed25519: readonly { source: string; public_key: string; message: string; signature: string }[];
  readonly base64: { readonly accept: readonly [string, string][]; readonly reject: readonly string[] };
  readonly names_of_keys: { readonly accept: readonly string[]; readonly reject: readonly string[] };
}

const documents = read("documents") as { vectors: readonly Vector[] }; // as: our own file
const known = read("known-answers") as KnownAnswers; // as: our own file
const limits = read("limits") as Readonly<Record<string, unknown>>; // as: our own file

for (const vector of documents.vectors) {
  test(`document: ${vector.name}`, async () => {
    if (vector.expect !== "accept") {
      await assert.rejects(run(vector), (error) => {
        assert.ok(error instanceof DistributeError, String(error));
        assert.equal(error.code, vector.expect);
        return true;
      });
      return;
    }
    const { manifest, signedBy, pinned, payloadSha256 } = await run(vector);
    const { published_at: publishedAt, expires_at: expiresAt, ...stated } = vector.manifest ?? {};
    assert.deepEqual(stated, {
      format: 1,
      type: "file",
      name: manifest.name,
      size_bytes: manifest.sizeBytes,
      media_type: manifest.mediaType,
      sha256: manifest.sha256,
      segment_size_bytes: manifest.segmentSizeBytes,
      segments_sha256: manifest.segmentsSha256,
      cause: manifest.cause,
      version: manifest.version,
    });
    assert.equal(manifest.publishedAtS, seconds(publishedAt));
    assert.equal(manifest.expiresAtS, expiresAt === undefined ? undefined : seconds(expiresAt));
    assert.deepEqual(signedBy, vector.signed_by);
    assert.equal(pinned, vector.pins.length > 0);
    assert.equal(payloadSha256, vector.payload_sha256);
  });
}

test("there are vectors of both kinds", () => {
  assert.ok(documents.vectors.filter(({ expect }) => expect === "accept").length > 30);
  assert.ok(documents.vectors.filter(({ expect }) => expect !== "accept").length > 200);
});

test("the limits are those of the vectors", () => {
  assert.deepEqual({ about: limits["about"], ...MANIFEST_LIMITS }, limits);
});

for (const { source, payload_type, payload, encoding } of known.pre_authentication_encodings) {
  test(`pre-authentication encoding: ${source}`, () => {
    assert.equal(toHex(preAuthenticationEncoding(payload_type, fromHex(payload))), encoding);
  });
}

for (const { source, public_key, message, signature } of known.ed25519) {
  test(`Ed25519: ${source}`, async () => {
    const verify = (text: string) =>
      manifestCrypto.verifyEd25519(fromHex(public_key), fromHex(signature), fromHex(text));
    assert.equal(await verify(message), true);
    assert.equal(await verify(`${message}00`), false);
  });
}

test("base64 is read in its canonical form only", () => {
  for (const [text, hex] of known.base64.accept) {
    const bytes = decodeBase64(text);
    assert.ok(bytes, text);
    assert.equal(toHex(bytes), hex);
  }
  assert.deepEqual(
    known.base64.reject.filter((text) => decodeBase64(text) !== undefined),
    [],
  );
});

test("a segment list of the largest file is read", () => {
  const bytes = decodeBase64("QUJD".repeat(MANIFEST_LIMITS.SEGMENT_LIST_BYTES_MAX / 3));
  assert.equal(bytes?.at(-1), 0x43);
});

test("names of keys", () => {
  for (const text of known.names_of_keys.accept) assert.equal(publicKeyBytes(text)?.length, 32);
  assert.deepEqual(
    known.names_of_keys.reject.filter((text) => publicKeyBytes(text) !== undefined),
    [],
  );
});

test("pins are separated by white space, and a misspelt one is refused", () => {
  const [key = ""] = known.names_of_keys.accept;
  assert.deepEqual(parsePins(""), []);
  assert.deepEqual(parsePins(`\n ${key}\t${key} `), [key, key]);
  const refused = { code: "bad_argument" };
  assert.throws(() => parsePins(`${key} nonsense`), refused);
  assert.throws(() => parsePins(`${key} `.repeat(17)), refused);
});

test("an envelope that did not come in a document is bounded, too", async () => {
  const document = readDocument(Buffer.from(documents.vectors[0]?.document ?? ""));
  const options = { pins: [], nowS: documents.vectors[0]?.now_s ?? 0, crypto: manifestCrypto };
  const verified = await verifyEnvelope(document.envelope, options);
  assert.ok(verified.checked);
  const many = { ...document.envelope, signatures: Array.from({ length: 9 }, () => ({ sig: "" })) };
  const long = { ...document.envelope, payload: "A".repeat(30_000) };
  for (const envelope of [many, long]) {
    await assert.rejects(verifyEnvelope(envelope, options), { code: "manifest_too_large" });
  }
  assert.throws(() => parsePayload(new Uint8Array(16_385)), { code: "manifest_too_large" });
});

test("an engine without Ed25519 is told apart from a signature that does not fit", async (context) => {
  const [key, signature, message] = [new Uint8Array(32), new Uint8Array(64), new Uint8Array(1)] as const;
  const fail = (error: unknown) => {
    context.mock.method(crypto.subtle, "importKey", () => Promise.reject(error as Error)); // as: what engines throw
    return manifestCrypto.verifyEd25519(key, signature, message);
  };
  assert.equal(await fail(new DOMException("no point", "DataError")), false);
  await assert.rejects(fail(new DOMException("unknown", "NotSupportedError")), { code: "unsupported_browser" });
  await assert.rejects(fail(new TypeError("a bug")), TypeError);
});

async function run(vector: Vector): Promise<VerifiedManifest> {
  const bytes =
    vector.document_base64 === undefined
      ? Buffer.from(vector.document ?? "")
      : Buffer.from(vector.document_base64, "base64");
  const padding = Buffer.alloc(Math.max(0, (vector.pad_to_bytes ?? 0) - bytes.length), " ");
  const document = readDocument(Buffer.concat([bytes, padding]));
  const verified = await verifyEnvelope(document.envelope, {
    pins: vector.pins,
    nowS: vector.now_s,
    crypto: manifestCrypto,
  });
  if (document.segments !== undefined) {
    const list = await verifySegmentList(document.segments, verified.manifest, manifestCrypto.sha256);
    assert.equal(list.count, document.segments.length / 32);
  }
  checkVersion(verified.manifest, vector.seen_version);
  if (vector.file_id !== undefined) checkFileId(verified.manifest, vector.file_id);
  return verified;
}

function seconds(value: unknown): number {
  assert.equal(typeof value, "string");
  const text = String(value);
  assert.equal(parseTimestamp(text), Date.parse(text) / 1000);
  return parseTimestamp(text);
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../spec/vectors/manifest/${name}.json`, import.meta.url), "utf8"));
}
