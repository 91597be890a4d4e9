import assert from "node:assert/strict";
import { test } from "node:test";
import type { Part } from "../../src/core/scheduler/messages.ts";
import { SegmentIntake } from "../../src/worker/segment-intake.ts";
import { FakeFile, FakeStore, settled, sha256 } from "./fakes.ts";

class Heard {
  readonly lines: string[] = [];
  readonly readable: number[] = [];
  parts: readonly Part[] = [];

  segmentReadable(index: number): void {
    this.readable.push(index);
  }

  segmentVerified(index: number): void {
    this.lines.push(`verified ${index}`);
  }

  segmentRejected(index: number): readonly Part[] {
    this.lines.push(`rejected ${index}`);
    return this.parts;
  }

  partsCompared(index: number, wrongSourceIds: readonly string[]): void {
    this.lines.push(`compared ${index} ${wrongSourceIds.join(",")}`);
  }

  storeFailed(cause: unknown): void {
    this.lines.push(`failed ${String(cause)}`);
  }
}

function withResolvers() {
  let resolve: (() => void) | undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve: () => resolve?.() };
}

function set(memoryBytes = 1_000) {
  const file = new FakeFile(250, 100);
  const store = new FakeStore(file.layout);
  const heard = new Heard();
  return {
    file,
    store,
    heard,
    intake: new SegmentIntake(file.layout, file.segmentList, store, sha256, memoryBytes, heard),
  };
}

test("bytes that span segments are verified and stored segment by segment, the short last one too", async () => {
  const { file, store, heard, intake } = set();
  intake.write(0, file.bytes);
  await settled();
  assert.deepEqual(heard.lines, ["verified 0", "verified 1", "verified 2"]);
  assert.deepEqual(store.written.get(1), file.slice(100, 200));
  assert.equal(store.written.get(2)?.byteLength, 50);
});

test("wrong bytes are never stored, and the segment can be fetched again", async () => {
  const { file, store, heard, intake } = set();
  const wrong = file.slice(0, 100);
  wrong[5] = (wrong[5] ?? 0) ^ 1;
  intake.write(0, wrong);
  await settled();
  assert.deepEqual(heard.lines, ["rejected 0"]);
  assert.equal(store.written.size, 0);
  intake.write(0, file.slice(0, 100));
  await settled();
  assert.deepEqual(heard.lines, ["rejected 0", "verified 0"]);
});

test("the parts of a rejected segment are compared with the right bytes", async () => {
  const { file, heard, intake } = set();
  heard.parts = [
    { sourceId: "honest", startByte: 100, endByte: 160 },
    { sourceId: "liar", startByte: 160, endByte: 200 },
  ];
  const wrong = file.slice(100, 200);
  wrong[80] = (wrong[80] ?? 0) ^ 1;
  intake.write(100, wrong);
  await settled();
  intake.write(100, file.slice(100, 200));
  await settled();
  assert.deepEqual(heard.lines, ["rejected 1", "verified 1", "compared 1 liar"]);
});

test("bytes for a stored segment are dropped", async () => {
  const { file, heard, intake } = set();
  intake.write(0, file.slice(0, 100));
  await settled();
  assert.equal(await intake.room(20), 80);
  intake.write(0, new Uint8Array(100));
  await settled();
  assert.deepEqual(heard.lines, ["verified 0"]);
});

test("discarded bytes have to come again", async () => {
  const { file, heard, intake } = set();
  intake.write(0, file.slice(0, 60));
  intake.discard(10, 20);
  intake.write(60, file.slice(60, 100));
  await settled();
  assert.deepEqual(heard.lines, []);
  intake.write(10, file.slice(10, 20));
  await settled();
  assert.deepEqual(heard.lines, ["verified 0"]);
});

test("a reader waits for memory until a segment is stored", async () => {
  const file = new FakeFile(400, 100);
  const heard = new Heard();
  const { promise: gate, resolve: release } = withResolvers();
  const slow = async (bytes: Uint8Array) => {
    await gate;
    return sha256(bytes);
  };
  const intake = new SegmentIntake(file.layout, file.segmentList, new FakeStore(file.layout), slow, 200, heard);
  intake.write(0, file.slice(0, 200)); // both buffers are in verification
  let room: number | undefined;
  const waiting = intake.room(200).then((bytes) => {
    room = bytes;
  });
  await settled();
  assert.equal(room, undefined);
  release();
  await waiting;
  assert.equal(room, 100);
});

test("a store that fails is told once, and nothing is called verified", async () => {
  const { file, store, heard, intake } = set();
  store.failure = new Error("full");
  intake.write(0, file.slice(0, 100));
  await settled();
  assert.deepEqual(heard.lines, ["failed Error: full"]);
});

test("after close nothing is taken and nothing is told", async () => {
  const { file, store, heard, intake } = set();
  intake.write(0, file.slice(0, 100));
  intake.close();
  intake.write(100, file.slice(100, 200));
  await settled();
  assert.deepEqual(heard.lines, []);
  assert.equal(store.written.size, 0);
});
