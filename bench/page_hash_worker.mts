/** The worker of page_hash.py: hashes the same bytes by each way in turn, and says how many MiB/s each had. */

import { createSHA256 } from "hash-wasm";
import { plainEngine } from "../client/src/worker/sha256-plain.ts";
import { Sha256Stream } from "../client/src/worker/sha256-stream.ts";
import { wasmEngine } from "../client/src/worker/sha256-wasm.ts";

const PART_BYTES = 1_048_576;
const PARTS = 128;

const part = new Uint8Array(PART_BYTES);
for (let at = 0; at < PART_BYTES; at += 65_536) crypto.getRandomValues(part.subarray(at, at + 65_536));

async function ratesOf() {
  const theirs = await createSHA256();
  const digests = {
    "ours, WebAssembly": async () => hashed(new Sha256Stream(await wasmEngine())),
    "hash-wasm": async () =>
      hashed({ update: (bytes) => theirs.update(bytes), digest: () => theirs.digest() }, theirs.init()),
    "ours, JavaScript": async () => hashed(new Sha256Stream(plainEngine())),
  };
  const rates = {};
  const results = new Set();
  for (const [name, digest] of Object.entries(digests)) {
    await digest(); // the engine has compiled all of it by then
    const started = performance.now();
    results.add(await digest());
    rates[name] = (PARTS * 1_000) / (performance.now() - started);
  }
  if (results.size !== 1) throw new Error("the digests differ");
  return rates;
}

function hashed(hash: { update(bytes: Uint8Array): unknown; digest(): string }) {
  for (let count = 0; count < PARTS; count += 1) hash.update(part);
  return hash.digest();
}

self.onmessage = async () => {
  self.postMessage(await ratesOf());
};
