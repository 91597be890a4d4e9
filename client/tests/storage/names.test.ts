import assert from "node:assert/strict";
import { test } from "node:test";
import { lastFinished } from "../../src/storage/names.ts";

const ID = "ab".repeat(32);

test("of several finished files of one id the last counts, whatever the order of the folder", () => {
  const names = [`${ID}.9.done`, `${ID}.journal`, `${ID}.1000.done`, `${"cd".repeat(32)}.5000.done`, `${ID}.200.done`];
  assert.equal(lastFinished(names, ID), `${ID}.1000.done`);
  assert.equal(lastFinished([`${ID}.part`, `${ID}.journal`], ID), undefined);
});
