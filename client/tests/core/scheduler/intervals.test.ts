import assert from "node:assert/strict";
import { test } from "node:test";

import { IntervalSet } from "../../../src/core/scheduler/intervals.ts";

/** A small generator (Park and Miller), so that every run is the same. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (state * 48_271) % 2_147_483_647;
    yield state;
  }
}

test("it is a set of integers: 3,000 changes against an array of booleans", () => {
  const random = numbers(1);
  const oracle = new Array<boolean>(64).fill(false);
  const tested = new IntervalSet();
  for (let step = 0; step < 3_000; step += 1) {
    const start = random.next().value % 64;
    const end = Math.min(64, start + (random.next().value % 9));
    const adds = random.next().value % 2 === 0;
    if (adds) tested.add(start, end);
    else tested.remove(start, end);
    oracle.fill(adds, start, end);

    const runs = [...tested];
    const got = new Array<boolean>(64).fill(false);
    for (const [from, to] of runs) got.fill(true, from, to);
    assert.deepEqual(got, oracle);
    let last = -1;
    for (const [from, to] of runs) {
      assert.ok(from > last, "adjacent or unsorted");
      last = to;
    }
    assert.equal(tested.total, oracle.filter(Boolean).length);
    assert.equal(tested.isEmpty, tested.total === 0);
    if (start < end) assert.equal(tested.holds(start, end), oracle.slice(start, end).every(Boolean));
    const within = [...tested.within(start, end)].reduce((sum, [from, to]) => sum + to - from, 0);
    assert.equal(within, oracle.slice(start, end).filter(Boolean).length);
  }
});

test("adjacent intervals are merged at the start", () => {
  const merged = new IntervalSet([
    [0, 2],
    [2, 5],
    [7, 8],
  ]);
  assert.deepEqual(
    [...merged],
    [
      [0, 5],
      [7, 8],
    ],
  );
});
