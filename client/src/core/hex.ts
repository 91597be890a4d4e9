/** Digests and ids as lower-case hexadecimal text, the form of JSON and of file names, and as raw bytes, that of frames. */

const BYTE_TEXTS: readonly string[] = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, "0"));

/** Lower-case hexadecimal text of some bytes. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += BYTE_TEXTS[byte] ?? "";
  return text;
}

/**
 * The bytes of a hexadecimal text.
 *
 * @throws RangeError when the text has an odd length or another character in it; text from outside was checked before.
 */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw new RangeError("not hexadecimal");
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** Whether two byte strings are equal. Takes the same time wherever they differ, as proofs are compared with it. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  left.forEach((byte, index) => {
    difference |= byte ^ (right[index] ?? 0);
  });
  return difference === 0;
}
