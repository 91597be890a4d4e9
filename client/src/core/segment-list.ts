/**
 * How a file is cut into segments, and the list of their digests (spec/manifest.md sections 6 and 8).
 *
 * The segment size follows from the file's size and from nothing else. A segment list is bytes until its own SHA-256
 * matches the manifest, and only then a {@link SegmentList}. The same as `distribute_io.manifest.segments`.
 */

import { IntegrityError, ManifestError } from "../wire/errors.ts";
import { toHex } from "./hex.ts";
import { MANIFEST_LIMITS } from "./manifest-limits.ts";
import type { Sha256 } from "./verified.ts";

/** Length of a SHA-256 digest. */
export const DIGEST_BYTES = 32;

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/**
 * The segment size of a file: 256 KiB below 4 MiB, 1 MiB up to 8 GiB, 2 MiB up to 32 GiB, else 4 MiB.
 *
 * @throws ManifestError `manifest_bad_size` if the size is negative or above 1 TiB.
 */
export function segmentSizeBytes(sizeBytes: number): number {
  if (sizeBytes < 0 || sizeBytes > MANIFEST_LIMITS.SIZE_BYTES_MAX) {
    throw new ManifestError("manifest_bad_size", `A size of ${sizeBytes} bytes is not between 0 and 1 TiB.`);
  }
  if (sizeBytes < 4 * MIB) return 256 * KIB;
  if (sizeBytes <= 8 * GIB) return MIB;
  return sizeBytes <= 32 * GIB ? 2 * MIB : 4 * MIB;
}

/** How many segments a file has: 0 for an empty one. */
export function segmentCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / segmentSizeBytes(sizeBytes));
}

/** The digests of all segments of one file, in order, as its manifest names them. */
export class SegmentList {
  /** Number of segments. */
  readonly count: number;
  /** The raw list, 32 bytes for each segment; not to be written into. */
  readonly data: Uint8Array<ArrayBuffer>;
  // A private field makes the type nominal: no object literal passes for a verified list.
  readonly #checked = true;

  private constructor(data: Uint8Array<ArrayBuffer>) {
    this.data = data;
    this.count = data.length / DIGEST_BYTES;
  }

  /** True for every instance; reading it is how the brand may be asserted at run time, too. */
  get checked(): boolean {
    return this.#checked;
  }

  /**
   * The digest of one segment: a view of 32 bytes, not to be written into.
   *
   * @throws RangeError if there is no such segment.
   */
  digest(index: number): Uint8Array {
    if (!Number.isInteger(index) || index < 0 || index >= this.count) throw new RangeError(`no segment ${index}`);
    return this.data.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  }

  /** @internal Used by {@link verifySegmentList} alone. */
  static async check(
    data: Uint8Array<ArrayBuffer>,
    segmentsSha256: string,
    sha256: Sha256,
  ): Promise<SegmentList | undefined> {
    return toHex(await sha256(data)) === segmentsSha256 ? new SegmentList(data) : undefined;
  }
}

/**
 * Turns bytes into the list of a file.
 *
 * @param data the list as it came; kept, not copied. The caller reads no more than one byte over `32 * segmentCount()`.
 * @param of size and list digest out of the file's verified manifest.
 * @throws IntegrityError `segment_list_mismatch` if it is not the list that the manifest names: ask another source.
 * @throws ManifestError `manifest_bad_size` if it is, but has another number of segments than the size demands.
 */
export async function verifySegmentList(
  data: Uint8Array<ArrayBuffer>,
  of: { readonly sizeBytes: number; readonly segmentsSha256: string },
  sha256: Sha256,
): Promise<SegmentList> {
  const list = await SegmentList.check(data, of.segmentsSha256, sha256);
  if (list === undefined) {
    throw new IntegrityError("segment_list_mismatch", "The segment list is not the one that the manifest names.");
  }
  if (data.length !== DIGEST_BYTES * segmentCount(of.sizeBytes)) {
    throw new ManifestError("manifest_bad_size", "The segment list has another length than the file's size demands.");
  }
  return list;
}
