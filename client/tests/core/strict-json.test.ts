/** Strict JSON and UTF-8 against the engine's own, lenient ones, on noise from a seeded generator. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { parseStrictJson } from "../../src/core/strict-json.ts";
import { decodeBase64, decodeUtf8, encodeBase64, isWellFormed, utf8Length } from "../../src/core/text.ts";
import { ManifestError } from "../../src/wire/errors.ts";

const PIECES = [
  '"',
  "{",
  "}",
  "[",
  "]",
  ":",
  ",",
  "1",
  "-",
  "0",
  ".",
  "e",
  "null",
  "true",
  "a",
  "\\u00e4",
  "\\ud800",
  " ",
];
const ROUNDS = 20_000;

/** Numbers below `bound`, the same on every run (mulberry32). */
function generator(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

function parse(text: string): unknown {
  return parseStrictJson(Buffer.from(text), "text");
}

function refused(text: string): void {
  assert.throws(
    () => parse(text),
    (error) => error instanceof ManifestError && error.code === "manifest_malformed",
    text,
  );
}

test("what is written is read", () => {
  const value = { a: [1, -2, true, false, null, "ä😀\n\u2028"], "": {}, b: { c: [] }, big: Number.MAX_SAFE_INTEGER };
  assert.deepEqual(JSON.parse(JSON.stringify(parse(JSON.stringify(value)))), value);
  assert.deepEqual(JSON.parse(JSON.stringify(parse(JSON.stringify(value, undefined, "\t")))), value);
});

test("no key is special", () => {
  const value = parse('{"__proto__": {"a": 1}, "constructor": 2, "hasOwnProperty": 3}');
  assert.deepEqual(Object.keys(value as object), ["__proto__", "constructor", "hasOwnProperty"]); // as: an object
  assert.equal(Object.getPrototypeOf(value), null);
  refused('{"__proto__": 1, "__proto__": 2}');
});

test("what other parsers forgive is refused", () => {
  for (const text of [
    "",
    " ",
    "01",
    "1.0",
    "1e3",
    "-0",
    "--1",
    "+1",
    ".5",
    "9007199254740992",
    "NaN",
    "tru",
    "'a'",
    '"a',
  ])
    refused(text);
  for (const text of [
    "[1,]",
    "[,1]",
    "[1 2]",
    "{,}",
    '{"a"}',
    '{"a":}',
    "{a:1}",
    '{"a":1,}',
    '{"a":1 "b":2}',
    "[1",
    "{",
  ])
    refused(text);
  for (const text of [
    "1 1",
    "\ufeff1",
    '"\t"',
    '"\\x41"',
    '"\\u12"',
    '"\\',
    '"\\ud800"',
    '{"a":1,"\\u0061":2}',
    "/**/1",
  ])
    refused(text);
  refused("[".repeat(17) + "]".repeat(17));
  refused("[".repeat(200_000));
  parse("[".repeat(16) + "]".repeat(16));
});

test("noise is refused, or means what the engine reads", () => {
  const below = generator(1);
  let accepted = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const text = Array.from({ length: 1 + below(8) }, () => PIECES[below(PIECES.length)]).join("");
    let value: unknown;
    try {
      value = parse(text);
    } catch (error) {
      assert.ok(error instanceof ManifestError, text);
      continue;
    }
    accepted += 1;
    assert.deepEqual(JSON.parse(JSON.stringify(value)), JSON.parse(text), text);
  }
  assert.ok(accepted > 100, String(accepted));
});

test("UTF-8 is read as the engine reads it, or refused as it refuses", () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const leads = [
    0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0x8f, 0x9f, 0xa0,
  ];
  const below = generator(2);
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = Uint8Array.from({ length: below(7) }, () => leads[below(leads.length)] ?? 0);
    let expected: string | undefined;
    try {
      expected = strict.decode(bytes);
    } catch {
      expected = undefined;
    }
    assert.equal(decodeUtf8(bytes), expected, bytes.join(" "));
  }
  const long = "ä😀x".repeat(20_000);
  assert.equal(decodeUtf8(Buffer.from(long)), long);
});

test("lengths in UTF-8, and unpaired surrogates", () => {
  for (const text of ["", "a", "ä", "€", "😀", "\u07ff\u0800\uffff"]) {
    assert.equal(utf8Length(text), Buffer.byteLength(text));
    assert.ok(isWellFormed(text));
  }
  for (const text of ["\ud800", "a\udfff", "\ude00\ud83d"]) assert.ok(!isWellFormed(text));
});

test("base64 is what Node writes, and nothing else", () => {
  const below = generator(3);
  for (let round = 0; round < 2_000; round += 1) {
    const bytes = Uint8Array.from({ length: below(20) }, () => below(256));
    const text = Buffer.from(bytes).toString("base64");
    assert.equal(encodeBase64(bytes), text);
    assert.deepEqual(decodeBase64(text), bytes);
    const at = below(text.length + 1);
    const changed = text.slice(0, at) + "+=A-\n".charAt(below(5)) + text.slice(at + below(2));
    const read = decodeBase64(changed);
    if (read !== undefined) assert.equal(Buffer.from(read).toString("base64"), changed);
  }
});
