/**
 * The first look at what an earlier run left: the segments of its last checkpoint are hashed again, since a disk that lost
 * power may have told of a flush that was none. Older ones were there at a later checkpoint, too.
 */

import { Mark } from "../core/download-journal.ts";
import { verifySegment, type Sha256 } from "../core/verified.ts";
import type { StoreTarget } from "./download-store.ts";

/**
 * Hashes the recent segments and marks them durable or missing.
 *
 * @param read fills the buffer from a byte of the file on; what it cannot fill makes the segment a wrong one.
 * @param marks changed in place.
 * @returns whether all of them were right.
 */
export async function recheck(
  { layout, segmentList }: StoreTarget,
  marks: Uint8Array,
  read: (startByte: number, into: Uint8Array<ArrayBuffer>) => void,
  sha256: Sha256,
): Promise<boolean> {
  let allRight = true;
  const buffer = new ArrayBuffer(layout.segmentSizeBytes);
  for (let index = 0; index < layout.count; index += 1) {
    if (marks[index] !== Mark.recent) continue;
    const bytes = new Uint8Array(buffer, 0, layout.lengthOf(index)).fill(0);
    read(layout.startOf(index), bytes);
    const right = await verifySegment(index, bytes, segmentList.subarray(32 * index, 32 * (index + 1)), sha256);
    marks[index] = right === undefined ? Mark.missing : Mark.durable;
    allRight &&= right !== undefined;
  }
  return allRight;
}
