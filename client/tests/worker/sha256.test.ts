import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { plainEngine } from "../../src/worker/sha256-plain.ts";
import { Sha256Stream, type Sha256Engine } from "../../src/worker/sha256-stream.ts";
import { wasmEngine } from "../../src/worker/sha256-wasm.ts";

const ENGINES: readonly (readonly [string, () => Promise<Sha256Engine>])[] = [
  ["WebAssembly", wasmEngine],
  ["JavaScript", () => Promise.resolve(plainEngine())],
];

/** Bytes without a pattern that a wrong order of blocks could keep; the same in every run. */
function bytesOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let at = 0; at < length; at += 1) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

function expected(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

for (const [name, make] of ENGINES) {
  test(`${name}: the examples of FIPS 180-2`, async () => {
    const million = new TextEncoder().encode("a".repeat(1_000_000));
    for (const [message, digest] of [
      [new TextEncoder().encode("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
      [million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
    ] as const) {
      const hash = new Sha256Stream(await make());
      hash.update(message);
      assert.equal(hash.digest(), digest);
    }
  });

  test(`${name}: every length up to nine blocks, and lengths about the size of a piece`, async () => {
    const bytes = bytesOf(3 * 65_536);
    const lengths = Array.from({ length: 9 * 64 + 1 }, (_, length) => length);
    for (const length of [...lengths, 65_535, 65_536, 65_537, 65_600, 131_072, 3 * 65_536]) {
      const hash = new Sha256Stream(await make());
      hash.update(bytes.subarray(0, length));
      assert.equal(hash.digest(), expected(bytes.subarray(0, length)), `${length} bytes`);
    }
  });

  test(`${name}: parts of any length give the digest of the whole`, async () => {
    const bytes = bytesOf(100_000);
    for (const part of [1, 7, 63, 64, 65, 127, 1_000, 4_096, 70_000]) {
      const hash = new Sha256Stream(await make());
      for (let at = 0; at < bytes.byteLength; at += part) hash.update(bytes.subarray(at, at + part));
      assert.equal(hash.digest(), expected(bytes), `parts of ${part}`);
    }
  });
}

test("a state saved by one engine is gone on with by the other", async () => {
  const bytes = bytesOf(10_000);
  for (const at of [0, 1, 63, 64, 4_096, 9_999]) {
    for (const [first, second] of [ENGINES, [...ENGINES].reverse()]) {
      const before = new Sha256Stream(await (first?.[1] ?? wasmEngine)());
      before.update(bytes.subarray(0, at));
      const after = new Sha256Stream(await (second?.[1] ?? wasmEngine)());
      assert.ok(after.load(before.save()));
      after.update(bytes.subarray(at));
      assert.equal(after.digest(), expected(bytes), `saved at ${at}`);
    }
  }
});

test("what is no state of ours is refused and changes nothing", () => {
  const good = new Sha256Stream(plainEngine());
  good.update(bytesOf(100));
  const saved = good.save();
  const otherTag = Uint8Array.from(saved);
  otherTag[3] = 2;
  const otherLength = Uint8Array.from(saved);
  otherLength[11] = 101;
  const tooLong = Uint8Array.from(saved);
  tooLong[4] = 0xff;
  const hash = new Sha256Stream(plainEngine());
  for (const state of [new Uint8Array(), saved.subarray(0, 20), saved.subarray(1), otherTag, otherLength, tooLong]) {
    assert.equal(hash.load(state), false);
  }
  assert.equal(hash.digest(), expected(new Uint8Array()));
});

test("the padding tells lengths beyond 32 bits", () => {
  const blocks: Uint8Array[] = [];
  const engine: Sha256Engine = {
    state: new Uint32Array(8),
    compress: (bytes) => {
      if (bytes.byteLength > 0) blocks.push(bytes.slice());
    },
  };
  const state = new Uint8Array(44 + 10);
  const view = new DataView(state.buffer);
  view.setUint32(0, 0x64736801);
  view.setBigUint64(4, 2n ** 40n + 10n);
  const hash = new Sha256Stream(engine);
  assert.ok(hash.load(state));
  hash.digest();
  const last = blocks[0] ?? new Uint8Array(64);
  assert.equal(blocks.length, 1);
  assert.equal(last[10], 0x80);
  assert.equal(new DataView(last.buffer).getBigUint64(56), 8n * (2n ** 40n + 10n));
});
