import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { preAuthenticationEncoding } from "../../src/core/dsse.ts";
import { trustedFile, trustedSegmentList, type VersionMemory } from "../../src/download/trust.ts";

const TYPE = "application/vnd.distribute-io.manifest+json";
const CONTENT = new Uint8Array(300_000).fill(7);
const LIST = Buffer.concat([CONTENT.subarray(0, 262_144), CONTENT.subarray(262_144)].map(digestOf));
const FILE_ID = digestOf(CONTENT).toString("hex");

function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

class Signer {
  readonly #privateKey: KeyObject;
  readonly key: string;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    this.#privateKey = privateKey;
    this.key = `ed25519:${publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64")}`;
  }

  envelope(changes: Readonly<Record<string, unknown>> = {}) {
    const payload = Buffer.from(
      JSON.stringify({
        format: 1,
        type: "file",
        name: "pub/f.bin",
        size_bytes: CONTENT.length,
        media_type: "application/octet-stream",
        sha256: FILE_ID,
        segment_size_bytes: 262_144,
        segments_sha256: digestOf(LIST).toString("hex"),
        cause: "tests",
        version: 3,
        published_at: "2026-01-01T00:00:00Z",
        ...changes,
      }),
    );
    const signature = sign(null, preAuthenticationEncoding(TYPE, payload), this.#privateKey);
    return {
      payloadType: TYPE,
      payload: payload.toString("base64"),
      signatures: [{ sig: signature.toString("base64"), keyid: this.key }],
    };
  }
}

function entry(...manifests: ReturnType<Signer["envelope"]>[]) {
  return {
    file_id: FILE_ID,
    name: "what the coordinator says",
    size_bytes: 1,
    cause: "tests",
    manifests,
    mirrors: [],
    segments_url: "https://dio.example/s",
    session_url: "wss://dio.example/ws",
    stun: [],
  };
}

class Memory implements VersionMemory {
  readonly seen = new Map<string, number>();

  highest(signer: string, cause: string, name: string): number | undefined {
    return this.seen.get(`${signer} ${cause} ${name}`);
  }

  saw(signer: string, cause: string, name: string, version: number): void {
    this.seen.set(`${signer} ${cause} ${name}`, version);
  }
}

const publisher = new Signer();
const stranger = new Signer();

test("a file is what its manifest says, not what the coordinator says", async () => {
  const file = await trustedFile(entry(publisher.envelope()), undefined, [publisher.key]);
  assert.equal(file.name, "pub/f.bin");
  assert.equal(file.sizeBytes, CONTENT.length);
  assert.equal(file.signedBy, publisher.key);
});

test("one pinned signer among others suffices", async () => {
  const file = await trustedFile(entry(stranger.envelope(), publisher.envelope()), undefined, [publisher.key]);
  assert.equal(file.signedBy, publisher.key);
});

test("without a pinned key nobody is named as the publisher", async () => {
  const file = await trustedFile(entry(publisher.envelope()), undefined, []);
  assert.equal(file.signedBy, null);
  assert.equal(file.signer, publisher.key); // told, and not called the publisher's
});

const REFUSALS: readonly (readonly [string, Parameters<typeof trustedFile>, string])[] = [
  ["a stranger's manifest", [entry(stranger.envelope()), undefined, [publisher.key]], "untrusted_manifest"],
  ["no manifest at all, with a pin", [entry(), undefined, [publisher.key]], "untrusted_manifest"],
  ["no manifest at all, without one", [entry(), undefined, []], "unknown_file"],
  [
    "another file than was asked for",
    [entry(publisher.envelope()), "0".repeat(64), [publisher.key]],
    "file_id_mismatch",
  ],
  ["a pin that is no key", [entry(publisher.envelope()), undefined, ["ed25519:x"]], "bad_argument"],
  [
    "an expired manifest beside a stranger's",
    [
      entry(stranger.envelope(), publisher.envelope({ expires_at: "2026-01-02T00:00:00Z" }), stranger.envelope()),
      undefined,
      [publisher.key],
    ],
    "manifest_expired",
  ],
];

for (const [name, call, code] of REFUSALS) {
  test(`${name} is ${code}`, async () => {
    await assert.rejects(trustedFile(...call), { code });
  });
}

test("a link cannot lead back to an older version, a file id can", async () => {
  const memory = new Memory();
  await trustedFile(entry(publisher.envelope()), undefined, [publisher.key], memory);
  const older = entry(publisher.envelope({ version: 2 }));
  await assert.rejects(trustedFile(older, undefined, [publisher.key], memory), { code: "manifest_rollback" });
  await trustedFile(older, FILE_ID, [publisher.key]);
  await trustedFile(entry(publisher.envelope()), undefined, [publisher.key], memory);
});

test("only the segment list that the manifest names is taken", async () => {
  const file = await trustedFile(entry(publisher.envelope()), undefined, [publisher.key]);
  assert.equal((await trustedSegmentList(file, new Uint8Array(LIST))).byteLength, 64);
  const wrong = new Uint8Array(LIST);
  wrong[0] = (wrong[0] ?? 0) ^ 1;
  await assert.rejects(trustedSegmentList(file, wrong), { code: "segment_list_mismatch" });
});
