import assert from "node:assert/strict";
import { test } from "node:test";
import { STEADY_MS, SteadySight } from "../../src/pages/plain-sight.ts";

test("what was seen for a second without a break is steadily seen", () => {
  const sight = new SteadySight();
  assert.equal(sight.steady(5_000), false, "nothing was reported yet");
  sight.report(true, 5_000);
  assert.equal(sight.steady(5_000 + STEADY_MS - 1), false);
  sight.report(true, 5_500);
  assert.equal(sight.steady(5_000 + STEADY_MS), true);
});

test("a cover that is taken away just before the click does not help", () => {
  const sight = new SteadySight();
  sight.report(true, 0);
  sight.report(false, 9_000);
  assert.equal(sight.steady(9_900), false);
  sight.report(true, 9_950);
  assert.equal(sight.steady(10_000), false);
  assert.equal(sight.steady(9_950 + STEADY_MS), true);
});
