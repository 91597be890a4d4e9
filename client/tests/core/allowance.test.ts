/** When a donor may give: budgets, hours, the device; and that a crash never gives twice what was allowed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Allowance, NO_LIMITS, onTheWire, type AllowanceLimits, type Pause } from "../../src/core/allowance.ts";

const NOTHING = { day: 0, dayBytes: 0, month: 0, monthBytes: 0 };
const NOON = { day: 20_000, month: 24_000, minute: 720 };
const UNKNOWN = { charging: null, metered: null };
const MB = 1_000_000;

/** Takes until it may not any more; a charge that has grown is stored at once. */
function giveAll(allowance: Allowance, frame: number, time = NOON): number {
  for (let given = 0; ; given += frame) {
    let may = allowance.take(frame, time);
    if (may === "store") {
      allowance.stored(allowance.charged);
      may = allowance.take(frame, time);
    }
    if (may !== "yes") return given;
    assert.ok(given < 1_000 * MB);
  }
}

test("a day's budget is given whole and not a byte more, and comes back at midnight", () => {
  const allowance = new Allowance({ ...NO_LIMITS, dailyBytes: 20 * MB }, NOTHING);
  assert.equal(allowance.pause(NOON, UNKNOWN), undefined);
  const given = giveAll(allowance, 65_536);
  assert.ok(given <= 20 * MB && given > 20 * MB - 65_536);
  assert.equal(allowance.pause(NOON, UNKNOWN), "day_used");
  const tomorrow = { ...NOON, day: NOON.day + 1 };
  assert.equal(allowance.pause(tomorrow, UNKNOWN), undefined);
  assert.ok(giveAll(allowance, 65_536, tomorrow) > 19 * MB);
});

test("a month's budget holds over its days", () => {
  const allowance = new Allowance({ ...NO_LIMITS, dailyBytes: 20 * MB, monthlyBytes: 30 * MB }, NOTHING);
  const first = giveAll(allowance, 10_000);
  const second = giveAll(allowance, 10_000, { ...NOON, day: NOON.day + 1 });
  assert.equal(first + second, 30 * MB);
  assert.equal(allowance.pause({ ...NOON, day: NOON.day + 2 }, UNKNOWN), "month_used");
  assert.equal(allowance.pause({ ...NOON, day: NOON.day + 9, month: NOON.month + 1 }, UNKNOWN), undefined);
});

test("what is sent was stored before: crashes never add up to more than the budget", () => {
  const limits = { ...NO_LIMITS, dailyBytes: 100 * MB };
  let stored = NOTHING;
  let given = 0;
  for (let crash = 0; crash < 40; crash += 1) {
    const allowance = new Allowance(limits, stored);
    for (let frame = 0; frame < 60; frame += 1) {
      let may = allowance.take(50_000, NOON);
      if (may === "store") {
        stored = allowance.charged;
        allowance.stored(stored);
        may = allowance.take(50_000, NOON);
      }
      if (may === "yes") given += 50_000;
    }
  }
  assert.ok(given <= 100 * MB, `${given}`);
  assert.ok(given > 25 * MB, `${given}`);
});

test("an end in order charges what went out and no more", () => {
  const allowance = new Allowance({ ...NO_LIMITS, dailyBytes: 100 * MB }, NOTHING);
  assert.equal(allowance.take(1_000, NOON), "store");
  allowance.stored(allowance.charged);
  assert.equal(allowance.take(1_000, NOON), "yes");
  assert.deepEqual(allowance.settle(), { day: NOON.day, dayBytes: 1_000, month: NOON.month, monthBytes: 1_000 });
});

test("nothing goes out against a charge that could not be stored", () => {
  const allowance = new Allowance({ ...NO_LIMITS, dailyBytes: 100 * MB }, NOTHING);
  for (let frame = 0; frame < 5; frame += 1) assert.equal(allowance.take(1_000, NOON), "store");
  assert.equal(allowance.used(NOON).dayBytes, 0);
});

test("a clock that is set back begins no new day", () => {
  const allowance = new Allowance({ ...NO_LIMITS, dailyBytes: MB }, NOTHING);
  giveAll(allowance, 10_000);
  assert.equal(allowance.pause({ ...NOON, day: NOON.day - 1, month: NOON.month - 1 }, UNKNOWN), "day_used");
});

const PAUSES: [string, Partial<AllowanceLimits>, number, boolean | null, boolean | null, Pause | undefined][] = [
  ["within the hours", { hours: [480, 780] }, 720, null, null, undefined],
  ["before the hours", { hours: [780, 900] }, 720, null, null, "hours"],
  ["the end does not belong to them", { hours: [600, 720] }, 720, null, null, "hours"],
  ["over midnight, late", { hours: [1_320, 360] }, 1_400, null, null, undefined],
  ["over midnight, early", { hours: [1_320, 360] }, 10, null, null, undefined],
  ["over midnight, by day", { hours: [1_320, 360] }, 720, null, null, "hours"],
  ["on battery", { whileCharging: true }, 720, false, null, "battery"],
  ["charging", { whileCharging: true }, 720, true, null, undefined],
  ["a device that does not tell", { whileCharging: true, unmetered: true }, 720, null, null, undefined],
  ["mobile data", { unmetered: true }, 720, null, true, "metered"],
  ["mobile data that is allowed", {}, 720, false, true, undefined],
];
for (const [what, limits, minute, charging, metered, pause] of PAUSES) {
  test(`${what}: ${pause ?? "gives"}`, () => {
    const allowance = new Allowance({ ...NO_LIMITS, ...limits }, NOTHING);
    assert.equal(allowance.pause({ ...NOON, minute }, { charging, metered }), pause);
  });
}

test("the wire carries more than the payload", () => {
  assert.equal(onTheWire(1_000), 1_070);
});
