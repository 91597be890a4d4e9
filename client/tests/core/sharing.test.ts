/** The rate of a donor, and whose turn it is. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FairTurns } from "../../src/core/fair-turns.ts";
import { TokenBucket } from "../../src/core/token-bucket.ts";

const SECOND = 1_000_000;

/** Sends frames whenever the bucket lets; returns the bytes of each second. */
function sendFor(seconds: number, bucket: TokenBucket, frameBytes: number, fromUs = 0): number[] {
  const sent = new Array<number>(seconds).fill(0);
  for (let nowUs = fromUs; nowUs < fromUs + seconds * SECOND;) {
    const waitUs = bucket.waitUs(nowUs);
    if (waitUs > 0) {
      nowUs += Math.ceil(waitUs / 1_000) * 1_000; // timers have milliseconds
      continue;
    }
    bucket.take(frameBytes, nowUs);
    const second = Math.floor((nowUs - fromUs) / SECOND);
    sent[second] = (sent[second] ?? 0) + frameBytes;
    nowUs += 10;
  }
  return sent;
}

for (const rate of [64_000, 1_000_000, 10_000_000]) {
  test(`within 5 % of ${rate} bytes per second over 10 s`, () => {
    const bucket = new TokenBucket(rate, rate / 10, 0);
    const total = sendFor(10, bucket, Math.min(65_536, rate / 4)).reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(Math.abs(total / (10 * rate) - 1) <= 0.05, `${total / (10 * rate)}`);
  });
}

test("a pause gives no more than the burst", () => {
  const bucket = new TokenBucket(1_000, 500, 0);
  bucket.take(500, 0);
  assert.equal(bucket.waitUs(86_400 * SECOND), 0);
  bucket.take(501, 86_400 * SECOND);
  assert.equal(bucket.waitUs(86_400 * SECOND), 1_000);
});

test("a new rate holds from now on, and what is owed stays owed", () => {
  const bucket = new TokenBucket(1_000, 0, 0);
  bucket.take(1_000, 0);
  assert.equal(bucket.waitUs(0), SECOND);
  bucket.change(4_000, 0, 0);
  assert.equal(bucket.waitUs(0), SECOND / 4);
});

test("a clock that goes back is a clock that stands still", () => {
  const bucket = new TokenBucket(1_000, 0, SECOND);
  bucket.take(100, SECOND);
  assert.equal(bucket.waitUs(0), 100_000);
});

interface TurnStep {
  readonly add?: string;
  readonly remove?: string;
  readonly sent?: string;
  readonly bytes?: number;
  readonly next?: readonly string[];
  readonly is?: string | null;
}

const vectors = JSON.parse(readFileSync(new URL("../../../spec/vectors/fair-turns.json", import.meta.url), "utf8")) as {
  readonly cases: readonly { readonly name: string; readonly steps: readonly TurnStep[] }[];
}; // as: our own file

for (const { name, steps } of vectors.cases) {
  test(`turns: ${name}`, () => {
    const turns = new FairTurns<string>();
    steps.forEach(({ add, remove, sent, bytes = 0, next, is }, number) => {
      if (add !== undefined) turns.add(add);
      if (remove !== undefined) turns.remove(remove);
      if (sent !== undefined) turns.sent(sent, bytes);
      if (next !== undefined) assert.equal(turns.next((key) => next.includes(key)) ?? null, is, `step ${number}`);
    });
  });
}

test("all get the same bytes, whatever their frames are", () => {
  const turns = new FairTurns<string>();
  const frames = { small: 1_000, large: 64_000, middle: 16_000 };
  const sent: Record<string, number> = {};
  for (const key of Object.keys(frames)) turns.add(key);
  for (let turn = 0; turn < 5_000; turn += 1) {
    const key = turns.next(() => true) as keyof typeof frames; // as: one of the three that were added
    turns.sent(key, frames[key]);
    sent[key] = (sent[key] ?? 0) + frames[key];
  }
  const shares = Object.values(sent);
  assert.ok(Math.max(...shares) - Math.min(...shares) <= 64_000, JSON.stringify(sent));
});

test("who waited has no turns saved up, and who comes late is not behind", () => {
  const turns = new FairTurns<string>();
  turns.add("idle");
  turns.add("busy");
  for (let turn = 0; turn < 100; turn += 1) turns.sent("busy", 1_000);
  turns.add("late");
  const order: (string | undefined)[] = [];
  for (let turn = 0; turn < 60; turn += 1) {
    const key = turns.next(() => true);
    order.push(key);
    if (key !== undefined) turns.sent(key, 1_000);
  }
  for (const key of ["idle", "busy", "late"]) {
    const had = order.filter((other) => other === key).length;
    assert.ok(Math.abs(had - 20) <= 1, `${key} had ${had} of 60 turns`);
  }
});

test("whoever is not ready has no turn, and who left has none", () => {
  const turns = new FairTurns<string>();
  turns.add("a");
  turns.add("b");
  assert.equal(
    turns.next((key) => key === "b"),
    "b",
  );
  turns.remove("b");
  turns.sent("b", 10);
  assert.equal(
    turns.next((key) => key === "b"),
    undefined,
  );
});
