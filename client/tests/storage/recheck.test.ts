import assert from "node:assert/strict";
import { test } from "node:test";
import { Mark } from "../../src/core/download-journal.ts";
import { recheck } from "../../src/storage/recheck.ts";
import { FakeFile, sha256 } from "../worker/fakes.ts";

const FILE = new FakeFile(450, 100);
const { layout, segmentList, sha256: fileId } = FILE;
const TARGET = { fileId, segmentsSha256: "00".repeat(32), layout, segmentList, about: { name: "a", href: null } };

async function check(marks: number[], disk: Uint8Array): Promise<[boolean, number[]]> {
  const own = Uint8Array.from(marks);
  const read = (at: number, into: Uint8Array) => {
    into.set(disk.subarray(at, at + into.length));
  };
  const allRight = await recheck(TARGET, own, read, sha256);
  return [allRight, [...own]];
}

test("recent segments that are right become durable", async () => {
  const marks = [Mark.durable, Mark.recent, Mark.missing, Mark.recent, Mark.recent];
  assert.deepEqual(await check(marks, FILE.bytes), [true, [1, 1, 0, 1, 1]]);
});

test("a recent segment that is damaged is missing again", async () => {
  const disk = FILE.bytes.slice();
  disk[150] = 255;
  assert.deepEqual(await check([2, 2, 2, 0, 0], disk), [false, [1, 0, 1, 0, 0]]);
});

test("a segment that the disk lost is not taken for the one before it", async () => {
  assert.deepEqual(await check([2, 2, 0, 0, 0], FILE.bytes.subarray(0, 100)), [false, [1, 0, 0, 0, 0]]);
});

test("durable segments are not read again", async () => {
  assert.deepEqual(await check([1, 1, 1, 1, 1], new Uint8Array(0)), [true, [1, 1, 1, 1, 1]]);
});
