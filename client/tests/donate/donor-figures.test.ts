import assert from "node:assert/strict";
import { test } from "node:test";
import { GivenFigures, heldFiles } from "../../src/donate/donor-figures.ts";

const CHARGED = { day: 1, dayBytes: 0, month: 1, monthBytes: 0 };
const NOTHING = { servedBytes: 0, servedTodayBytes: 0, day: 0, people: 0, peopleToday: 0, charged: CHARGED };

test("bytes and people are counted for today and ever, and today ends at midnight", () => {
  let day = 20_000;
  const figures = new GivenFigures(NOTHING, () => ({ day, month: 1, minute: 0 }), 0);
  figures.served(100, true, 0);
  figures.served(50, false, 0);
  figures.served(7, true, 0);
  assert.ok(figures.show(0).rateBytesPerS > 0);
  assert.partialDeepStrictEqual(figures.show(0), {
    servedBytes: 157,
    servedTodayBytes: 157,
    people: 2,
    peopleToday: 2,
  });
  day += 1;
  assert.partialDeepStrictEqual(figures.show(0), { servedBytes: 157, servedTodayBytes: 0, people: 2, peopleToday: 0 });
  figures.served(3, true, 0);
  assert.deepEqual(figures.totals(CHARGED), {
    servedBytes: 160,
    servedTodayBytes: 3,
    day,
    people: 3,
    peopleToday: 1,
    charged: CHARGED,
  });
});

test("what is held is told by file, with what is asked for and what is known of it", () => {
  const record = (fileId: string, index: number) => ({ fileId, index, digest: "", sizeBytes: 10 });
  const files = heldFiles(
    [record("a", 4), record("b", 0), record("a", 5)],
    [{ fileId: "a", runs: [[4, 8]] }],
    (fileId) => (fileId === "a" ? { name: "a.iso", segments: 9 } : undefined),
  );
  assert.deepEqual(files, [
    { fileId: "a", name: "a.iso", segments: 2, count: 9, bytes: 20, runs: [[4, 6]], assigned: [[4, 8]] },
    { fileId: "b", name: "", segments: 1, count: 0, bytes: 10, runs: [[0, 1]], assigned: [] },
  ]);
});
