import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { difference, inParts, indicesOf, overlap, runsFromWire, runsOf, runsToWire } from "../../src/core/runs.ts";
import { RUNS_MAX } from "../../src/wire/messages.ts";

test("the wire's form and back", () => {
  const runs = runsFromWire([0, 2, 5, 1], 8);
  assert.deepEqual(runs, [
    [0, 2],
    [5, 6],
  ]);
  assert.deepEqual(runsToWire(runs), [0, 2, 5, 1]);
});

for (const [why, flat] of Object.entries({
  "an odd length": [0],
  "an empty run": [0, 0],
  overlap: [0, 3, 2, 1],
  "adjacent runs": [0, 2, 2, 1],
  "out of order": [5, 1, 0, 1],
  "beyond the file": [7, 2],
})) {
  test(`refused: ${why}`, () => {
    assert.throws(() => runsFromWire(flat, 8), { code: "message_malformed" });
  });
}

test("more runs than a message takes are told in part", () => {
  const runs = Array.from({ length: RUNS_MAX + 5 }, (_, index): [number, number] => [2 * index, 2 * index + 1]);
  assert.equal(runsToWire(runs).length, 2 * RUNS_MAX);
});

test("indices in any order become runs, and runs indices", () => {
  const runs = runsOf([4, 0, 1, 9, 5, 4]);
  assert.deepEqual(runs, [
    [0, 2],
    [4, 6],
    [9, 10],
  ]);
  assert.deepEqual([...indicesOf(runs)], [0, 1, 4, 5, 9]);
});

test("overlap and difference agree with the obvious way, for all small sets", () => {
  const sets = Array.from({ length: 64 }, (_, bits) => runsOf([0, 1, 2, 3, 4, 5].filter((bit) => (bits >> bit) & 1)));
  sets.forEach((left, leftBits) => {
    sets.forEach((right, rightBits) => {
      const where = `${leftBits} ${rightBits}`;
      assert.equal(overlap(left, right), (leftBits & rightBits) !== 0, where);
      assert.deepEqual(difference(left, right), sets[leftBits & ~rightBits], where);
    });
  });
});

interface Parts {
  readonly cases: readonly {
    readonly name: string;
    readonly runs: readonly number[];
    readonly parts: readonly number[];
  }[];
}

const file = new URL("../../../spec/vectors/message-parts.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Parts; // as: the file is ours

for (const { name, runs, parts } of vectors.cases) {
  test(`files in messages: ${name}`, () => {
    const files = runs.map((count, at) => ({
      file_id: String(at),
      runs: Array.from({ length: 2 * count }, () => 1),
    }));
    const told = inParts(files);
    assert.deepEqual(
      told.map((part) => part.length),
      parts,
    );
    assert.deepEqual(told.flat(), files);
  });
}
