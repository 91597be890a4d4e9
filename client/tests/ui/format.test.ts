import assert from "node:assert/strict";
import { test } from "node:test";
import { Figures } from "../../src/ui/format.ts";

const english = new Figures("en");
const german = new Figures("de");

test("sizes are decimal, short, and never more exact than they can be read", () => {
  assert.equal(english.size(0), "0 byte");
  assert.equal(english.size(999), "999 byte");
  assert.equal(english.size(1_000), "1 kB");
  assert.equal(english.size(1_234_567), "1.2 MB");
  assert.equal(english.size(123_456_789), "123 MB");
  assert.equal(english.size(5_368_709_120), "5.4 GB");
  assert.equal(english.size(5e15), "5,000 TB");
  assert.equal(german.size(1_234_567), "1,2 MB");
});

test("a size that rounds up to the next unit is of that unit", () => {
  assert.equal(english.size(999_960), "1 MB");
  assert.equal(english.size(999_499), "999 kB");
  assert.equal(english.size(99_960), "100 kB");
});

test("a rate is a size in a second", () => {
  assert.equal(english.rate(2_500_000), "2.5 MB/s");
  assert.equal(german.rate(2_500_000), "2,5 MB/s");
});

test("percent stand as the language writes them", () => {
  assert.equal(english.percent(46), "46%");
  assert.equal(german.percent(46), "46\u00a0%");
});

test("the time left is rounded as far as it can be known", () => {
  assert.equal(english.timeLeft(1_000_000, 1_000_000), "1 second");
  assert.equal(english.timeLeft(59_000_000, 1_000_000), "59 seconds");
  assert.equal(english.timeLeft(100_000_000, 1_000_000), "2 minutes");
  assert.equal(english.timeLeft(7_200_000_000, 1_000_000), "2 hours");
  assert.equal(german.timeLeft(100_000_000, 1_000_000), "2 Minuten");
});

test("nothing is said of the time left when nothing moves, or as good as nothing", () => {
  assert.equal(english.timeLeft(1_000_000, 0), undefined);
  assert.equal(english.timeLeft(1e15, 1), undefined);
});
