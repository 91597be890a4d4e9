/** Who hears of the visitor's "mirrors only". */

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { choosePeers, heedMirrorsOnly } from "../../src/download/preferences.ts";

/** What other tabs of the site do to its storage. */
let stored: (event: { key: string | null; newValue: string | null }) => void = () => undefined;
let listeners = 0;
Object.assign(globalThis, {
  addEventListener: (type: string, listener: typeof stored) => {
    assert.equal(type, "storage");
    stored = listener;
    listeners += 1;
  },
});

let forbidden = 0;
let ends: (() => void)[] = [];
const heed = () => {
  ends.push(heedMirrorsOnly(() => (forbidden += 1)));
};

afterEach(() => {
  for (const end of ends) end();
  ends = [];
  forbidden = 0;
});

test("a choice on the page reaches all that run on it, as long as they do", () => {
  heed();
  heed();
  choosePeers("on");
  assert.equal(forbidden, 0);
  choosePeers("off");
  assert.equal(forbidden, 2);
  ends.pop()?.();
  choosePeers("off");
  assert.equal(forbidden, 3);
});

test("a choice in another tab of the site reaches them, too; what else is stored does not", () => {
  heed();
  heed();
  assert.equal(listeners, 1);
  stored({ key: "distribute-io:peers", newValue: "on" });
  stored({ key: "another", newValue: "off" });
  stored({ key: null, newValue: null });
  assert.equal(forbidden, 0);
  stored({ key: "distribute-io:peers", newValue: "off" });
  assert.equal(forbidden, 2);
});
