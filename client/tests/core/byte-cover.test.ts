import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteCover } from "../../src/core/byte-cover.ts";

/** A small generator of our own, so that a failure can be run again (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("agrees with a set of bytes, for many random orders", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const next = random(seed);
    const cover = new ByteCover(10, 60);
    const seen = new Set<number>();
    for (let step = 0; step < 40; step += 1) {
      const start = 10 + Math.floor(next() * 50);
      const end = Math.min(60, start + 1 + Math.floor(next() * 12));
      const fresh = cover.add(start, end);
      assert.ok(fresh !== undefined);
      const bytes = fresh.flatMap(([from, to]) => Array.from({ length: to - from }, (_, at) => from + at));
      const expected = Array.from({ length: end - start }, (_, at) => start + at).filter((at) => !seen.has(at));
      assert.deepEqual(bytes, expected, `seed ${seed}, step ${step}`);
      for (const at of bytes) seen.add(at);
      assert.equal(cover.complete, seen.size === 50, `seed ${seed}, step ${step}`);
    }
  }
});

test("an answer scattered into too many pieces is refused", () => {
  const cover = new ByteCover(0, 1_000);
  for (let at = 0; at < 128; at += 2) assert.ok(cover.add(at, at + 1) !== undefined);
  assert.equal(cover.add(200, 201), undefined);
});
