/**
 * UTF-8 and base64, strictly: text that has two readings has none. `atob` is too forgiving for that.
 *
 * The Encoding Standard's two classes are pure, and the same in pages, workers and Node; the core's library, which is
 * ECMAScript's alone, does not list them.
 */

declare const TextEncoder: new () => { encode(text: string): Uint8Array };
declare const TextDecoder: new (
  label: "utf-8",
  options: { readonly fatal: true; readonly ignoreBOM: true },
) => { decode(bytes: Uint8Array): string };

const BASE64_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_VALUES = new Map(Array.from(BASE64_DIGITS, (digit, value) => [digit.charCodeAt(0), value]));

/** The bytes of canonical standard base64 (RFC 4648 section 4, padded), or undefined if `text` is anything else. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let bits = 0;
  let written = 0;
  // Digit by digit: a pattern over megabytes of text exhausts the stack of the engine.
  for (let at = 0; at < text.length - padding; at += 1) {
    const value = BASE64_VALUES.get(text.charCodeAt(at));
    if (value === undefined) return undefined;
    bits = ((bits << 6) | value) & 0xff_ffff;
    // After digits 2, 3 and 4 of four, 4, 2 and 0 bits are left over for the next byte.
    if (at % 4 !== 0) bytes[written++] = bits >> (6 - 2 * (at % 4));
  }
  // Bits that belong to no byte must be zero, or two texts would mean the same bytes.
  const unused = padding === 0 ? 0 : bits & (padding === 1 ? 0b11 : 0b1111);
  return unused === 0 ? bytes : undefined;
}

/** How many bytes a well-formed text has in UTF-8. */
export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Whether a text has no unpaired surrogate, so that UTF-8 can write it. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** The text of some UTF-8, or undefined if it is not valid (RFC 3629: no surrogates, nothing longer than needed). */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Standard base64 of some bytes (RFC 4648 section 4, padded). */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const bits = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const digits = [18, 12, 6, 0].map((shift) => BASE64_DIGITS[(bits >> shift) & 0x3f] ?? "");
    text += digits.slice(0, Math.min(4, left + 1)).join("") + "=".repeat(Math.max(0, 3 - left));
  }
  return text;
}
