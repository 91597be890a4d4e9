import assert from "node:assert/strict";
import { test } from "node:test";
import type { ShareState } from "../../src/share/share-control.ts";
import type { ShareStatus } from "../../src/share/messages.ts";
import { isSharedWith, sharesNow, shareView, type MoreWords, type ShareInput } from "../../src/ui/share-view.ts";
import { ENGLISH } from "../../src/ui/strings-en.ts";
import { MORE_ENGLISH } from "../../src/ui/strings-more-en.ts";
import { Words } from "../../src/ui/words.ts";

const words: MoreWords = new Words({ tag: "en", direction: "ltr", strings: { ...ENGLISH, ...MORE_ENGLISH } });

const STATUS: ShareStatus = {
  session: "online",
  takers: 0,
  rateBytesPerS: 0,
  givenBytes: 0,
  people: 0,
  pause: null,
};

function input(more: Partial<ShareInput> = {}): ShareInput {
  return { policy: "ask", chosen: undefined, peersAllowed: true, state: { is: "off" }, ...more };
}

function on(status: Partial<ShareStatus>): ShareInput {
  return input({ chosen: "on", state: { is: "on", status: { ...STATUS, ...status } } });
}

test("nothing is given before who has to be asked has answered; an answer sticks, whatever the page says", () => {
  assert.equal(sharesNow(input()), false);
  assert.equal(shareView(input(), words)?.asks, true);
  assert.equal(sharesNow(input({ policy: "on" })), true);
  assert.equal(sharesNow(input({ policy: "on", chosen: "off" })), false);
  assert.equal(sharesNow(input({ chosen: "on" })), true);
  assert.equal(shareView(input({ chosen: "off" }), words)?.text, "You are not helping others.");
});

test("who fetches from mirrors only gives nothing, and is not asked", () => {
  for (const chosen of [undefined, "on"] as const) {
    assert.equal(sharesNow(input({ chosen, policy: "on", peersAllowed: false })), false);
    assert.equal(shareView(input({ chosen, peersAllowed: false }), words), null);
  }
});

test("sharing that another tab ended is said to be off, and can be begun again", () => {
  for (const policy of ["ask", "on"] as const) {
    const view = shareView(input({ policy, chosen: "on", state: { is: "off" } }), words);
    assert.deepEqual([view?.text, view?.asks, view?.stays], ["You are not helping others.", false, false]);
  }
});

test("a download is given as far as its own tag allows, whatever the first tag of the page says", () => {
  const first = { share: "on", peers: "on" } as const;
  const unasked = { chosen: undefined, peersAllowed: true };
  assert.equal(isSharedWith(first, first, unasked), true);
  assert.equal(isSharedWith(first, { share: "off", peers: "on" }, { chosen: "on", peersAllowed: true }), false);
  assert.equal(isSharedWith(first, { share: "on", peers: "off" }, { chosen: "on", peersAllowed: false }), false);
  assert.equal(isSharedWith(first, { share: "ask", peers: "on" }, unasked), false);
  assert.equal(isSharedWith(first, { share: "ask", peers: "on" }, { ...unasked, chosen: "on" }), true);
  assert.equal(isSharedWith(first, { share: "on", peers: "ask" }, { ...unasked, peersAllowed: false }), false);
  // Nobody has answered yet: the sharer itself waits for that.
  const asking = { share: "ask", peers: "ask" } as const;
  assert.equal(isSharedWith(asking, asking, { ...unasked, peersAllowed: false }), true);
});

test("what is given is said: to how many, how fast, how much in all; and at most how much", () => {
  const waiting = shareView(on({}), words);
  assert.equal(waiting?.text, "Nobody needs it right now.");
  assert.equal(waiting.note, "At most 1 MB/s and 2 GB a day, never over a metered connection.");
  const giving = shareView(on({ takers: 2, rateBytesPerS: 640_000, givenBytes: 12_300_000, people: 3 }), words);
  assert.deepEqual([giving?.text, giving?.note], ["640 kB/s to 2 people", "12.3 MB given to 3 people"]);
  assert.equal(giving?.stays, true);
});

test("why nothing is given is said in words", () => {
  const text = (state: ShareState) => shareView(input({ chosen: "on", state }), words)?.text;
  assert.equal(text({ is: "elsewhere" }), "Another tab of this site helps already.");
  assert.equal(text({ is: "starting" }), "Connecting …");
  const paused = (pause: ShareStatus["pause"]) => shareView(on({ pause }), words)?.text;
  assert.equal(paused("metered"), "Paused: this connection is metered.");
  assert.equal(paused("day_used"), "Paused: today's limit is used up.");
  assert.equal(paused("month_used"), "Paused: this month's limit is used up.");
  assert.equal(shareView(on({ session: "offline" }), words)?.text, "The server does not answer; we keep trying.");
  const failed = shareView(input({ chosen: "on", state: { is: "failed" } }), words);
  assert.deepEqual([failed?.text, failed?.stays], ["This page cannot do it here.", false]);
});
