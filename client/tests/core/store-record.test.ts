/** A donor's totals come back as they were written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeRecord, encodeTotals, type Totals } from "../../src/core/store-record.ts";

const totals: Totals = {
  servedBytes: 2 ** 40,
  servedTodayBytes: 2 ** 33,
  day: 20_000,
  people: 12,
  peopleToday: 3,
  charged: { day: 20_000, dayBytes: 2 ** 34, month: 24_000, monthBytes: 2 ** 35 },
};

for (const [why, ahead] of [
  ["without a clock that was ahead", undefined],
  ["with a day that was ahead", [20_365, 0]],
  ["with a day and a month that were", [20_365, 24_012]],
] as const) {
  test(`totals come back ${why}`, () => {
    const written = { ...totals, charged: { ...totals.charged, ...(ahead && { ahead }) } };
    const found = decodeRecord(encodeTotals(written, 7));
    assert.deepEqual(found, { kind: "totals", totals: written, generation: 7 });
  });
}
