import assert from "node:assert/strict";
import { test } from "node:test";
import { KEPT } from "../../src/core/segment-senders.ts";
import { CELLS_MAX, SegmentMap } from "../../src/ui/segment-map.ts";

const runs = (...numbers: number[]) => new Int32Array(numbers);

test("a small file has a cell for each segment", () => {
  const map = new SegmentMap(4);
  map.add(runs(0, 1, KEPT, 2, 2, 5));
  assert.deepEqual(map.cells(), [
    { sender: KEPT, full: true },
    { sender: null, full: false },
    { sender: 5, full: true },
    { sender: 5, full: true },
  ]);
});

test("a large file's cell shows who sent most of it, and is full when all of it is there", () => {
  const map = new SegmentMap(10 * CELLS_MAX);
  map.add(runs(0, 4, 0, 4, 3, 1));
  assert.deepEqual(map.cells()[0], { sender: 0, full: false });
  map.add(runs(7, 3, 1));
  assert.deepEqual(map.cells()[0], { sender: 1, full: true });
  assert.deepEqual(map.cells()[1], { sender: null, full: false });
});

test("a tie is the lower row's, whoever came first", () => {
  const map = new SegmentMap(2 * CELLS_MAX);
  map.add(runs(0, 1, 3, 1, 1, 2));
  assert.deepEqual(map.cells()[0], { sender: 2, full: true });
});

for (const count of [1, 2, 31, 33, 95, 96, 97, 100, 191, 700, 8_191, 262_144]) {
  test(`every segment of ${count} is in exactly one cell, and rows hold what they can`, () => {
    const whole = new SegmentMap(count);
    whole.add(runs(0, count, 0));
    assert.ok(whole.cells().every(({ full }) => full));
    const piecewise = new SegmentMap(count);
    for (let first = 0; first < count; first += 7) piecewise.add(runs(first, Math.min(7, count - first), 0));
    assert.deepEqual(piecewise.cells(), whole.cells());
    assert.equal(whole.cells().length, Math.min(count, CELLS_MAX));
    assert.ok(whole.columns >= 1 && whole.columns <= 32);
    assert.ok(whole.columns * Math.ceil(whole.cells().length / 32) >= whole.cells().length);
  });
}

test("an empty file has no cell", () => {
  assert.deepEqual(new SegmentMap(0).cells(), []);
});
