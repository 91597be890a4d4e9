import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRate, formatSize, formatTimeLeft, percentOf, sourceName } from "../../src/ui/format.ts";

test("sizes are decimal, short, and never more exact than they can be read", () => {
  assert.equal(formatSize(0, "en"), "0 byte");
  assert.equal(formatSize(999, "en"), "999 byte");
  assert.equal(formatSize(1_000, "en"), "1 kB");
  assert.equal(formatSize(1_234_567, "en"), "1.2 MB");
  assert.equal(formatSize(123_456_789, "en"), "123 MB");
  assert.equal(formatSize(5_368_709_120, "en"), "5.4 GB");
  assert.equal(formatSize(5e15, "en"), "5,000 TB");
});

test("a rate is a size in a second", () => {
  assert.equal(formatRate(2_500_000, "en"), "2.5 MB/s");
});

test("the time left is rounded as far as it can be known", () => {
  assert.equal(formatTimeLeft(1_000_000, 1_000_000), "1 second");
  assert.equal(formatTimeLeft(59_000_000, 1_000_000), "59 seconds");
  assert.equal(formatTimeLeft(100_000_000, 1_000_000), "2 minutes");
  assert.equal(formatTimeLeft(7_200_000_000, 1_000_000), "2 hours");
});

test("nothing is said of the time left when nothing moves, or as good as nothing", () => {
  assert.equal(formatTimeLeft(1_000_000, 0), undefined);
  assert.equal(formatTimeLeft(1e15, 1), undefined);
});

test("a hundred percent are shown only when all is there", () => {
  assert.equal(percentOf(999_999, 1_000_000), 99);
  assert.equal(percentOf(1_000_000, 1_000_000), 100);
  assert.equal(percentOf(0, 0), 100);
});

test("a mirror is called by its host, a donor by its number", () => {
  assert.equal(sourceName({ id: "https://mirror.example:8443/pub/f.iso", kind: "mirror" }), "mirror.example:8443");
  assert.equal(sourceName({ id: "donor 2", kind: "peer" }), "donor 2");
});
