/**
 * The line between bytes that came from somewhere and bytes that are what the publisher signed.
 *
 * A segment is plain bytes until its SHA-256 matches the one in the signed list; only {@link verifySegment} makes a
 * {@link VerifiedSegment}, and whatever stores or serves takes nothing else.
 */

import { equalBytes } from "./hex.ts";

/** SHA-256 of some bytes; `crypto.subtle` outside tests. Must not change or keep `bytes`. */
export type Sha256 = (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

/** A segment whose digest was found to be right. Its bytes belong to the holder, who must not change them. */
export class VerifiedSegment {
  /** 0-based place in the file. */
  readonly index: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  // A private field makes the type nominal: no object literal passes for a verified segment.
  readonly #checked = true;

  private constructor(index: number, bytes: Uint8Array<ArrayBuffer>) {
    this.index = index;
    this.bytes = bytes;
  }

  /** True for every instance; reading it is how a writer may assert the brand at run time, too. */
  get checked(): boolean {
    return this.#checked;
  }

  /** @internal Used by {@link verifySegment} alone. */
  static async check(
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
    expectedDigest: Uint8Array,
    sha256: Sha256,
  ): Promise<VerifiedSegment | undefined> {
    const digest = await sha256(bytes);
    return equalBytes(digest, expectedDigest) ? new VerifiedSegment(index, bytes) : undefined;
  }
}

/**
 * Checks one segment.
 *
 * @param index 0-based place in the file.
 * @param bytes the whole segment; must not be changed until the promise is settled.
 * @param expectedDigest 32 bytes out of a segment list whose own digest was checked against a manifest.
 * @returns the verified segment over the same bytes, or undefined when they are wrong.
 */
export function verifySegment(
  index: number,
  bytes: Uint8Array<ArrayBuffer>,
  expectedDigest: Uint8Array,
  sha256: Sha256,
): Promise<VerifiedSegment | undefined> {
  return VerifiedSegment.check(index, bytes, expectedDigest, sha256);
}
