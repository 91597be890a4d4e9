import assert from "node:assert/strict";
import { test } from "node:test";
import { CELLS_MAX, heldCells } from "../../src/core/held-cells.ts";

test("a small file has a cell for each segment", () => {
  assert.deepEqual(heldCells(4, [[1, 3]], [[0, 3]]), [
    { quarters: 0, coming: true },
    { quarters: 4, coming: false },
    { quarters: 4, coming: false },
    { quarters: 0, coming: false },
  ]);
});

test("a large file is drawn in few cells, each as full as what it stands for", () => {
  const segments = 8 * CELLS_MAX;
  const cells = heldCells(
    segments,
    [
      [0, 8],
      [8, 12],
      [16, 17],
      [segments - 8, segments],
    ],
    [],
  );
  assert.equal(cells.length, CELLS_MAX);
  assert.deepEqual(
    [cells[0], cells[1], cells[2], cells[3], cells.at(-1)].map((cell) => cell?.quarters),
    [4, 2, 1, 0, 4],
  );
});

test("every held segment counts once, whatever the sizes", () => {
  for (const segments of [1, 47, 48, 49, 95, 97, 1_000]) {
    const cells = heldCells(segments, [[0, segments]], []);
    assert.ok(cells.every((cell) => cell.quarters === 4));
  }
  assert.deepEqual(heldCells(0, [[0, 5]], []), []);
  assert.deepEqual(heldCells(2, [[1, 9]], []), [
    { quarters: 0, coming: false },
    { quarters: 4, coming: false },
  ]);
});
