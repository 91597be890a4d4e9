import assert from "node:assert/strict";
import { test } from "node:test";
import { keepFirst, planFill, RUN_BYTES, type AssignedFile, type Held } from "../../src/core/fill-plan.ts";

const MIB = 1_048_576;
const A = "aa".repeat(32);
const B = "bb".repeat(32);
const held = (fileId: string, ...indices: number[]): Held[] =>
  indices.map((index) => ({ fileId, index, sizeBytes: MIB }));

function plan(given: {
  target: readonly AssignedFile[];
  held?: readonly Held[];
  roomBytes?: number;
  sizeOf?: (fileId: string, index: number) => number | undefined;
  skip?: (fileId: string) => boolean;
}): ReturnType<typeof planFill> {
  return planFill({
    held: [],
    roomBytes: 100 * MIB,
    overheadBytes: 128,
    sizeOf: () => MIB,
    skip: () => false,
    ...given,
  });
}

test("what is missing is fetched in the order of the assignment, adjacent segments at once", () => {
  const target = [
    { fileId: A, runs: [[4, 6]] as const },
    { fileId: B, runs: [[0, 9]] as const },
  ];
  assert.deepEqual(plan({ target }).fetch, { fileId: A, start: 4, end: 6 });
  assert.deepEqual(plan({ target, held: held(A, 4, 5) }).fetch, { fileId: B, start: 0, end: RUN_BYTES / MIB });
  assert.deepEqual(plan({ target, held: [...held(A, 4, 5), ...held(B, 0, 1, 3)] }).fetch, {
    fileId: B,
    start: 2,
    end: 3,
  });
});

test("with everything there, nothing is done", () => {
  const target = [{ fileId: A, runs: [[0, 2]] as const }];
  assert.deepEqual(plan({ target, held: held(A, 0, 1) }), { drop: [], fetch: undefined });
});

test("never more is planned than there is room for", () => {
  const target = [{ fileId: A, runs: [[0, 9]] as const }];
  assert.deepEqual(plan({ target, roomBytes: 2 * (MIB + 128) }).fetch, { fileId: A, start: 0, end: 2 });
  assert.deepEqual(plan({ target, roomBytes: 2 * (MIB + 128) - 1 }).fetch, { fileId: A, start: 0, end: 1 });
  assert.deepEqual(plan({ target, roomBytes: MIB }), { drop: [], fetch: undefined });
});

test("what is not assigned any more goes when its room is needed, and not before", () => {
  const target = [{ fileId: A, runs: [[0, 1]] as const }];
  const old = held(B, 0, 1, 2);
  assert.deepEqual(plan({ target, held: old, roomBytes: MIB + 128 }).drop, []);
  assert.deepEqual(plan({ target, held: old, roomBytes: MIB }).drop, held(B, 0));
  assert.deepEqual(plan({ target: [], held: old }).drop, []);
});

test("a smaller segment fits where a larger one does not", () => {
  const target = [{ fileId: A, runs: [[0, 3]] as const }];
  const sizeOf = (_: string, index: number) => (index === 2 ? 1_000 : MIB);
  assert.deepEqual(plan({ target, roomBytes: 2_000, sizeOf }).fetch, { fileId: A, start: 2, end: 3 });
});

test("of a file that is not known yet one segment is planned: its entry comes first", () => {
  const target = [{ fileId: A, runs: [[3, 9]] as const }];
  assert.deepEqual(plan({ target, sizeOf: () => undefined }).fetch, { fileId: A, start: 3, end: 4 });
});

test("files that cannot be had at present are passed over", () => {
  const target = [
    { fileId: A, runs: [[0, 1]] as const },
    { fileId: B, runs: [[0, 1]] as const },
  ];
  assert.equal(plan({ target, skip: (fileId) => fileId === A }).fetch?.fileId, B);
});

test("kept first is what stands first in the assignment, last what is not in it", () => {
  const target = [
    { fileId: B, runs: [[1, 3]] as const },
    { fileId: A, runs: [[0, 1]] as const },
  ];
  const records = [...held(A, 5, 0), ...held(B, 2, 1)];
  assert.deepEqual(
    keepFirst<Held>(target)(records).map(({ fileId, index }) => `${fileId.slice(0, 1)}${index}`),
    ["b1", "b2", "a0", "a5"],
  );
});
