/** core/tally-code.ts: the vectors that Python runs, too. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readTallyCode, writeTallyCode } from "../../src/core/tally-code.ts";

interface Vector {
  readonly name: string;
  readonly code: string;
  readonly secret: string;
}

const path = new URL("../../../spec/vectors/tally-codes.json", import.meta.url);
const vectors = JSON.parse(readFileSync(path, "utf8")) as Record<"codes" | "alike" | "refused", readonly Vector[]>; // as: our own file

test("codes are written and read", () => {
  for (const { code, secret } of vectors.codes) {
    assert.equal(writeTallyCode(Buffer.from(secret, "hex")), code);
    assert.equal(Buffer.from(readTallyCode(code) ?? []).toString("hex"), secret);
  }
});

test("codes are read as people type them, and what is none is refused", () => {
  for (const { name, code, secret } of vectors.alike)
    assert.equal(Buffer.from(readTallyCode(code) ?? []).toString("hex"), secret, name);
  for (const { name, code } of vectors.refused) assert.equal(readTallyCode(code), undefined, name);
});
