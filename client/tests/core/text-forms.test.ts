/** Bytes as text and back: hexadecimal, and base64 as it is written. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { equalBytes, fromHex, toHex } from "../../src/core/hex.ts";
import { decodeBase64, encodeBase64 } from "../../src/core/text.ts";

test("hexadecimal and base64 as Node writes them, for every length up to 70", () => {
  for (let length = 0; length <= 70; length += 1) {
    const bytes = new Uint8Array(randomBytes(length));
    assert.equal(toHex(bytes), Buffer.from(bytes).toString("hex"));
    assert.deepEqual(fromHex(toHex(bytes)), bytes);
    assert.equal(encodeBase64(bytes), Buffer.from(bytes).toString("base64"));
    assert.deepEqual(decodeBase64(encodeBase64(bytes)), bytes);
  }
});

test("what is no hexadecimal is refused", () => {
  for (const text of ["a", "zz", "0x", " 00"]) assert.throws(() => fromHex(text), RangeError);
});

test("equal means the same bytes and as many", () => {
  assert.ok(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
  assert.ok(!equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
  assert.ok(!equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1)));
});
