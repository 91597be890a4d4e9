/** A page that shares gives no more than its own limits, and no more than was chosen on the donor page of its site. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SHARE_LIMITS, shareLimits } from "../../src/share/share-limits.ts";

test("where nothing was chosen, or nothing that makes sense, its own limits hold", () => {
  assert.equal(shareLimits(null), SHARE_LIMITS);
  assert.equal(shareLimits("{"), SHARE_LIMITS);
  assert.deepEqual(shareLimits("{}"), { ...SHARE_LIMITS, upBytesPerS: 250_000 });
});

test("of each limit the smaller one holds, and hours and charging as they were chosen", () => {
  const chosen = {
    upBytesPerS: 2_000_000,
    takersMax: 8,
    allowance: { dailyBytes: 250_000_000, monthlyBytes: null, hours: [60, 120], whileCharging: true, unmetered: false },
  };
  assert.deepEqual(shareLimits(JSON.stringify(chosen)), {
    upBytesPerS: 1_000_000,
    takersMax: 4,
    allowance: {
      dailyBytes: 250_000_000,
      monthlyBytes: 20_000_000_000,
      hours: [60, 120],
      whileCharging: true,
      unmetered: true,
    },
  });
});

test("a rate that nobody chose or measured is no limit", () => {
  assert.equal(shareLimits(JSON.stringify({ upBytesPerS: 64_000, rateKnown: false })).upBytesPerS, 1_000_000);
});
