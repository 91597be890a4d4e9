/** Sizes of segments, and lists that count only when they are the signed ones. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { checkMirrorUrl } from "../../src/core/mirror-url.ts";
import { segmentCount, segmentSizeBytes, verifySegmentList } from "../../src/core/segment-list.ts";
import type { Sha256 } from "../../src/core/verified.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

const sha256: Sha256 = (bytes) => Promise.resolve(createHash("sha256").update(bytes).digest());
const hex = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("the segment size follows from the size", () => {
  const table: [number, number, number][] = [
    [0, 256 * KIB, 0],
    [1, 256 * KIB, 1],
    [4 * MIB - 1, 256 * KIB, 16],
    [4 * MIB, MIB, 4],
    [8 * GIB, MIB, 8_192],
    [8 * GIB + 1, 2 * MIB, 4_097],
    [32 * GIB, 2 * MIB, 16_384],
    [32 * GIB + 1, 4 * MIB, 8_193],
    [1024 * GIB, 4 * MIB, 262_144],
  ];
  for (const [sizeBytes, segmentBytes, count] of table) {
    assert.equal(segmentSizeBytes(sizeBytes), segmentBytes);
    assert.equal(segmentCount(sizeBytes), count);
  }
  for (const sizeBytes of [-1, 1024 * GIB + 1]) {
    assert.throws(() => segmentSizeBytes(sizeBytes), { code: "manifest_bad_size" });
  }
});

test("a list is read by index", async () => {
  const data = Uint8Array.from({ length: 96 }, (_, at) => at);
  const list = await verifySegmentList(data, { sizeBytes: 700_000, segmentsSha256: hex(data) }, sha256);
  assert.equal(list.count, 3);
  assert.ok(list.checked);
  assert.deepEqual(list.digest(1), data.subarray(32, 64));
  for (const index of [-1, 3, 0.5]) assert.throws(() => list.digest(index), RangeError);
});

test("any other list is refused", async () => {
  const data = new Uint8Array(96);
  const other = { sizeBytes: 700_000, segmentsSha256: "0".repeat(64) };
  await assert.rejects(verifySegmentList(data, other, sha256), { code: "segment_list_mismatch" });
  for (const length of [64, 95, 97, 128]) {
    const signed = new Uint8Array(length);
    const of = { sizeBytes: 700_000, segmentsSha256: hex(signed) };
    await assert.rejects(verifySegmentList(signed, of, sha256), { code: "manifest_bad_size" });
  }
});

test("an accepted mirror has the host that the engine sees", () => {
  for (const url of ["http://a.example", "https://[::1]:8443/x?y", "http://a.example:80/@b", "http://a.example?x@y"]) {
    assert.equal(checkMirrorUrl(url), url);
    const parsed = new URL(url);
    assert.ok(url.split("//")[1]?.startsWith(parsed.hostname), url);
    assert.equal(parsed.username, "");
  }
});
