/** Bytes as text and back: hexadecimal, and base64 as it is written. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { equalBytes, fromHex, toHex } from "../../src/core/hex.ts";
import { decodeBase64, encodeBase64 } from "../../src/core/text.ts";
import { parseTimestamp } from "../../src/core/timestamp.ts";
import { ManifestError } from "../../src/wire/errors.ts";

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

test("base64 that other decoders forgive is refused", () => {
  for (const text of ["Zg", "Zg=", "Zh==", "Zm9=", "Z m8=", "Zm8=\n", "Zm8-", "=", "Zg==Zg=="])
    assert.equal(decodeBase64(text), undefined, text);
});

test("a time stamp has one form, whatever else engines read", () => {
  assert.equal(parseTimestamp("1970-01-01T00:00:00Z"), 0);
  assert.equal(parseTimestamp("9999-12-31T23:59:59Z"), 253_402_300_799);
  for (const text of [
    "",
    "1969-12-31T23:59:59Z",
    "+010000-01-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-11-22T24:00:00Z",
    "2026-11-22T18:30:00",
    "2026-11-22T18:30:00.000Z",
    "2026-11-22T18:30:00z",
    "2026-11-22 18:30:00Z",
    "22 Nov 2026 18:30:00",
  ])
    assert.throws(() => parseTimestamp(text), ManifestError, text);
});
