import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentAssembly } from "../../src/core/segment-assembly.ts";

/** Bytes that say where in the file they belong. */
function fileBytes(startByte: number, endByte: number): Uint8Array {
  return Uint8Array.from({ length: endByte - startByte }, (_, offset) => (startByte + offset) % 251);
}

function assembly(): SegmentAssembly {
  return new SegmentAssembly(2, 200, new Uint8Array(100));
}

test("a segment is complete when every byte of it has come, in any order", () => {
  const segment = assembly();
  for (const [start, end] of [
    [250, 300],
    [200, 210],
    [230, 250],
    [210, 230],
  ] as const) {
    assert.equal(segment.complete, false);
    segment.write(start, fileBytes(start, end));
  }
  assert.equal(segment.complete, true);
  assert.deepEqual(segment.bytes, fileBytes(200, 300));
});

test("the first bytes for a place win over later ones", () => {
  const segment = assembly();
  segment.write(220, fileBytes(220, 240));
  segment.write(260, fileBytes(260, 280));
  segment.write(200, new Uint8Array(100).fill(255));
  assert.equal(segment.complete, true);
  assert.deepEqual(segment.bytes.subarray(20, 40), fileBytes(220, 240));
  assert.deepEqual(segment.bytes.subarray(60, 80), fileBytes(260, 280));
  assert.equal(segment.bytes[0], 255);
  assert.equal(segment.bytes[40], 255);
  assert.equal(segment.bytes[99], 255);
});

test("discarded bytes are missing again, and only they", () => {
  const segment = assembly();
  segment.write(200, fileBytes(200, 300));
  segment.discard(240, 250);
  assert.equal(segment.complete, false);
  segment.write(200, new Uint8Array(100).fill(255));
  assert.equal(segment.complete, true);
  assert.deepEqual(segment.bytes.subarray(0, 40), fileBytes(200, 240));
  assert.deepEqual([...segment.bytes.subarray(40, 50)], new Array<number>(10).fill(255));
  assert.deepEqual(segment.bytes.subarray(50), fileBytes(250, 300));
});

test("random writes and discards leave what a byte-by-byte oracle says", () => {
  let state = 7;
  const chance = (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  for (let round = 0; round < 200; round += 1) {
    const segment = assembly();
    const oracle = new Array<number | undefined>(100).fill(undefined);
    for (let step = 0; step < 12; step += 1) {
      const start = chance(100);
      const end = start + 1 + chance(100 - start);
      const mark = step + 1;
      if (chance(4) === 0) {
        segment.discard(200 + start, 200 + end);
        oracle.fill(undefined, start, end);
      } else {
        segment.write(200 + start, new Uint8Array(end - start).fill(mark));
        for (let at = start; at < end; at += 1) oracle[at] ??= mark;
      }
    }
    assert.equal(segment.complete, !oracle.includes(undefined));
    oracle.forEach((mark, at) => {
      if (mark !== undefined) assert.equal(segment.bytes[at], mark);
    });
  }
});
