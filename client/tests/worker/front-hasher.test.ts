import assert from "node:assert/strict";
import { test } from "node:test";
import type { HashedFront } from "../../src/core/download-journal.ts";
import { verifySegment } from "../../src/core/verified.ts";
import { FrontHasher } from "../../src/worker/front-hasher.ts";
import { runHasher } from "../../src/worker/hasher.ts";
import { FakeFile, FakeStore, settled, sha256 } from "./fakes.ts";

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
      hasher.segmentReadable(index);
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
  hasher.segmentReadable(0);
  await assert.rejects(hasher.digest(), /gone/);
  hasher.close();
  port1.close();
});

test("a segment that could not be read once is read again for the digest", async () => {
  const file = new FakeFile(1_000, 1_000);
  const { hasher, store, end } = await over(file);
  store.failure = new Error("being renamed");
  hasher.segmentReadable(0);
  await settled();
  store.failure = undefined;
  assert.equal(await hasher.digest(), file.sha256);
  end();
});

/** A hasher over a store that holds all of the file, and what ends both. */
async function over(file: FakeFile): Promise<{ hasher: FrontHasher; store: FakeStore; end: () => void }> {
  const { port1, port2 } = new MessageChannel();
  await runHasher(port1);
  const store = new FakeStore(file.layout);
  for (let index = 0; index < file.layout.count; index += 1) {
    store.written.set(index, file.slice(file.layout.startOf(index), file.layout.endOf(index)));
  }
  const hasher = new FrontHasher(file.layout, store, port2);
  const end = () => {
    hasher.close();
    port1.close();
  };
  return { hasher, store, end };
}

/** The saved digest of a file's first three segments. */
async function savedFront(file: FakeFile): Promise<HashedFront | undefined> {
  const { hasher, end } = await over(file);
  for (const index of [0, 1, 2]) hasher.segmentReadable(index);
  await settled();
  const front = await hasher.save();
  end();
  return front;
}

const STORED = [true, true, true, false, true];

test("a later run goes on with the saved state, and reads nothing of the front", async () => {
  const file = new FakeFile(4_321, 1_000);
  const front = await savedFront(file);
  assert.equal(front?.segments, 3);
  const { hasher, store, end } = await over(file);
  for (const index of [0, 1, 2]) store.written.set(index, new Uint8Array(1_000));
  await hasher.resume({ stored: STORED, front });
  hasher.segmentReadable(3);
  assert.equal(await hasher.digest(), file.sha256);
  end();
});

test("a state that cannot be loaded costs reading the front again", async () => {
  const file = new FakeFile(4_321, 1_000);
  const { hasher, end } = await over(file);
  await hasher.resume({ stored: STORED, front: { segments: 3, state: Uint8Array.of(1, 2, 3) } });
  hasher.segmentReadable(3);
  assert.equal(await hasher.digest(), file.sha256);
  end();
});

test("a later run without a state hashes what is stored from the beginning", async () => {
  const file = new FakeFile(4_321, 1_000);
  const { hasher, end } = await over(file);
  await hasher.resume({ stored: [true, true, true, true, true], front: undefined });
  assert.equal(await hasher.digest(), file.sha256);
  end();
});

test("a state that is waited for at the end is none", async () => {
  const { hasher, end } = await over(new FakeFile(1_000, 1_000));
  const front = hasher.save();
  end();
  assert.equal(await front, undefined);
});
