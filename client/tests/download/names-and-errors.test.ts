import assert from "node:assert/strict";
import { test } from "node:test";
import { asDistributeError, remoteError } from "../../src/download/errors.ts";
import { baseName } from "../../src/download/handover.ts";
import { IntegrityError, StoreError, isIntegrityFailure } from "../../src/wire/errors.ts";

test("a file is saved by the last part of its name", () => {
  assert.equal(baseName("pub/2026/f.iso"), "f.iso");
  assert.equal(baseName("f.iso"), "f.iso");
});

test("an error that crossed from the worker is of its family again", () => {
  const error = remoteError({ family: "integrity", code: "all_sources_lie", message: "Every source lied." });
  assert.ok(error instanceof IntegrityError);
  assert.equal(error.code, "all_sources_lie");
  assert.equal(error.message, "Every source lied.");
});

test("what no code of ours foresaw is an inability of the browser, and never an integrity failure", () => {
  const error = asDistributeError(new TypeError("x is not a function"));
  assert.equal(error.code, "unsupported_browser");
  assert.equal(isIntegrityFailure(error), false);
  const known = new StoreError("disk_full", "Full.");
  assert.equal(asDistributeError(known), known);
});
