/** One count of what a site's pages gave, whichever of them did. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { NO_LIMITS } from "../../src/core/allowance.ts";
import { chargeSite, keepSiteCharge, siteCharge } from "../../src/donate/site-charge.ts";

const NOON = { day: 20_000, month: 24_000, minute: 720 };
const UNKNOWN = { charging: null, metered: null };

let stored: string | null;
let isFull: boolean;
const before = Object.getOwnPropertyDescriptor(globalThis, "localStorage");

beforeEach(() => {
  stored = null;
  isFull = false;
  const storage = {
    getItem: () => stored,
    setItem: (_key: string, text: string) => {
      if (isFull) throw new Error("QuotaExceededError");
      stored = text;
    },
  };
  Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true });
});

afterEach(() => {
  if (before !== undefined) Object.defineProperty(globalThis, "localStorage", before);
});

test("what is charged is kept exactly, on what was there", () => {
  assert.equal(siteCharge(), null);
  assert.equal(chargeSite(1_000, NO_LIMITS, UNKNOWN, NOON), true);
  assert.equal(chargeSite(1_000, NO_LIMITS, UNKNOWN, NOON), true);
  assert.deepEqual(siteCharge(), { day: 20_000, dayBytes: 2_140, month: 24_000, monthBytes: 2_140 });
});

test("what no limit allows is not charged, and must not go out", () => {
  keepSiteCharge({ day: 20_000, dayBytes: 500, month: 24_000, monthBytes: 500 });
  assert.equal(chargeSite(1_000, { ...NO_LIMITS, dailyBytes: 1_500 }, UNKNOWN, NOON), false);
  assert.equal(chargeSite(1_000, { ...NO_LIMITS, unmetered: true }, { ...UNKNOWN, metered: true }, NOON), false);
  assert.equal(chargeSite(1_000, { ...NO_LIMITS, hours: [0, 60] }, UNKNOWN, NOON), false);
  assert.equal(siteCharge()?.dayBytes, 500);
});

test("what cannot be kept must not go out", () => {
  isFull = true;
  assert.equal(chargeSite(1_000, NO_LIMITS, UNKNOWN, NOON), false);
});

test("nonsense is as nothing", () => {
  for (const text of ["{", "null", '{"day": 1}', '{"day": "1", "dayBytes": 0, "month": 0, "monthBytes": 0}']) {
    stored = text;
    assert.equal(siteCharge(), null, text);
  }
});

test("a clock that was ahead rests the site until the next midnight, and doubles nothing", () => {
  const limits = { ...NO_LIMITS, dailyBytes: 2_000 };
  keepSiteCharge({ day: 20_365, dayBytes: 2_000, month: 24_012, monthBytes: 2_000 });
  assert.equal(chargeSite(1_000, limits, UNKNOWN, NOON), false);
  assert.deepEqual(siteCharge(), {
    day: 20_000,
    dayBytes: 2_000,
    month: 24_000,
    monthBytes: 2_000,
    ahead: [20_365, 24_012],
  });
  assert.equal(chargeSite(1_000, limits, UNKNOWN, { ...NOON, day: 0, month: 23_640 }), false);
  assert.equal(chargeSite(1_000, limits, UNKNOWN, NOON), false, "from 1970 to now is no midnight");
  assert.equal(chargeSite(1_000, limits, UNKNOWN, { ...NOON, day: 20_001 }), true);
});
