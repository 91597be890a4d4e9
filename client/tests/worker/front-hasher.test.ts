import assert from "node:assert/strict";
import { test } from "node:test";
import { verifySegment } from "../../src/core/verified.ts";
import { FrontHasher } from "../../src/worker/front-hasher.ts";
import { runHasher } from "../../src/worker/hasher.ts";
import { FakeFile, FakeStore, sha256 } from "./fakes.ts";

async function hashInOrder(file: FakeFile, order: readonly number[]): Promise<string> {
  const { port1, port2 } = new MessageChannel();
  const hashing = runHasher(port1);
  const store = new FakeStore(file.layout);
  const hasher = new FrontHasher(file.layout, store, port2);
  try {
    const digest = hasher.digest();
    for (const index of order) {
      const bytes = file.slice(file.layout.startOf(index), file.layout.endOf(index));
      const expected = file.segmentList.subarray(32 * index, 32 * index + 32);
      const segment = await verifySegment(index, bytes, expected, sha256);
      assert.ok(segment !== undefined);
      store.write(segment);
      hasher.segmentStored(index);
    }
    return await digest;
  } finally {
    await hashing;
    hasher.close();
    port1.close();
  }
}

for (const order of [
  [0, 1, 2, 3, 4],
  [4, 3, 2, 1, 0],
  [1, 4, 0, 3, 2],
]) {
  test(`the whole file's digest is right when segments come as ${order.join(" ")}`, async () => {
    const file = new FakeFile(4_321, 1_000);
    assert.equal(await hashInOrder(file, order), file.sha256);
  });
}

test("an empty file has the digest of nothing", async () => {
  const file = new FakeFile(0, 1_000);
  assert.equal(await hashInOrder(file, []), file.sha256);
});

test("a store that cannot be read back fails the digest", async () => {
  const file = new FakeFile(1_000, 1_000);
  const { port1, port2 } = new MessageChannel();
  await runHasher(port1);
  const store = new FakeStore(file.layout);
  store.failure = new Error("gone");
  const hasher = new FrontHasher(file.layout, store, port2);
  hasher.segmentStored(0);
  await assert.rejects(hasher.digest(), /gone/);
  hasher.close();
  port1.close();
});
