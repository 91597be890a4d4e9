import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK_BYTES_MAX, defaultRate, measuredRate, nextBlock, type Sent } from "../../src/core/upload-probe.ts";

/** Sends over a line of this rate with this delay. */
function measure(bytesPerS: number, delayUs: number): { blocks: number[]; rate: number } {
  const blocks: number[] = [];
  let last: Sent | undefined;
  for (let size = nextBlock(last); size !== undefined; size = nextBlock(last)) {
    blocks.push(size);
    last = { sizeBytes: size, elapsedUs: delayUs + (size * 1_000_000) / bytesPerS };
  }
  assert.ok(last !== undefined);
  return { blocks, rate: measuredRate(last) };
}

test("a slow line is measured with one block", () => {
  const { blocks, rate } = measure(125_000, 30_000);
  assert.equal(blocks.length, 1);
  assert.ok(rate > 0.9 * 125_000 && rate <= 125_000);
});

test("a faster line gets larger blocks, and its delay counts little", () => {
  const { blocks, rate } = measure(2_500_000, 30_000);
  assert.deepEqual(blocks, [131_072, 262_144, 524_288, 1_048_576]);
  assert.ok(rate > 0.9 * 2_500_000 && rate <= 2_500_000);
});

test("no line is asked for more than 8 MiB in all", () => {
  const { blocks } = measure(1e9, 1_000);
  assert.equal(blocks.at(-1), BLOCK_BYTES_MAX);
  assert.ok(blocks.reduce((sum, block) => sum + block, 0) < 8 * 2 ** 20);
});

test("a quarter is given, in two digits from below, and a fast line gives no more than the default's maximum", () => {
  assert.deepEqual(
    [100_000, 609_999, 4_000_000, 9_599_999, 1e9].map((rate) => defaultRate(rate, 64_000)),
    [64_000, 150_000, 1_000_000, 2_300_000, 4_000_000],
  );
});
