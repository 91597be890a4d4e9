import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { toHex } from "../../src/core/hex.ts";
import { SharedFiles } from "../../src/share/shared-files.ts";

const SEGMENT = 65_536;
const CONTENT = new Uint8Array(3 * SEGMENT - 100).map((_, at) => (at * 7 + (at >> 16)) % 251);
const FILE_ID = "f".repeat(64);

const sha256 = (bytes: Uint8Array) => Promise.resolve(new Uint8Array(createHash("sha256").update(bytes).digest()));

/** A download of three segments, of which two are stored, on a disk that the test can change. */
async function scene() {
  const segments = [0, 1, 2].map((index) => CONTENT.slice(index * SEGMENT, (index + 1) * SEGMENT));
  const digests = await Promise.all(segments.map(sha256));
  const segmentList = new Uint8Array(digests.flatMap((digest) => [...digest]));
  const disk: { blob: Blob | undefined; refusals: number } = { blob: new Blob([CONTENT]), refusals: 0 };
  const gone: string[] = [];
  const open = () => {
    if (disk.refusals === 0) return Promise.resolve(disk.blob);
    disk.refusals -= 1;
    const refusing = { slice: () => ({ arrayBuffer: () => Promise.reject(new Error("NotReadableError")) }) };
    return Promise.resolve(refusing as unknown as Blob); // as: what is used of a blob
  };
  const files = new SharedFiles(open, sha256, (fileId) => gone.push(fileId));
  files.add({ fileId: FILE_ID, sizeBytes: CONTENT.length, segmentSizeBytes: SEGMENT, segmentList });
  files.stored(FILE_ID, [[1, 3]]);
  const read = async (index: number) => {
    const target = new Uint8Array(1_000);
    await files.read(toHex(digests[index] ?? new Uint8Array()), 500, target);
    return target;
  };
  return { files, disk, gone, digests: digests.map(toHex), read };
}

test("only what was stored is held, with its right size", async () => {
  const { files, digests, read } = await scene();
  assert.deepEqual(files.holdings(FILE_ID), [[1, 3]]);
  assert.equal(files.sizeOf(FILE_ID, digests[0] ?? ""), undefined);
  assert.equal(files.sizeOf(FILE_ID, digests[2] ?? ""), SEGMENT - 100);
  assert.equal(files.sizeOf("e".repeat(64), digests[2] ?? ""), undefined);
  assert.deepEqual(await read(2), CONTENT.slice(2 * SEGMENT + 500, 2 * SEGMENT + 1_500));
  await assert.rejects(read(0), { code: "store_unreadable" });
});

test("what is on the disk is checked again: another byte is not served, and the segment not held any more", async () => {
  const { files, disk, read } = await scene();
  disk.blob = new Blob([CONTENT.map((byte, at) => (at === SEGMENT ? byte ^ 1 : byte))]);
  await assert.rejects(read(1), { code: "segment_mismatch" });
  assert.deepEqual(files.holdings(FILE_ID), [[2, 3]]);
  assert.equal((await read(2)).length, 1_000);
});

test("a file that is written to meanwhile is read again; one that is gone is not held", async () => {
  const { files, disk, gone, read } = await scene();
  disk.refusals = 3;
  assert.deepEqual(await read(1), CONTENT.slice(SEGMENT + 500, SEGMENT + 1_500));
  disk.blob = undefined;
  await assert.rejects(read(2), { code: "store_unreadable" });
  assert.deepEqual(files.holdings(FILE_ID), []);
  assert.deepEqual(gone, [FILE_ID]);
});

test("memory is bounded by bytes, whichever file was first", async () => {
  const { files, disk } = await scene(); // its segments are small
  const size = 8 * 1024 * 1024;
  const large = new Uint8Array(3 * size).fill(1, size).fill(2, 2 * size);
  const digests = await Promise.all([0, 1, 2].map((index) => sha256(large.slice(index * size, (index + 1) * size))));
  const segmentList = new Uint8Array(digests.flatMap((digest) => [...digest]));
  files.add({ fileId: "e".repeat(64), sizeBytes: large.length, segmentSizeBytes: size, segmentList });
  files.stored("e".repeat(64), [[0, 3]]);
  disk.blob = new Blob([large]);
  const read = (index: number) => files.read(toHex(digests[index] ?? new Uint8Array()), 0, new Uint8Array(16));
  for (const index of [0, 1, 2]) await read(index);
  disk.blob = new Blob([]); // what is not in memory is not found right any more
  await read(1);
  await read(2);
  await assert.rejects(read(0), { code: "segment_mismatch" });
});

test("what is withdrawn is not read from memory either, nor when it is on its way from the disk", async () => {
  const { files, read } = await scene();
  await read(1);
  const loading = read(2);
  files.drop(FILE_ID);
  await assert.rejects(loading, { code: "store_unreadable" });
  await assert.rejects(read(1), { code: "store_unreadable" });
});

test("a file that cannot be read is not tried for ever", async () => {
  const { disk, read } = await scene();
  disk.refusals = 4;
  await assert.rejects(read(1), { code: "store_unreadable" });
  assert.equal(disk.refusals, 0);
});
