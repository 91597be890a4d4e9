import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../src/core/session-backoff.ts";

test("waits grow to a minute, and chance spreads them", () => {
  const backoff = new Backoff();
  const longest = Array.from({ length: 9 }, () => backoff.failed(0, 0.999_999));
  assert.deepEqual(longest, [999, 1_999, 3_999, 7_999, 15_999, 31_999, 59_999, 59_999, 59_999]);
  assert.equal(backoff.failed(0, 0.5), 30_000);
  assert.equal(backoff.failed(0, 0), 250);
});

test("a session that lasted starts over, one that ended at once does not", () => {
  const backoff = new Backoff();
  for (let failure = 0; failure < 5; failure += 1) backoff.failed(0, 0);
  assert.equal(backoff.failed(29_999, 0.999_999), 31_999);
  assert.equal(backoff.failed(30_000, 0.999_999), 999);
});
