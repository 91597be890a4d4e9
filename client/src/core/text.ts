/** UTF-8 and base64, strictly: text that has two readings has none. The core has no `TextDecoder` and no `atob`. */

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
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
  }
  return length;
}

/** Whether a text has no unpaired surrogate, so that UTF-8 can write it. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** The text of some UTF-8, or undefined if it is not valid (RFC 3629: no surrogates, nothing longer than needed). */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const parts: string[] = [];
  let units: number[] = [];
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at] ?? 0;
    at += 1;
    let code = lead;
    if (lead >= 0x80) {
      const more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
      if (lead < 0xc2 || lead > 0xf4) return undefined;
      code = lead & (0x3f >> more);
      for (let left = more; left > 0; left -= 1) {
        const next = bytes[at] ?? 0;
        if ((next & 0xc0) !== 0x80) return undefined;
        code = (code << 6) | (next & 0x3f);
        at += 1;
      }
      const least = [0, 0x80, 0x800, 0x1_0000][more] ?? 0;
      if (code < least || code > 0x10_ffff || (code >= 0xd800 && code < 0xe000)) return undefined;
    }
    if (code < 0x1_0000) units.push(code);
    else units.push(0xd800 + ((code - 0x1_0000) >> 10), 0xdc00 + ((code - 0x1_0000) & 0x3ff));
    if (units.length > 8_000) {
      // In pieces: the arguments of one call lie on the stack.
      parts.push(String.fromCharCode(...units));
      units = [];
    }
  }
  parts.push(String.fromCharCode(...units));
  return parts.join("");
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
