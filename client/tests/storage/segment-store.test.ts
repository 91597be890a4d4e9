import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { toHex } from "../../src/core/hex.ts";
import type { SegmentRecord } from "../../src/core/store-record.ts";
import { verifySegment, type VerifiedSegment } from "../../src/core/verified.ts";
import { SegmentStore, STORE_BYTES_MIN, STORE_FOLDER } from "../../src/storage/segment-store.ts";
import { FakeFolder } from "./fake-folder.ts";

const FILE = "f1".repeat(32);
const OTHER = "f2".repeat(32);
const SEGMENT_BYTES = 4_096;
const asStored = (records: readonly SegmentRecord[]) => records;

const sha256 = (bytes: Uint8Array) => Promise.resolve(new Uint8Array(createHash("sha256").update(bytes).digest()));

interface Made {
  readonly segment: VerifiedSegment;
  readonly digest: string;
}

async function made(index: number, content = index): Promise<Made> {
  const bytes = Uint8Array.from({ length: SEGMENT_BYTES }, (_, at) => (at * 7 + content * 13) & 0xff);
  const digest = await sha256(bytes);
  const segment = await verifySegment(index, bytes, digest, sha256);
  assert.ok(segment !== undefined);
  return { segment, digest: toHex(digest) };
}

async function filled(root: FakeFolder, count: number, limitBytes = 1_000_000): Promise<SegmentStore> {
  const store = await SegmentStore.open(root, limitBytes, sha256);
  for (let index = 0; index < count; index += 1) {
    const { segment, digest } = await made(index);
    assert.equal(await store.put(FILE, digest, segment), true);
  }
  return store;
}

async function readBack(store: SegmentStore, index: number, content = index): Promise<void> {
  const { segment, digest } = await made(index, content);
  const part = new Uint8Array(1_000);
  await store.read(digest, 96, part);
  assert.deepEqual(part, segment.bytes.subarray(96, 1_096));
}

const CHARGED = { day: 20_780, dayBytes: 9_876_543_210, month: 24_321, monthBytes: 98_765_432_109 };

const onDisk = (root: FakeFolder) => root.folders.get(STORE_FOLDER)?.sizeBytes ?? 0;

test("what was put is there after a restart, with the totals", async () => {
  const root = new FakeFolder();
  const store = await filled(root, 3);
  const totals = {
    servedBytes: 12_345_678_901,
    servedTodayBytes: 5,
    day: 20_779,
    people: 37,
    peopleToday: 4,
    charged: CHARGED,
  };
  await store.saveTotals({ ...totals, people: 1 });
  await store.saveTotals(totals);
  store.close();

  const again = await SegmentStore.open(root, 1_000_000, sha256);
  assert.deepEqual(again.holdings(FILE), [[0, 3]]);
  assert.deepEqual(again.totals, totals);
  assert.equal(again.usedBytes, onDisk(root));
  await readBack(again, 1);
});

test("the files never have more bytes than the limit, the index counted", async () => {
  const root = new FakeFolder();
  const limitBytes = 10 * SEGMENT_BYTES;
  let most = 0;
  root.changed = () => {
    most = Math.max(most, root.sizeBytes);
  };
  const store = await SegmentStore.open(root, limitBytes, sha256);
  let kept = 0;
  for (let index = 0; index < 20; index += 1) {
    const { segment, digest } = await made(index);
    if (await store.put(FILE, digest, segment)) kept += 1;
  }
  assert.equal(kept, 9); // ten segments would fit without the index
  assert.ok(most <= limitBytes, `${most} bytes`);
  assert.equal(store.usedBytes, root.sizeBytes);
});

test("a smaller limit frees at once, the least valuable first", async () => {
  const root = new FakeFolder();
  const store = await filled(root, 8);
  const limitBytes = 4 * SEGMENT_BYTES;
  await store.setLimit(limitBytes, (records) => [...records].sort((left, right) => right.index - left.index));
  assert.ok(onDisk(root) <= limitBytes);
  assert.deepEqual(store.holdings(FILE), [[5, 8]]);
  await readBack(store, 6);
  await store.setLimit(1_000_000, asStored);
  const { segment, digest } = await made(0);
  assert.equal(await store.put(FILE, digest, segment), true);
});

test("a limit that is smaller at the next start is kept from the start", async () => {
  const root = new FakeFolder();
  (await filled(root, 8)).close();
  const store = await SegmentStore.open(root, 3 * SEGMENT_BYTES, sha256);
  assert.ok(onDisk(root) <= 3 * SEGMENT_BYTES);
  assert.equal(store.records.length, 2);
});

test("dropping leaves an index without gaps, and what is left can be read", async () => {
  const root = new FakeFolder();
  const store = await filled(root, 8);
  await store.drop([0, 3, 7, 12].map((index) => ({ fileId: FILE, index })));
  assert.deepEqual(store.holdings(FILE), [
    [1, 3],
    [4, 7],
  ]);
  assert.equal(store.usedBytes, onDisk(root));
  for (const index of [1, 2, 4, 5, 6]) await readBack(store, index);
  store.close();
  assert.deepEqual((await SegmentStore.open(root, 1_000_000, sha256)).holdings(FILE), [
    [1, 3],
    [4, 7],
  ]);
});

test("equal bytes at two places are stored once, and stay until the second place goes", async () => {
  const root = new FakeFolder();
  const store = await SegmentStore.open(root, 1_000_000, sha256);
  for (const [fileId, index] of [
    [FILE, 0],
    [FILE, 5],
    [OTHER, 1],
  ] as const) {
    const { segment, digest } = await made(index, 99);
    assert.equal(await store.put(fileId, digest, segment), true);
  }
  assert.ok(onDisk(root) < 2 * SEGMENT_BYTES);
  const { digest } = await made(0, 99);
  await store.drop([
    { fileId: FILE, index: 0 },
    { fileId: FILE, index: 5 },
  ]);
  assert.equal(store.sizeOf(FILE, digest), undefined);
  assert.equal(store.sizeOf(OTHER, digest), SEGMENT_BYTES);
  await readBack(store, 1, 99);
  await store.drop([{ fileId: OTHER, index: 1 }]);
  assert.equal(onDisk(root), STORE_BYTES_MIN);
});

test("files that the index does not name are removed at the start", async () => {
  const root = new FakeFolder();
  (await filled(root, 2)).close();
  const folder = root.folders.get(STORE_FOLDER);
  assert.ok(folder !== undefined);
  folder.files.set("ab".repeat(32), { bytes: new Uint8Array(500), open: false });
  folder.files.set("index.crswap", { bytes: new Uint8Array(9), open: false });
  const store = await SegmentStore.open(root, 1_000_000, sha256);
  assert.equal(onDisk(root), store.usedBytes);
  assert.deepEqual(store.holdings(FILE), [[0, 2]]);
});

test("a segment that went bad is found before its first byte is served, and removed", async () => {
  const root = new FakeFolder();
  (await filled(root, 2)).close();
  const { digest } = await made(0);
  const file = root.folders.get(STORE_FOLDER)?.files.get(digest);
  assert.ok(file !== undefined);
  file.bytes[17] = (file.bytes[17] ?? 0) ^ 1;
  const store = await SegmentStore.open(root, 1_000_000, sha256);
  await assert.rejects(store.read(digest, 0, new Uint8Array(10)), { code: "segment_mismatch" });
  assert.deepEqual(store.holdings(FILE), [[1, 2]]);
  await assert.rejects(store.read(digest, 0, new Uint8Array(10)), { code: "store_unreadable" });
});

test("a file that is gone takes its record with it", async () => {
  const root = new FakeFolder();
  (await filled(root, 2)).close();
  root.folders.get(STORE_FOLDER)?.files.delete((await made(0)).digest);
  assert.deepEqual((await SegmentStore.open(root, 1_000_000, sha256)).holdings(FILE), [[1, 2]]);
});

test("only one store at a time", async () => {
  const root = new FakeFolder();
  await filled(root, 1);
  await assert.rejects(SegmentStore.open(root, 1_000_000, sha256), { code: "store_in_use" });
});

test("a store of a later version is left alone", async () => {
  const root = new FakeFolder();
  (await filled(root, 1)).close();
  const index = root.folders.get(STORE_FOLDER)?.files.get("index");
  assert.ok(index !== undefined);
  const record = index.bytes.subarray(256, 384);
  record[3] = 2;
  let hash = 0x811c9dc5;
  for (const byte of record.subarray(0, 124)) hash = Math.imul(hash ^ byte, 0x01000193);
  new DataView(record.buffer, record.byteOffset).setUint32(124, hash >>> 0);
  await assert.rejects(SegmentStore.open(root, 1_000_000, sha256), { code: "store_version" });
  assert.equal(root.folders.get(STORE_FOLDER)?.files.size, 2);
});

test("a segment that the browser took away is no longer held, checked before or not", async () => {
  const root = new FakeFolder();
  const store = await filled(root, 3);
  const folder = root.folders.get(STORE_FOLDER);
  const [first, second] = [await made(0), await made(1)];
  await folder?.removeEntry(first.digest);
  await assert.rejects(store.read(first.digest, 0, new Uint8Array(10)), { code: "segment_mismatch" });
  assert.deepEqual(store.holdings(FILE), [[1, 3]]);
  store.close();
  const again = await SegmentStore.open(root, 1_000_000, sha256);
  await folder?.removeEntry(second.digest);
  await assert.rejects(again.read(second.digest, 0, new Uint8Array(10)), { code: "segment_mismatch" });
  assert.deepEqual(again.holdings(FILE), [[2, 3]]);
  assert.equal(again.usedBytes, onDisk(root));
});

test("a quota that ends in the middle of a write leaves nothing behind", async () => {
  const root = new FakeFolder();
  const store = await filled(root, 2);
  const before = onDisk(root);
  root.quotaBytes = before + 100;
  const third = await made(2);
  await assert.rejects(store.put(FILE, third.digest, third.segment), { code: "quota_exceeded" });
  root.quotaBytes = before + SEGMENT_BYTES + 5; // room for the data, none for its record
  await assert.rejects(store.put(FILE, third.digest, third.segment), { code: "quota_exceeded" });
  assert.equal(onDisk(root), before);
  root.quotaBytes = Infinity;
  assert.equal(await store.put(FILE, third.digest, third.segment), true);
  await readBack(store, 2);
});

test("erased means that nothing is left", async () => {
  const root = new FakeFolder();
  const store = await filled(root, 3);
  await readBack(store, 0);
  await store.erase();
  assert.equal(root.folders.size, 0);
  assert.equal(root.sizeBytes, 0);
});

test("a browser that ends at any moment leaves a store that opens, within its limit, with whole segments only", async () => {
  const root = new FakeFolder();
  const moments: FakeFolder[] = [];
  root.changed = () => {
    moments.push(root.copy());
  };
  const limitBytes = 6 * SEGMENT_BYTES;
  const store = await filled(root, 5, limitBytes);
  await store.drop([{ fileId: FILE, index: 1 }]);
  await store.saveTotals({
    servedBytes: 1,
    servedTodayBytes: 1,
    day: 1,
    people: 1,
    peopleToday: 1,
    charged: CHARGED,
  });
  const sixth = await made(5);
  await store.put(FILE, sixth.digest, sixth.segment);
  await store.setLimit(3 * SEGMENT_BYTES, asStored);
  assert.ok(moments.length > 25);
  for (const moment of moments) {
    const found = await SegmentStore.open(moment, limitBytes, sha256);
    assert.ok(onDisk(moment) <= found.usedBytes, "nothing is on disk that is not counted");
    assert.ok(found.usedBytes <= limitBytes);
    for (const { index } of found.records) await readBack(found, index);
    found.close();
  }
});
