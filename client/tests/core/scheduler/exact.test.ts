import assert from "node:assert/strict";
import { test } from "node:test";

import { divide, divideUp, multiplyDivide } from "../../../src/core/scheduler/exact.ts";

test("division rounds down, and up where asked", () => {
  assert.deepEqual([divide(7, 2), divide(8, 2), divideUp(7, 2), divideUp(8, 2), divideUp(0, 2)], [3, 4, 4, 4, 0]);
  assert.equal(divide(Number.MAX_SAFE_INTEGER, 1), Number.MAX_SAFE_INTEGER);
});

test("a product beyond 2^53 is exact", () => {
  const rate = 12_345_678_901;
  const spanUs = 987_654_321;
  assert.ok(rate * spanUs > Number.MAX_SAFE_INTEGER);
  assert.equal(multiplyDivide(rate, spanUs, 1_000_000), Number((BigInt(rate) * BigInt(spanUs)) / 1_000_000n));
});

test("a small product is exact, too", () => {
  assert.equal(multiplyDivide(3, 5, 4), 3);
});
