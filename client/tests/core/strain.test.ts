import assert from "node:assert/strict";
import { test } from "node:test";
import { STALL_US, Strain } from "../../src/core/strain.ts";

const S = 1_000_000;

test("without a word of the device everything is given", () => {
  assert.equal(new Strain().sharePercent(0), 100);
});

test("the system's pressure takes some of it, and gives it back at once", () => {
  const strain = new Strain();
  const shares = (["nominal", "fair", "serious", "critical", "nominal"] as const).map((pressure) => {
    strain.pressed(pressure);
    return strain.sharePercent(0);
  });
  assert.deepEqual(shares, [100, 100, 100, 50, 100]);
});

test("each stall halves what is given, down to an eighth, and it comes back in steps", () => {
  const strain = new Strain();
  strain.answered(STALL_US - 1, 0);
  strain.answered(3_600 * S, 0);
  assert.equal(strain.sharePercent(0), 100, "a short stall is none, and a computer that slept neither");
  const shares = [0, 1, 2, 3, 4].map((second) => {
    strain.answered(STALL_US, second * S);
    return strain.sharePercent(second * S);
  });
  assert.deepEqual(shares, [50, 25, 12, 12, 12]);
  assert.deepEqual(
    [13, 14, 24, 34, 44].map((second) => strain.sharePercent(second * S)),
    [12, 24, 48, 96, 100],
  );
});

test("pressure and stalls do not add up: the smaller share counts", () => {
  const strain = new Strain();
  strain.pressed("critical");
  strain.answered(STALL_US, 0);
  assert.equal(strain.sharePercent(0), 50);
  strain.answered(STALL_US, 0);
  assert.equal(strain.sharePercent(0), 25);
});

test("after a night all is given again", () => {
  const strain = new Strain();
  strain.answered(STALL_US, 0);
  assert.equal(strain.sharePercent(8 * 3_600 * S), 100);
});
