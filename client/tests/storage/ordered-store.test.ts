import assert from "node:assert/strict";
import { test } from "node:test";
import { verifySegment } from "../../src/core/verified.ts";
import { OrderedStore, type OrderedSink } from "../../src/storage/ordered-store.ts";
import { StoreError } from "../../src/wire/errors.ts";
import { FakeFile, FakeStore, settled, sha256 } from "../worker/fakes.ts";

class FakeSink implements OrderedSink {
  readonly taken: number[] = [];
  ended = "";
  failure: Error | undefined;
  /** Set: the next write waits until it is called. */
  gate: Promise<void> | undefined;

  async write(bytes: Uint8Array): Promise<void> {
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    this.taken.push(...bytes);
  }

  close(): Promise<undefined> {
    this.ended = "closed";
    return Promise.resolve(undefined);
  }

  abort(): Promise<void> {
    this.ended = "aborted";
    return Promise.resolve();
  }
}

const FILE = new FakeFile(450, 100); // five segments

async function segment(index: number) {
  const { layout, segmentList } = FILE;
  const bytes = FILE.slice(layout.startOf(index), layout.endOf(index));
  const verified = await verifySegment(index, bytes, segmentList.subarray(32 * index, 32 * (index + 1)), sha256);
  assert.ok(verified !== undefined);
  return verified;
}

/** Writes a segment and notes in `done` when its memory may be used again. */
async function write(store: OrderedStore, index: number, done: (number | string)[]): Promise<void> {
  store.write(await segment(index)).then(
    () => done.push(index),
    (cause: unknown) => done.push(cause instanceof StoreError ? cause.code : String(cause)),
  );
}

async function read(store: OrderedStore, index: number): Promise<number[]> {
  const bytes = new Uint8Array(FILE.layout.lengthOf(index));
  await store.read(FILE.layout.startOf(index), bytes);
  return [...bytes];
}

function bytesOf(first: number, end: number): number[] {
  return [...FILE.bytes.subarray(FILE.layout.startOf(first), FILE.layout.endOf(end - 1))];
}

test("segments leave in order, and their memory is free when they were read, too", async () => {
  const sink = new FakeSink();
  const store = new OrderedStore(FILE.layout, sink, undefined, () => undefined);
  const done: number[] = [];
  await write(store, 1, done);
  await settled();
  assert.deepEqual(sink.taken, []);
  await write(store, 0, done);
  await settled();
  assert.deepEqual(sink.taken, bytesOf(0, 2));
  assert.deepEqual(done, []);
  assert.deepEqual(await read(store, 0), bytesOf(0, 1));
  await settled();
  assert.deepEqual(done, [0]);
  assert.deepEqual(await read(store, 1), bytesOf(1, 2));
  await settled();
  assert.deepEqual(done, [0, 1]);
});

test("the last segment leaves when the file is known to be right", async () => {
  const sink = new FakeSink();
  let unlocked = 0;
  const store = new OrderedStore(FILE.layout, sink, undefined, () => (unlocked += 1));
  const done: number[] = [];
  for (const index of [4, 0, 2, 1, 3]) await write(store, index, done);
  for (let index = 0; index < 5; index += 1) await read(store, index);
  await settled();
  assert.deepEqual(sink.taken, bytesOf(0, 4));
  assert.deepEqual([...done].sort(), [0, 1, 2, 3, 4]);
  assert.deepEqual(await store.finish(), { kind: "delivered" });
  assert.deepEqual(sink.taken, [...FILE.bytes]);
  assert.deepEqual([sink.ended, unlocked], ["closed", 1]);
});

test("a write that comes while the last one is ending is not forgotten", async () => {
  const sink = new FakeSink();
  const store = new OrderedStore(FILE.layout, sink, undefined, () => undefined);
  let open: (() => void) | undefined;
  sink.gate = new Promise((resolve) => (open = resolve));
  const done: number[] = [];
  await write(store, 0, done);
  void sink.gate.then(() => write(store, 1, done));
  open?.();
  await settled();
  assert.deepEqual(sink.taken, bytesOf(0, 2));
});

test("what an earlier run left passes on in its turn, and goes at the end", async () => {
  const base = new FakeStore(FILE.layout);
  const stored = [true, true, false, true, false];
  for (const index of [0, 1, 3]) base.write(await segment(index));
  Object.assign(base.kept, { stored });
  const sink = new FakeSink();
  const store = new OrderedStore(FILE.layout, sink, base, () => undefined);
  assert.deepEqual(store.kept.stored, stored);
  const done: number[] = [];
  await write(store, 2, done);
  await write(store, 4, done);
  for (let index = 0; index < 5; index += 1) assert.deepEqual(await read(store, index), bytesOf(index, index + 1));
  await settled();
  await store.finish();
  assert.deepEqual(sink.taken, [...FILE.bytes]);
  assert.equal(base.written.size, 0); // forgotten: it is elsewhere
});

test("a sink that fails ends all that waits, and what an earlier run left stays", async () => {
  const base = new FakeStore(FILE.layout);
  base.write(await segment(3));
  Object.assign(base.kept, { stored: [false, false, false, true, false] });
  const sink = new FakeSink();
  const store = new OrderedStore(FILE.layout, sink, base, () => undefined);
  const done: string[] = [];
  await write(store, 1, done);
  sink.failure = new DOMException("full", "QuotaExceededError");
  await write(store, 0, done);
  await settled();
  assert.deepEqual(done, ["disk_full", "disk_full"]);
  await store.suspend();
  assert.equal(sink.ended, "aborted");
  assert.equal(base.written.size, 1);
});

test("a sink that fails at the very end is told so, and what an earlier run left stays", async () => {
  const base = new FakeStore(FILE.layout);
  for (let index = 0; index < 5; index += 1) base.write(await segment(index));
  Object.assign(base.kept, { stored: new Array<boolean>(5).fill(true) });
  const sink = new FakeSink();
  const store = new OrderedStore(FILE.layout, sink, base, () => undefined);
  await settled();
  assert.deepEqual(sink.taken, bytesOf(0, 4));
  sink.failure = new DOMException("full", "QuotaExceededError");
  await assert.rejects(store.finish(), { code: "disk_full" });
  await store.suspend();
  assert.equal(base.written.size, 5);
});
