/**
 * UTF-8 and base64, strictly: text that has two readings has none. `atob` is too forgiving for that.
 *
 * The Encoding Standard's two classes and the HTML Standard's two functions are pure, and the same in pages, workers and
 * Node; the core's library, which is ECMAScript's alone, does not list them.
 */

declare const TextEncoder: new () => { encode(text: string): Uint8Array };
declare const TextDecoder: new (
  label: "utf-8",
  options: { readonly fatal: true; readonly ignoreBOM: true },
) => { decode(bytes: Uint8Array): string };
/** Bytes are characters up to U+00FF. */
declare const atob: (base64: string) => string;
declare const btoa: (binary: string) => string;

/** The bytes of canonical standard base64 (RFC 4648 section 4, padded), or undefined if `text` is anything else. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const binary = atob(text);
    // White space, missing padding and bits that belong to no byte are forgiven by the one, and never written by the other.
    return btoa(binary) === text ? Uint8Array.from(binary, (character) => character.charCodeAt(0)) : undefined;
  } catch {
    return undefined;
  }
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
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
