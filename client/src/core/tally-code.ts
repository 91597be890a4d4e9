/**
 * The code under which a person's credit of several devices is added up: a secret of 128 bits, written for people.
 *
 * - T1 28 digits of Crockford's base 32 (no I, L, O, U), in seven groups of four: 128 bits of secret, then 12 bits of check.
 * - T2 The check is FNV-1a of the secret's 16 bytes, 32 bits folded to 12: `(h ^ h >> 12 ^ h >> 24) & 0xfff`. It finds typing
 *   errors, 4,095 of 4,096; it protects nothing.
 * - T3 Read without regard to case, spaces and dashes; I and L are 1, O is 0.
 *
 * `core/tally_code.py` is its twin; vectors: `spec/vectors/tally-codes.json`.
 */

import { fnv1a } from "./fnv.ts";

/** Bytes of the secret. */
export const TALLY_SECRET_BYTES = 16;
const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH = 28;

/** A secret of 16 bytes as text for people. */
export function writeTallyCode(secret: Uint8Array): string {
  let number = 0n;
  for (const byte of secret) number = (number << 8n) | BigInt(byte);
  number = (number << 12n) | BigInt(check(secret));
  let digits = "";
  for (let place = LENGTH - 1; place >= 0; place -= 1)
    digits += DIGITS[Number((number >> BigInt(5 * place)) & 31n)] ?? "";
  return digits.replace(/.{4}(?=.)/g, "$&-");
}

/** The secret of a code that a person typed; undefined when it is none. */
export function readTallyCode(text: string): Uint8Array | undefined {
  const digits = text.toUpperCase().replace(/[ -]/g, "").replace(/[IL]/g, "1").replace(/O/g, "0");
  if (digits.length !== LENGTH) return undefined;
  let number = 0n;
  for (const digit of digits) {
    const value = DIGITS.indexOf(digit);
    if (value < 0) return undefined;
    number = (number << 5n) | BigInt(value);
  }
  const secret = new Uint8Array(TALLY_SECRET_BYTES);
  for (let at = 0; at < secret.length; at += 1) secret[at] = Number((number >> BigInt(12 + 8 * (15 - at))) & 255n);
  return Number(number & 0xfffn) === check(secret) ? secret : undefined;
}

function check(secret: Uint8Array): number {
  const value = fnv1a(secret);
  return (value ^ (value >>> 12) ^ (value >>> 24)) & 0xfff;
}
