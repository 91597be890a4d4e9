/** A donor's state, and what was measured, in words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DonorState } from "../../src/donate/donor-control.ts";
import { measuredWords, switchOf } from "../../src/pages/donate-words.ts";

test("a line that is too slow to be measured is not told that it could not be", () => {
  assert.match(measuredWords(1_000_000, "250 kB/s"), /^Your line sends about 1 MB\/s; at most 250 kB\/s/);
  assert.match(measuredWords(0, "64 kB/s"), /^Your line is too slow to be measured, so at most 64 kB\/s/);
  assert.match(measuredWords(undefined, "64 kB/s"), /^Your line could not be measured/);
  for (const found of [1, 0, undefined])
    assert.match(measuredWords(found, "1"), /five seconds; .* Stop keeps it off\.$/);
});

test("there is something to stop in each state but three, and three take no button", () => {
  const states = ["off", "starting", "running", "stopping", "freeing", "elsewhere", "failed"] as const;
  const those = (which: "on" | "busy") => states.filter((is) => switchOf({ is } as DonorState)[which]); // as: what is used of it
  assert.deepEqual(those("on"), ["starting", "running", "stopping", "elsewhere"]);
  assert.deepEqual(those("busy"), ["starting", "stopping", "freeing"]);
});
