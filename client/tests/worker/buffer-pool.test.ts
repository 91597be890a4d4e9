import assert from "node:assert/strict";
import { test } from "node:test";
import { BufferPool } from "../../src/worker/buffer-pool.ts";

test("beyond the bound a taker waits while a buffer is on its way back", async () => {
  const pool = new BufferPool(8, 2);
  const first = pool.take();
  pool.take();
  pool.announceReturn();
  assert.equal(pool.tryTake(), undefined);
  const freed = pool.freed();
  pool.giveBack(first);
  await freed;
  assert.equal(pool.tryTake(), first);
});

test("when no buffer is on its way back there is one more, so that nobody waits for ever", () => {
  const pool = new BufferPool(8, 2);
  pool.take();
  pool.take();
  assert.ok(pool.tryTake() instanceof ArrayBuffer);
  assert.equal(pool.taken, 3);
});

test("buffers beyond the bound are not kept", () => {
  const pool = new BufferPool(8, 1);
  const [one, two] = [pool.take(), pool.take()];
  for (const buffer of [one, two]) {
    pool.announceReturn();
    pool.giveBack(buffer);
  }
  assert.equal(pool.take(), two);
  assert.notEqual(pool.take(), one);
});
