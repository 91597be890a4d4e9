import assert from "node:assert/strict";
import { test } from "node:test";
import type { HashedFront } from "../../src/core/download-journal.ts";
import { Checkpoints, CHECKPOINT_BYTES, CHECKPOINT_US } from "../../src/worker/checkpoints.ts";
import { FakeClock } from "../transport/fake-clock.ts";
import { FakeFile, FakeStore, settled } from "./fakes.ts";

const FRONT: HashedFront = { segments: 1, state: Uint8Array.of(1) };

function set(front: () => Promise<HashedFront | undefined> = () => Promise.resolve(FRONT)) {
  const store = new FakeStore(new FakeFile(300, 100).layout);
  const clock = new FakeClock();
  const failures: unknown[] = [];
  const checkpoints = new Checkpoints(store, front, clock, (cause) => failures.push(cause));
  return { store, clock, failures, checkpoints };
}

test("a little becomes durable after a time, counted from its first segment", async () => {
  const { store, clock, checkpoints } = set();
  checkpoints.segmentStored(100);
  await clock.pass(CHECKPOINT_US - 1);
  checkpoints.segmentStored(100);
  assert.deepEqual(store.checkpoints, []);
  await clock.pass(2);
  assert.deepEqual(store.checkpoints, [FRONT]);
});

test("much becomes durable at once", async () => {
  const { store, checkpoints } = set();
  checkpoints.segmentStored(CHECKPOINT_BYTES - 1);
  await settled();
  assert.equal(store.checkpoints.length, 0);
  checkpoints.segmentStored(1);
  await settled();
  assert.equal(store.checkpoints.length, 1);
});

test("nothing new makes no checkpoint", async () => {
  const { store, clock, checkpoints } = set();
  checkpoints.now();
  await clock.pass(2 * CHECKPOINT_US);
  assert.equal(store.checkpoints.length, 0);
});

test("what comes while a checkpoint is made belongs to the next, also when its time passes meanwhile", async () => {
  const answers: ((front: undefined) => void)[] = [];
  const { store, clock, checkpoints } = set(() => new Promise((resolve) => answers.push(resolve)));
  checkpoints.segmentStored(100);
  checkpoints.now();
  checkpoints.segmentStored(100);
  await clock.pass(CHECKPOINT_US + 1);
  assert.equal(answers.length, 1); // one at a time
  answers[0]?.(undefined);
  await clock.pass(CHECKPOINT_US + 1);
  assert.deepEqual(store.checkpoints, [undefined]);
  answers[1]?.(undefined);
  await settled();
  assert.equal(store.checkpoints.length, 2);
});

test("much that comes while a checkpoint is made is made durable right after it", async () => {
  const { store, checkpoints } = set();
  checkpoints.segmentStored(CHECKPOINT_BYTES);
  checkpoints.segmentStored(CHECKPOINT_BYTES);
  await settled();
  assert.equal(store.checkpoints.length, 2);
});

test("a store that cannot make it durable is told of", async () => {
  const { store, failures, checkpoints } = set();
  store.failure = new Error("full");
  checkpoints.segmentStored(CHECKPOINT_BYTES);
  await settled();
  assert.deepEqual(failures, [store.failure]);
});

test("after the end nothing is written and nothing told", async () => {
  const { store, clock, failures, checkpoints } = set();
  checkpoints.segmentStored(CHECKPOINT_BYTES);
  checkpoints.segmentStored(1);
  checkpoints.close();
  checkpoints.segmentStored(1);
  await clock.pass(2 * CHECKPOINT_US);
  assert.deepEqual([store.checkpoints, failures], [[], []]);
});
