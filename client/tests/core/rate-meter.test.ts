import assert from "node:assert/strict";
import { test } from "node:test";
import { RateMeter, WINDOW_US } from "../../src/core/rate-meter.ts";

const MS = 1_000;

test("a steady flow shows its rate", () => {
  const meter = new RateMeter(5_000 * MS);
  for (let at = 5_000; at < 15_000; at += 10) meter.add(1_000, at * MS);
  const rate = meter.rateBytesPerS(15_000 * MS);
  assert.ok(Math.abs(rate - 100_000) < 10_000, String(rate));
});

test("the first second is measured over the time that has passed, not over the whole window", () => {
  const meter = new RateMeter(0);
  meter.add(100_000, 500 * MS);
  assert.equal(meter.rateBytesPerS(1_000 * MS), 100_000);
});

test("after a window without a byte the rate is 0, after a long pause too", () => {
  const meter = new RateMeter(0);
  meter.add(1_000_000, 100 * MS);
  assert.equal(meter.rateBytesPerS(100 * MS + WINDOW_US + 250 * MS), 0);
  meter.add(1_000_000, 4_000_000 * MS);
  assert.equal(meter.rateBytesPerS(9_000_000 * MS), 0);
});
