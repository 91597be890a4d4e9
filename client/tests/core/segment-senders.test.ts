import assert from "node:assert/strict";
import { test } from "node:test";
import { KEPT, SegmentSenders } from "../../src/core/segment-senders.ts";

const fresh = (count: number) => new SegmentSenders(100, new Array<boolean>(count).fill(false));

test("neighbours from one sender are one run, and each segment is told once", () => {
  const senders = fresh(6);
  senders.sent(0, 0, 300);
  senders.sent(1, 400, 500);
  for (const index of [4, 0, 2, 1]) senders.stored(index);
  assert.deepEqual([...senders.takeNews()], [0, 3, 0, 4, 1, 1]);
  assert.deepEqual([...senders.takeNews()], []);
  senders.sent(1, 300, 400);
  senders.stored(3);
  assert.deepEqual([...senders.takeNews()], [3, 1, 1]);
});

test("neighbours from two senders are two runs", () => {
  const senders = fresh(2);
  senders.sent(7, 0, 100);
  senders.sent(3, 100, 200);
  senders.stored(0);
  senders.stored(1);
  assert.deepEqual([...senders.takeNews()], [0, 1, 7, 1, 1, 3]);
});

test("what an earlier visit had stored is told first, as nobody's", () => {
  const senders = new SegmentSenders(100, [true, true, false, true]);
  assert.deepEqual([...senders.takeNews()], [0, 2, KEPT, 3, 1, KEPT]);
});

test("a segment that several sent counts as the last one's: a liar's bytes are overwritten by who sends them again", () => {
  const senders = fresh(1);
  senders.sent(0, 0, 60);
  senders.sent(1, 60, 100);
  senders.sent(2, 0, 100);
  senders.stored(0);
  assert.deepEqual([...senders.takeNews()], [0, 1, 2]);
});

test("bytes that come late for a stored segment change nothing", () => {
  const senders = fresh(2);
  senders.sent(0, 0, 100);
  senders.stored(0);
  senders.sent(1, 50, 150);
  senders.stored(1);
  assert.deepEqual([...senders.takeNews()], [0, 1, 0, 1, 1, 1]);
});

test("the last byte of a segment does not count for the next", () => {
  const senders = fresh(2);
  senders.sent(1, 100, 200);
  senders.sent(0, 0, 100);
  senders.stored(1);
  assert.deepEqual([...senders.takeNews()], [1, 1, 1]);
});
