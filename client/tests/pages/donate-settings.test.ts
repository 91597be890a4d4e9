import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { NO_LIMITS } from "../../src/core/allowance.ts";
import {
  forget,
  forgetAllButCode,
  including,
  raises,
  recall,
  remember,
  stepOf,
  storageSteps,
} from "../../src/pages/donate-settings.ts";

const MB = 1_000_000;
const KEY = "distribute-io:donor";

const stored = new Map<string, string>();
const before = Object.getOwnPropertyDescriptor(globalThis, "localStorage");

beforeEach(() => {
  stored.clear();
  const storage = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, text: string) => stored.set(key, text),
    removeItem: (key: string) => stored.delete(key),
  };
  Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true });
});

afterEach(() => {
  if (before !== undefined) Object.defineProperty(globalThis, "localStorage", before);
});

test("the storage slider reaches from 16 MB to what the browser grants", () => {
  assert.deepEqual(storageSteps(5 * MB), [16 * MB]);
  assert.deepEqual(storageSteps(100 * MB), [16 * MB, 32 * MB, 64 * MB, 100 * MB]);
  assert.equal(storageSteps(9_663_676_416).at(-1), 9_600 * MB);
  assert.equal(storageSteps(8_000 * MB).at(-1), 8_000 * MB);
});

test("a value stands at the step below it, and never below the first", () => {
  assert.deepEqual(
    [0, 16 * MB, 31 * MB, 1e12].map((value) => stepOf([16 * MB, 32 * MB], value)),
    [0, 0, 0, 1],
  );
});

test("without anything remembered it is off, and the rate is to be measured", () => {
  const { on, rateKnown, settings } = recall();
  assert.deepEqual([on, rateKnown, settings.storageBytes], [false, false, 16 * MB]);
});

test("what was remembered comes back, and is gone when it was forgotten", () => {
  const settings = {
    storageBytes: 32 * MB,
    upBytesPerS: 2 * MB,
    causes: ["a"],
    takersMax: 3,
    allowance: { ...NO_LIMITS, dailyBytes: 5, hours: [60, 120] as const },
  };
  remember({ settings, on: true, rateKnown: true, measuredBytesPerS: 8 * MB, tallySecret: "0f".repeat(16) });
  assert.deepEqual(recall(), {
    settings,
    on: true,
    rateKnown: true,
    measuredBytesPerS: 8 * MB,
    tallySecret: "0f".repeat(16),
  });
  forget();
  assert.equal(stored.size, 0);
  assert.equal(recall().on, false);
});

test("a change leaves what a badge or another tab has set meanwhile", () => {
  remember({ settings: { ...recall().settings, upBytesPerS: 2 * MB }, tallySecret: "0f".repeat(16) });
  remember({ on: true });
  assert.deepEqual([recall().on, recall().settings.upBytesPerS, recall().tallySecret], [true, 2 * MB, "0f".repeat(16)]);
});

test("a rate that an earlier version remembered was chosen; nonsense is as nothing", () => {
  stored.set(KEY, JSON.stringify({ upBytesPerS: 500_000 }));
  assert.deepEqual([recall().rateKnown, recall().settings.upBytesPerS], [true, 500_000]);
  stored.set(
    KEY,
    JSON.stringify({ storageBytes: "much", upBytesPerS: -1, takersMax: 1e9, on: "yes", causes: [1, "a"] }),
  );
  const { settings, on } = recall();
  assert.deepEqual(
    [settings.storageBytes, settings.upBytesPerS, settings.takersMax, settings.causes, on],
    [16 * MB, 0.25 * MB, 8, ["a"], false],
  );
  stored.set(KEY, "{");
  assert.equal(recall().rateKnown, false);
});

test("what was chosen before stays a choice, so that no start shrinks the store", () => {
  const steps = storageSteps(20_000 * MB);
  assert.deepEqual(
    including(steps, 9_600 * MB).slice(-4),
    [8_000, 9_600, 16_000, 20_000].map((n) => n * MB),
  );
  assert.equal(including(steps, 32_000 * MB).at(-1), 32_000 * MB, "also when the browser grants less today");
  assert.equal(including(steps, 16 * MB), steps);
});

test("all can be forgotten but the person's code", () => {
  const settings = { ...recall().settings, storageBytes: 64 * MB };
  const tallySecret = "0f".repeat(16);
  remember({ settings, on: true, rateKnown: true, tallySecret });
  forgetAllButCode();
  const { on, rateKnown, settings: left, tallySecret: code } = recall();
  assert.deepEqual([on, rateKnown, left.storageBytes, code], [false, false, 16 * MB, tallySecret]);
  remember({ settings, on: true, rateKnown: true, tallySecret: "" });
  forgetAllButCode();
  assert.equal(stored.size, 0, "nothing is left where there was no code");
});

test("a limit is raised by more storage, a higher rate, or a higher budget or none", () => {
  const daily = (dailyBytes: number | null) => ({ ...recall().settings, allowance: { ...NO_LIMITS, dailyBytes } });
  const before = daily(5_000 * MB);
  assert.equal(raises(before, before), false);
  assert.equal(raises(before, { ...before, storageBytes: 32 * MB }), true);
  assert.equal(raises(before, { ...before, upBytesPerS: 2 * MB }), true);
  assert.deepEqual(
    [4_000 * MB, 6_000 * MB, null].map((bytes) => raises(before, daily(bytes))),
    [false, true, true],
  );
  assert.equal(raises(daily(null), before), false);
});
