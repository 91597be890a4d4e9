/**
 * JSON that means the same to every reader, or is refused (spec/manifest.md section 3).
 *
 * Two parsers that disagree about one text let a signature cover something else than what is acted upon. Hence refused:
 *
 * - bytes that are not UTF-8, a byte-order mark, unpaired surrogates (escaped ones too);
 * - an object that has a key twice;
 * - numbers with a fraction or exponent, `-0`, integers outside ±(2^53 - 1);
 * - more than `DEPTH_MAX` nested arrays and objects;
 * - anything but white space around the one value.
 *
 * Does not know what a manifest is. The same as `distribute_io.manifest.strict_json`.
 */

import { ManifestError } from "../wire/errors.ts";
import { MANIFEST_LIMITS } from "./manifest-limits.ts";
import { decodeUtf8, isWellFormed } from "./text.ts";

/** What strict JSON can hold. Objects have no prototype, so that no key is special. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Whether a value is a JSON object. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Parses one JSON text strictly.
 *
 * @param data the text in UTF-8. The caller bounds its length; time and memory are linear in it.
 * @param what what the text is, for the error's message.
 * @throws ManifestError `manifest_malformed` for everything that the rules above refuse.
 */
export function parseStrictJson(data: Uint8Array, what: string): JsonValue {
  const text = decodeUtf8(data);
  if (text === undefined) throw new ManifestError("manifest_malformed", `The ${what} is not UTF-8.`);
  return new Parser(text, what).parse();
}

const WHITE_SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const INTEGER = /^(?:0|-?[1-9][0-9]*)$/;
const WORDS = new Map<string, JsonValue>([
  ["true", true],
  ["false", false],
  ["null", null],
]);
const WORD = /true|false|null/y;

class Parser {
  readonly #text: string;
  readonly #what: string;
  #at = 0;

  constructor(text: string, what: string) {
    this.#text = text;
    this.#what = what;
  }

  parse(): JsonValue {
    const value = this.#value(0);
    this.#take(WHITE_SPACE);
    if (this.#at !== this.#text.length) throw this.#malformed();
    return value;
  }

  /** `depth`: arrays and objects around this value. */
  #value(depth: number): JsonValue {
    this.#take(WHITE_SPACE);
    const first = this.#text[this.#at];
    if (first === '"') return this.#string();
    if (first === "[" || first === "{") {
      if (depth === MANIFEST_LIMITS.DEPTH_MAX) throw this.#malformed();
      this.#at += 1;
      return first === "[" ? this.#array(depth + 1) : this.#object(depth + 1);
    }
    const word = WORDS.get(this.#take(WORD));
    if (word !== undefined) return word;
    const digits = this.#take(NUMBER);
    const value = Number(digits);
    if (!INTEGER.test(digits) || !Number.isSafeInteger(value)) throw this.#malformed();
    return value;
  }

  #array(depth: number): JsonValue {
    const members: JsonValue[] = [];
    if (this.#skip("]")) return members;
    do members.push(this.#value(depth));
    while (this.#skip(","));
    if (!this.#skip("]")) throw this.#malformed();
    return members;
  }

  #object(depth: number): JsonValue {
    // as: Object.create is typed `any`; without a prototype even `__proto__` is a key like any other.
    const members = Object.create(null) as Record<string, JsonValue>;
    if (this.#skip("}")) return members;
    do {
      this.#take(WHITE_SPACE);
      if (this.#text[this.#at] !== '"') throw this.#malformed();
      const key = this.#string();
      if (Object.hasOwn(members, key)) throw this.#malformed();
      if (!this.#skip(":")) throw this.#malformed();
      members[key] = this.#value(depth);
    } while (this.#skip(","));
    if (!this.#skip("}")) throw this.#malformed();
    return members;
  }

  #string(): string {
    const start = this.#at;
    let end = start + 1;
    // By hand and not by one pattern: a segment list of megabytes would exhaust the pattern's stack.
    for (; this.#text[end] !== '"'; end += this.#text[end] === "\\" ? 2 : 1) {
      if (end >= this.#text.length) throw this.#malformed();
    }
    this.#at = end + 1;
    let value: unknown;
    try {
      value = JSON.parse(this.#text.slice(start, this.#at)); // one string: escapes and control characters are its matter
    } catch {
      throw this.#malformed();
    }
    if (typeof value !== "string" || !isWellFormed(value)) throw this.#malformed();
    return value;
  }

  /** Skips white space and then `character`, if it is next. */
  #skip(character: string): boolean {
    this.#take(WHITE_SPACE);
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  /** What matches a sticky pattern here, and steps over it. */
  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #malformed(): ManifestError {
    return new ManifestError("manifest_malformed", `The ${this.#what} is no strict JSON at character ${this.#at}.`);
  }
}
